import LMDB
import PowerDNSSchema
import Snapshots

/// What rules about relations and zones can say of a snapshot before it is merged: what is wrong with an RRset by itself, and
/// zones whose names are taken. All else can only be seen in the result.
struct IncomingRules {
    /// So many new zones of a merge are looked for.
    private static let most = 10_000

    private let refusesDuplicates: Bool
    private let refusesRRsets: Bool
    private var added: [IndexKey] = []
    private var removed: Set<[UInt8]> = []

    /// - Parameter settings: tell which rules refuse.
    init(_ settings: InspectorSettings) {
        refusesDuplicates = settings.relations == .reject
        refusesRRsets = settings.zones == .reject
    }

    /// A change was told.
    ///
    /// - Parameter payload: nil for an entry that is to be deleted.
    /// - Returns: what speaks against the merge; nil when nothing does.
    mutating func note(
        _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer?
    ) -> (rule: String, text: String)? {
        switch table {
        case .domainsIndex where refusesDuplicates:
            if payload == nil {
                if removed.count < Self.most { removed.insert(Array(key)) }
            } else if added.count < Self.most, let entry = try? IndexKey(key) {
                added.append(entry)
            }
        case .records where refusesRRsets:
            guard let payload, let key = try? RecordKey(key), let rule = Self.brokenRule(key, payload) else {
                return nil
            }
            let owner = (try? key.owner(in: .root)).map { key.isApex ? "@" : $0.text(finalDot: false) } ?? ""
            return (
                rule.rawValue,
                "\(owner) \(key.type) of zone #\(key.domainID) breaks the rule \(rule.rawValue) "
                    + "(powerdns.validation.zones is reject): put it right on the instance that it comes from"
            )
        default: break
        }
        return nil
    }

    /// Which rule an RRset breaks whatever else is in its zone.
    static func brokenRule(_ key: RecordKey, _ payload: UnsafeRawBufferPointer) -> ValidationRule? {
        if key.type == .emptyNonTerminal || key.type == .nsec3 { return nil }
        var value = RecordValue(payload)
        var count = 0
        var ttl: UInt32?
        var hasOtherTTL = false
        while let record = try? value.next() {
            if record.isDisabled { continue }
            count += 1
            if let ttl, ttl != record.ttl { hasOtherTTL = true }
            ttl = record.ttl
        }
        switch key.type {
        case .soa where count > 0 && !key.isApex: return .soaNotAtApex
        case .soa where count > 1: return .severalSOAs
        case .cname where count > 1: return .severalCNAMEs
        case .dname where count > 1: return .severalDNAMEs
        case .ds where count > 0 && key.isApex: return .dsAtApex
        default: return hasOtherTTL ? .ttlMismatch : nil
        }
    }

    /// What speaks against the merge once all changes have been told.
    ///
    /// - Parameter transaction: shows the database as it is before the merge.
    func objection(_ transaction: borrowing ReadTransaction) throws -> (rule: String, text: String)? {
        guard !added.isEmpty else { return nil }
        let index = try TableReader(.domainsIndex, transaction)
        for entry in added {
            let prefix = IndexKey.prefix(of: entry.zone)
            try index.seek(prefix)
            while index.hasPrefix(prefix) {
                if index.live != nil, let other = try? IndexKey(index.key), other.zone == entry.zone,
                    other.id != entry.id,
                    !removed.contains(Array(index.key))
                {
                    return (
                        ValidationRule.duplicateZone.rawValue,
                        "it would bring a second zone \(entry.zone), with the ID \(entry.id) beside \(other.id) "
                            + "(powerdns.validation.relations is reject): delete one of them on its server"
                    )
                }
                try index.next()
            }
        }
        return nil
    }
}
