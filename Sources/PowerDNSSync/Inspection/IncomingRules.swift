import LMDB
import PowerDNSDatabase
import PowerDNSFormat
import Snapshots

/// The checks of rules about relations and zones that are possible before a merge: invalid RRsets, and
/// zones whose names are taken. Other violations are only visible in the result.
struct IncomingRules {
    /// Maximum number of new zones that are checked per merge.
    private static let most = 10_000

    private let refusesRelations: Bool
    private let refusesRRsets: Bool
    private var added: [IndexKey] = []
    private var removed: [IndexKey] = []
    /// Zones deleted as a whole.
    private var deleted: Set<UInt32> = []

    /// - Parameter settings: the rules that reject.
    init(_ settings: InspectorSettings) {
        refusesRelations = settings.relations == .reject
        refusesRRsets = settings.zones == .reject
    }

    /// Whether ``objection(_:)`` has nothing to look at.
    var isEmpty: Bool { added.isEmpty && removed.isEmpty }

    /// Checks a change.
    ///
    /// - Parameter payload: nil for a deletion.
    /// - Returns: an objection to the merge; nil if there is none.
    mutating func note(
        _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer?
    ) -> Objection? {
        switch table {
        case .domainsIndex where refusesRelations:
            guard let entry = try? IndexKey(key) else { return nil }
            if payload == nil {
                if removed.count < Self.most { removed.append(entry) }
            } else if added.count < Self.most {
                added.append(entry)
            }
        case .domains where refusesRelations:
            if payload == nil, deleted.count < Self.most, let id = try? PowerDNSTable.id(key) { deleted.insert(id) }
        case .records where refusesRRsets:
            guard let payload, let row = try? RecordKey(key), let rule = Self.brokenRule(row, payload) else {
                return nil
            }
            return .row(
                rule.rawValue, key,
                "the RRset violates this rule (powerdns.validation.zones is reject): fix it on the instance "
                    + "that it comes from")
        default: break
        }
        return nil
    }

    /// The rule that an RRset violates independently of the rest of its zone.
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

    /// An objection to the merge after all changes.
    ///
    /// - Parameter transaction: the database before the merge.
    func objection(_ transaction: borrowing ReadTransaction) throws -> Objection? {
        try secondZone(transaction) ?? lostZone(transaction)
    }

    private func secondZone(_ transaction: borrowing ReadTransaction) throws -> Objection? {
        guard !added.isEmpty else { return nil }
        let index = try TableReader(.domainsIndex, transaction)
        let removed = Set(removed.map(\.bytes))
        for entry in added {
            let prefix = IndexKey.prefix(of: entry.zone)
            try index.seek(prefix)
            while index.hasPrefix(prefix) {
                if index.live != nil, let other = try? IndexKey(index.key), other.zone == entry.zone,
                    other.id != entry.id, !removed.contains(Array(index.key))
                {
                    return Objection(
                        rule: ValidationRule.duplicateZone.rawValue, zones: [.name(entry.zone)],
                        text: "it would add a second zone of this name, with the ID \(entry.id) beside \(other.id) "
                            + "(powerdns.validation.relations is reject): delete one of them on its server")
                }
                try index.next()
            }
        }
        return nil
    }

    /// A remaining zone that can no longer be found by its name.
    private func lostZone(_ transaction: borrowing ReadTransaction) throws -> Objection? {
        guard !removed.isEmpty else { return nil }
        // A zone with a new name in the index was a duplicate.
        let kept = Set(added.map(\.id)).union(deleted)
        let zones = try TableReader(.domains, transaction)
        for entry in removed where !kept.contains(entry.id) {
            guard let zone = try zones.find(RecordKey.prefix(domainID: entry.id)),
                (try? DomainInfo(zone.payload))?.zone == entry.zone
            else { continue }
            return Objection(
                rule: ValidationRule.objectWithoutIndex.rawValue, zones: [.name(entry.zone)],
                text:
                    "it would delete the zone's entry in \(PowerDNSTable.domainsIndex.rawValue), and PowerDNS would not "
                    + "find the zone (powerdns.validation.relations is reject): recreate it on the instance that it comes from"
            )
        }
        return nil
    }
}
