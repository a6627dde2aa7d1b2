import PowerDNSDatabase
import PowerDNSFormat

/// Converts changed entries to DNS terms. Entries that cannot be decoded are skipped; the structure rules report them.
extension ChangeCollection {
    /// Adds a changed entry whose previous version is known: one of a merge, or of a send that has compared pages.
    ///
    /// - Parameters:
    ///   - record: the key of an RRset, if it is already decoded.
    ///   - old: the payload of the previous version; nil if there was none, or a Deleted one.
    ///   - new: the payload of the new version; the same.
    /// - Returns: the kind of change; nil if it is not counted.
    @discardableResult
    mutating func changed(
        _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, _ record: RecordKey? = nil,
        from old: UnsafeRawBufferPointer?, to new: UnsafeRawBufferPointer?
    ) -> ChangeKind? {
        guard let either = new ?? old else {
            learn(from: table, key)
            return nil
        }
        if case .records = table { return note(Self.kind(from: old, to: new), key, record, from: old, to: new) }
        learn(from: table, key)
        if case .domainsIndex = table {
            guard old == nil || new == nil, let entry = try? IndexKey(key) else { return nil }
            // It changes together with its zone; otherwise the zone must be checked.
            add(.bookkeeping, of: table, in: .name(entry.zone), key: key, from: nil, to: nil)
            return .bookkeeping
        }
        let kind = Self.kind(from: old, to: new)
        guard kind != .rrsetRewritten, let (zone, found) = Self.place(table, key, either, kind) else { return nil }
        if case .name(let name)? = zone, table == .domains, let id = try? PowerDNSTable.id(key) { learn(id, name) }
        add(found, of: table, in: zone, key: key, from: old, to: new)
        return found
    }

    /// The kind of change of an RRset.
    @inline(__always)
    private static func kind(from old: UnsafeRawBufferPointer?, to new: UnsafeRawBufferPointer?) -> ChangeKind {
        guard let old else { return .rrsetAdded }
        guard let new else { return .rrsetRemoved }
        return old.isSame(as: new) ? .rrsetRewritten : .rrsetChanged
    }

    /// Adds an entry written by the application whose previous version is unknown.
    ///
    /// - Parameter new: the payload; nil if it was deleted.
    mutating func written(_ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, to new: UnsafeRawBufferPointer?) {
        learn(from: table, key)
        if table == .records {
            note(new == nil ? .rrsetRemoved : .rrsetWritten, key, from: nil, to: new)
        } else if let new {
            guard let (zone, found) = Self.place(table, key, new, .rrsetWritten) else { return }
            add(found, of: table, in: zone, key: key, from: nil, to: new)
        } else if let (zone, found) = Self.deleted(table, key) {
            add(found, of: table, in: zone, key: key, from: nil, to: nil)
        }
    }

    @discardableResult
    private mutating func note(
        _ kind: ChangeKind, _ key: UnsafeRawBufferPointer, _ record: RecordKey? = nil,
        from old: UnsafeRawBufferPointer?, to new: UnsafeRawBufferPointer?
    ) -> ChangeKind? {
        guard let record = record ?? (try? RecordKey(key)) else { return nil }
        let id = record.domainID
        if record.type == .emptyNonTerminal || record.type == .nsec3 {
            guard kind != .rrsetRewritten else { return nil }
            add(.bookkeeping, inZone: id, key: key, from: nil, to: nil)
            return .bookkeeping
        }
        var kind = kind
        if kind == .rrsetChanged, let old, let new, RecordValue.hasSameRecords(old, new) { kind = .rrsetMarked }
        add(kind, inZone: id, key: key, from: old, to: new)
        if record.type == .soa, record.isApex, kind != .rrsetRewritten, kind != .rrsetMarked {
            setSerials(.number(id), old: old.flatMap(Self.serial), new: new.flatMap(Self.serial))
        }
        return kind
    }

    private static func serial(_ payload: UnsafeRawBufferPointer) -> UInt32? {
        var value = RecordValue(payload)
        guard let soa = try? value.next() else { return nil }
        return RData.soaSerial(soa.rdata)
    }

    /// The zone and kind of an entry of another table.
    private static func place(
        _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer, _ kind: ChangeKind
    ) -> (Zone?, ChangeKind)? {
        switch table {
        case .domains:
            guard let domain = try? DomainInfo(payload) else { return nil }
            let found: ChangeKind =
                switch kind {
                case .rrsetAdded: .zoneCreated
                case .rrsetRemoved: .zoneDeleted
                case .rrsetWritten: .zoneWritten
                default: .zoneChanged
                }
            return (.name(domain.zone), found)
        case .metadata: return (try? DomainMetadata(payload)).map { (.name($0.zone), .metadata) }
        case .keys: return (try? KeyData(payload)).map { (.name($0.zone), .key) }
        case .comments: return (try? RecordComment.recordKey(key)).map { (.number($0.domainID), .comment) }
        case .tsigKeys: return (nil, .tsigKey)
        case .views: return (nil, .view)
        case .networks: return (nil, .network)
        case .settings: return (nil, .setting)
        // Its frequent changes are not reported: the last check, and the notified serial.
        case .domainsExtra: return nil
        case .domainsIndex, .metadataIndex, .keysIndex, .tsigKeysIndex, .records: return nil
        }
    }

    /// The zone and kind of an entry deleted by the application: of objects, only the index still has the name.
    private static func deleted(_ table: PowerDNSTable, _ key: UnsafeRawBufferPointer) -> (Zone?, ChangeKind)? {
        let kind: ChangeKind
        switch table {
        case .domainsIndex: kind = .zoneDeleted
        case .metadataIndex: kind = .metadata
        case .keysIndex: kind = .key
        case .tsigKeysIndex: return (nil, .tsigKey)
        case .comments: return (try? RecordComment.recordKey(key)).map { (.number($0.domainID), .comment) }
        case .views: return (nil, .view)
        case .networks: return (nil, .network)
        case .settings: return (nil, .setting)
        default: return nil
        }
        return (try? IndexKey(key)).map { (.name($0.zone), kind) }
    }

    private mutating func learn(from table: PowerDNSTable, _ key: UnsafeRawBufferPointer) {
        guard case .domainsIndex = table, let entry = try? IndexKey(key) else { return }
        learn(entry.id, entry.zone)
    }
}

extension RecordValue {
    /// Whether two payloads of one key have the same records for DNS: RDATA, TTL, and whether they are served. Their order,
    /// and PowerDNS's fields for authority and the chain of denial, are ignored.
    fileprivate static func hasSameRecords(_ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer) -> Bool {
        // These fields have a constant size.
        guard old.count == new.count else { return false }
        do {
            var (before, after) = (RecordValue(old), RecordValue(new))
            while let one = try before.next() {
                guard let other = try after.next() else { return false }
                if !one.isSame(as: other) { return try hasSameRecordsInAnotherOrder(old, new) }
            }
            return true
        } catch {
            return false
        }
    }

    private static func hasSameRecordsInAnotherOrder(
        _ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer
    ) throws(DecodeError) -> Bool {
        func counted(_ payload: UnsafeRawBufferPointer) throws(DecodeError) -> [[UInt8]: Int] {
            var value = RecordValue(payload)
            var counts: [[UInt8]: Int] = [:]
            while let record = try value.next() {
                let ttl = withUnsafeBytes(of: record.ttl) { Array($0) }
                counts[ttl + [record.isDisabled ? 1 : 0] + record.rdata, default: 0] += 1
            }
            return counts
        }
        return try counted(old) == counted(new)
    }
}

extension StoredRecord {
    fileprivate func isSame(as other: StoredRecord) -> Bool {
        ttl == other.ttl && isDisabled == other.isDisabled && rdata.isSame(as: other.rdata)
    }
}
