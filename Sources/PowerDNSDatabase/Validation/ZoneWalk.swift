import PowerDNSFormat
import Snapshots

/// Checks the records of one zone in one iteration in key order, which is DNSSEC's order: names below a name follow it.
///
/// Kept between rows are only the types at the current name, and the delegation and the DNAME above it, so memory does not
/// grow with the zone. One value can check several zones, and keeps its memory.
struct ZoneWalk: ~Copyable {
    private var id: UInt32
    private var zone: ZoneName
    private var kind: DomainInfo.Kind
    private var prefix: [UInt8]
    private var owner = OwnerState()
    private var names = NamePath()
    private var found = Found()

    /// The part that is reset for each new zone.
    private struct Found {
        /// The zone's name as text; nil until it is requested.
        var zoneText: String?
        var delegation: NameCut?
        var dname: NameCut?
        var soaCount = 0
        var hasApexNS = false
        var isEmpty = true
        /// Rules that are reported once per zone.
        var reported: Set<ValidationRule> = []
        var signing: (isSecured: Bool, isPresigned: Bool)?
    }

    /// Number of rows between checks for cancellation.
    private static let rowsBetweenQuestions = 256

    /// Creates a check from the start of the zone.
    init(_ id: UInt32, _ zone: DomainInfo) {
        (self.id, self.zone, kind) = (id, zone.zone, zone.kind)
        prefix = RecordKey.prefix(domainID: id)
    }

    /// Begins with the start of another zone.
    mutating func begin(_ id: UInt32, _ zone: DomainInfo) {
        (self.id, self.zone, kind) = (id, zone.zone, zone.kind)
        prefix = RecordKey.prefix(domainID: id)
        found = Found()
        owner.reset()
        names.reset()
    }

    private var zoneText: String {
        mutating get {
            if let text = found.zoneText { return text }
            let text = "\(zone)"
            found.zoneText = text
            return text
        }
    }
    private var ownerText: String { mutating get { owner.text(in: zone.name) } }

    /// Iterates the rows, and leaves the reader at the first one after them.
    ///
    /// - Parameter isCancelled: called periodically.
    /// - Throws: `CancellationError` if it returns true.
    mutating func run(_ context: CheckContext, isCancelled: () -> Bool = { false }) throws {
        let rows = context.view.recordWalk
        // In an iteration over all zones the reader is already there.
        if !rows.hasPrefix(prefix) { try rows.seek(prefix) }
        var count = 0
        while rows.hasPrefix(prefix) {
            count += 1
            if count % Self.rowsBetweenQuestions == 0, isCancelled() { throw CancellationError() }
            try visit(rows, context)
            try rows.next()
        }
        try leaveOwner(context)
        try finish(context)
    }

    // MARK: Rows

    private mutating func visit(_ rows: TableReader, _ context: CheckContext) throws {
        let rowKey = rows.key
        guard let payload = try context.structure.header(.records, rowKey, rows.value) else {
            return names.noteDeleted(rowKey)
        }
        let key: RecordKey
        let kind: RowKind
        do throws(DecodeError) {
            key = try RecordKey(rowKey)
            kind = try RowKind(key, payload: payload)
        } catch {
            return try context.structure.bad(.records, rowKey, error, zone: zoneText)
        }
        if !owner.key.isSame(as: key.ownerKey) { try enter(key, context) }
        if owner.isTooLong {
            return try context.structure.bad(
                .records, rowKey, DecodeError(.longName, at: 4), zone: zoneText, isKey: true)
        }
        do throws(DecodeError) {
            switch kind {
            case .records: break
            default: _ = try RecordValue.count(payload)
            }
        } catch {
            return try context.structure.bad(
                .records, rowKey, error, zone: zoneText, owner: ownerText, type: "\(key.type)")
        }
        switch kind {
        case .records: break
        case .emptyNonTerminal: return try noteName(context)
        default: return
        }
        let set: ServedRecords
        do throws(DecodeError) {
            let hasNames = key.type != .a && key.type != .aaaa
            set = try ServedRecords(
                payload, key.type, owner: hasNames ? owner.view(in: zone.name) : nil, &context.room)
        } catch {
            return try context.structure.bad(
                .records, rowKey, error, severity: try severity(of: error, context.view), zone: zoneText,
                owner: ownerText, type: "\(key.type)")
        }
        if set.count > 0 { try check(set, of: key.type, context) }
    }

    /// The rule's severity, unless the PowerDNS of these databases serves the value.
    private func severity(of error: DecodeError, _ view: DatabaseView) throws -> ValidationFinding.Severity? {
        guard error.problem == .refusedByNewer else { return nil }
        let settings = view[.settings]
        guard let entry = try settings.find(Array(PdnsValue.schemaVersionKey.utf8)),
            case .schemaVersion(let version)? = try? PdnsValue(key: settings.key, payload: entry.payload)
        else { return nil }
        return version < 6 ? .warning : nil
    }

    /// Enters the name of a row.
    private mutating func enter(_ key: RecordKey, _ context: CheckContext) throws {
        try leaveOwner(context)
        owner.enter(key, in: zone.name)
        if let cut = found.delegation, !cut.isAbove(owner.key) { found.delegation = nil }
        if let cut = found.dname, !cut.isAbove(owner.key) { found.dname = nil }
        if owner.key.contains(where: { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) {
            try report(
                .upperCaseName,
                "its key has upper-case letters, but PowerDNS searches for lower case, so this is never answered; "
                    + "rewrite it", context)
        }
    }

    // MARK: Rules

    private mutating func report(
        _ rule: ValidationRule, type: RecordType? = nil, _ text: String, _ context: CheckContext
    ) throws {
        try context.report(
            ValidationFinding(
                rule, zone: zoneText, owner: ownerText, type: type.map { "\($0)" }, text))
    }

    private mutating func check(_ set: ServedRecords, of type: RecordType, _ context: CheckContext) throws {
        found.isEmpty = false
        try noteName(context)
        owner.note(type, count: set.count)
        if set.hasDuplicate {
            try report(.duplicateRecord, type: type, "the RRset has the same record twice; remove one", context)
        }
        if let other = set.otherTTL {
            try report(
                .ttlMismatch, type: type,
                "the records have the TTLs \(set.ttl) and \(other); give all of them the same", context)
        }
        try checkDNAME(context)
        let isHidden = try checkDelegation(type, context)
        switch type {
        case .soa:
            if owner.isApex {
                found.soaCount += set.count
            } else {
                try report(.soaNotAtApex, type: type, "the name is not the zone's apex; remove the record", context)
            }
        case .ns:
            if owner.isApex {
                found.hasApexNS = true
            } else if found.delegation == nil {
                found.delegation = NameCut(owner.key)
            }
        case .dname where found.dname == nil: found.dname = NameCut(owner.key)
        case .rrsig, .nsec:
            if try !signing(context).isPresigned, context.view.hasMain, found.reported.insert(.storedSignature).inserted
            {
                try report(
                    .storedSignature, type: type,
                    "PowerDNS generates these records, because the zone is not presigned; remove them", context)
            }
        case .ds where owner.isApex:
            try report(
                .dsAtApex, type: type, "DS records belong into the parent zone; remove them from this one", context)
        default: break
        }
        try checkAuthority(of: set, type, context)
        // Targets of hidden records do not matter.
        guard !isHidden else { return }
        try context.room.forEachTarget { try check($0, of: type, context) }
    }

    private mutating func signing(_ context: CheckContext) throws -> (isSecured: Bool, isPresigned: Bool) {
        if let known = found.signing { return known }
        let state = try SigningRules(context: context, zone: zone).state()
        found.signing = state
        return state
    }

    /// Checks that authority marks are those of `rectify-zone`, because they determine what is signed. They do not matter
    /// without DNSSEC.
    private mutating func checkAuthority(
        of set: ServedRecords, _ type: RecordType, _ context: CheckContext
    ) throws {
        let isBelow = found.delegation?.isAbove(owner.key) == true
        switch type {
        case .rrsig, .nsec: return
        case .ns where !owner.isApex, _ where isBelow:
            guard set.hasOwn else { return }
            try reportAuthority(
                type, severity: .warning, "belongs to a child zone, but is marked as authoritative", context)
        case .a where !owner.isApex: owner.hasGlue = set.hasOthers
        case _ where owner.hasNS && type != .ds && !owner.isApex: return
        default:
            if set.hasOthers { try reportAuthority(type, "is authoritative, but not marked as such", context) }
        }
    }

    private mutating func reportAuthority(
        _ type: RecordType, severity: ValidationFinding.Severity = .error, _ what: String, _ context: CheckContext
    ) throws {
        guard try signing(context).isSecured, found.reported.insert(.wrongAuthority).inserted else { return }
        try context.report(
            ValidationFinding(
                .wrongAuthority, severity: severity, zone: zoneText, owner: ownerText, type: "\(type)",
                "the RRset \(what), so DNSSEC answers are wrong; run pdnsutil rectify-zone \(zoneText)"))
    }

    /// Records the name as existing, and checks that all names above it exist.
    private mutating func noteName(_ context: CheckContext) throws {
        guard !owner.isNoted else { return }
        owner.isNoted = true
        let isBelow = found.delegation?.isAbove(owner.key) == true
        guard let (missing, isDeleted) = names.note(owner.key), !isBelow,
            try isDeleted || signing(context).isSecured, found.reported.insert(.missingEmptyNonTerminal).inserted
        else { return }
        let name = missing.withUnsafeBytes { try? KeyName.decode($0, relativeTo: zone.name) }
        try context.report(
            ValidationFinding(
                .missingEmptyNonTerminal, zone: zoneText, owner: name.map { "\($0)" } ?? "",
                "\(ownerText) is below this name, which does not exist, so it is answered as if there were nothing below "
                    + "it; run pdnsutil rectify-zone \(zoneText)"))
    }

    private mutating func checkDNAME(_ context: CheckContext) throws {
        guard let cut = found.dname, !cut.isReported, cut.isAbove(owner.key) else { return }
        found.dname?.isReported = true
        try report(
            .namesBelowDNAME,
            "the name is below a DNAME, which answers instead; remove the names below it, or the DNAME",
            context)
    }

    /// - Returns: whether the RRset is below a delegation.
    private mutating func checkDelegation(_ type: RecordType, _ context: CheckContext) throws -> Bool {
        guard let cut = found.delegation else { return false }
        let isBelow = cut.isAbove(owner.key)
        switch type {
        // Addresses count as glue, possibly for another delegation.
        case .a, .aaaa: return isBelow
        case .ns, .ds, .nsec, .rrsig, .cname: if !isBelow { return false }
        default: break
        }
        try report(
            .dataBelowDelegation, type: type,
            isBelow
                ? "a name above it is delegated with NS records, so this is never answered; remove it or the delegation"
                : "the name is delegated with NS records, so this is never answered; remove it or the delegation",
            context)
        return true
    }

    private mutating func check(_ wire: UnsafeRawBufferPointer, of type: RecordType, _ context: CheckContext) throws {
        let isDelegation = type == .ns && !owner.isApex
        let place = TargetRules.Place(
            id: id, zone: zone.name, delegation: isDelegation ? owner.key : nil)
        let state = try TargetRules(context).state(of: wire, from: place)
        if state == .fine { return }
        let target = NameView(unchecked: wire)
        switch state {
        case .fine: break
        case .alias:
            try report(
                .targetIsCNAME, type: type,
                "the target \(target) is a CNAME; use the target of the CNAME", context)
        case .missing:
            try report(
                .targetMissing, type: type,
                "the target \(target) has no address in this zone; add one, or use another target", context)
        case .missingGlue:
            try report(
                .missingGlue, type: type,
                "the name server \(target) is below the delegation, and cannot be resolved without an address here; "
                    + "add its A or AAAA record", context)
        }
    }

    private mutating func leaveOwner(_ context: CheckContext) throws {
        if owner.hasGlue, !owner.hasNS {
            try reportAuthority(.a, "is authoritative, but not marked as such", context)
        }
        if owner.cnameCount > 1 {
            try report(
                .severalCNAMEs, type: .cname, "the name has \(owner.cnameCount) CNAME records; keep one", context)
        }
        if owner.cnameCount > 0, owner.hasOthers {
            let others = owner.others.map { "\($0)" }.joined(separator: ", ")
            try report(
                .cnameWithOtherData, type: .cname,
                "the name also has \(others), and answers contain only one of them; remove the CNAME or the rest",
                context)
        }
        if owner.dnameCount > 1 {
            try report(
                .severalDNAMEs, type: .dname, "the name has \(owner.dnameCount) DNAME records; keep one", context)
        }
        if owner.hasDS, !owner.hasNS, !owner.isApex, found.delegation == nil {
            try report(
                .dsWithoutNS, type: .ds, "the name is not delegated; add its NS records, or remove these", context)
        }
    }

    private mutating func finish(_ context: CheckContext) throws {
        func report(
            _ rule: ValidationRule, _ type: RecordType, severity: ValidationFinding.Severity? = nil, _ text: String
        ) throws {
            try context.report(
                ValidationFinding(
                    rule, severity: severity, zone: zoneText, owner: "\(zone.name)", type: "\(type)", text))
        }
        if found.soaCount == 0 {
            let isCopy = kind == .secondary || kind == .consumer
            if found.isEmpty, isCopy {
                return try report(
                    .soaMissing, .soa, severity: .warning,
                    "the zone has no records: it has not been transferred from its primary yet")
            }
            return try report(
                .soaMissing, .soa, "the zone has no SOA record, so PowerDNS answers SERVFAIL or REFUSED; add one")
        }
        if found.soaCount > 1 { try report(.severalSOAs, .soa, "the zone has \(found.soaCount) SOA records; keep one") }
        if !found.hasApexNS { try report(.nsMissing, .ns, "the zone has no NS records; add the names of its servers") }
    }
}
