/// A live entry of one of PowerDNS's DBIs, decoded.
package enum PowerDNSEntry {
    /// A setting of the whole database.
    case setting(PdnsValue)
    /// A zone and its ID.
    case domain(UInt32, DomainInfo)
    /// Frequently changing data of the zone with an ID.
    case domainExtra(UInt32, DomainExtra)
    /// Metadata and its ID.
    case metadata(UInt32, DomainMetadata)
    /// A DNSSEC key and its ID.
    case key(UInt32, KeyData)
    /// A TSIG key and its ID.
    case tsigKey(UInt32, TSIGKey)
    /// An ID by name, in any of the indexes.
    case index(IndexKey)
    /// The view of a network.
    case network(NetworkEntry)
    /// The variant of a zone in a view.
    case view(ViewEntry)
    /// Records, or an internal row, with their count; compressed names in RDATA have not been resolved.
    case records(RecordKey, RowKind, count: Int)
    /// A comment on the RRset with a key.
    case comment(RecordKey, RecordComment)

    /// Decodes an entry.
    ///
    /// - Parameter payload: the value after its header.
    /// - Throws: ``DecodeError`` with the offset in the key for errors of the key, otherwise in the payload.
    package init(
        _ table: PowerDNSTable, key: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer
    ) throws(DecodeError) {
        switch table {
        case .settings: self = .setting(try PdnsValue(key: key, payload: payload))
        case .domains: self = .domain(try PowerDNSTable.id(key), try DomainInfo(payload))
        case .domainsExtra: self = .domainExtra(try PowerDNSTable.id(key), try DomainExtra(payload))
        case .metadata: self = .metadata(try PowerDNSTable.id(key), try DomainMetadata(payload))
        case .keys: self = .key(try PowerDNSTable.id(key), try KeyData(payload))
        case .tsigKeys: self = .tsigKey(try PowerDNSTable.id(key), try TSIGKey(payload))
        case .domainsIndex, .metadataIndex, .keysIndex, .tsigKeysIndex:
            self = .index(try IndexKey(key))
            guard payload.isEmpty else { throw DecodeError(.leftOver, at: 0) }
        case .networks: self = .network(try NetworkEntry(key: key, payload: payload))
        case .views: self = .view(try ViewEntry(key: key, payload: payload))
        case .records:
            let (recordKey, kind, count) = try Self.records(key: key, payload: payload)
            self = .records(recordKey, kind, count: count)
        case .comments: self = .comment(try RecordComment.recordKey(key), try RecordComment(payload))
        }
    }

    /// Checks an entry of `records_v5` as far as possible without its zone.
    ///
    /// - Throws: as ``init(_:key:payload:)``.
    package static func records(
        key: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer
    ) throws(DecodeError) -> (RecordKey, RowKind, count: Int) {
        let recordKey = try RecordKey(key)
        let kind = try RowKind(recordKey, payload: payload)
        guard kind == .records else { return (recordKey, kind, try RecordValue.count(payload)) }
        var value = RecordValue(payload)
        var count = 0
        while let record = try value.next() {
            try RData.check(recordKey.type, record.rdata, owner: nil)
            count += 1
        }
        // PowerDNS cannot read an RRset without records.
        guard count > 0 else { throw DecodeError(.cutOff, at: 0) }
        return (recordKey, kind, count)
    }

    /// Checks that PowerDNS 4.9 or 5 can read an entry, as far as possible without its zone. This is weaker than
    /// decoding: PowerDNS does not check everything.
    ///
    /// - Returns: the key of an RRset, where it can be taken apart.
    /// - Throws: as ``init(_:key:payload:)``.
    @discardableResult
    package static func checkReadable(
        _ table: PowerDNSTable, key: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer
    ) throws(DecodeError) -> RecordKey? {
        guard table != .records else { return try checkReadableRecords(key: key, payload: payload) }
        // Nothing reads it back.
        if table == .settings, key.elementsEqual("uuid".utf8) { return nil }
        do throws(DecodeError) {
            _ = try PowerDNSEntry(table, key: key, payload: payload)
        } catch {
            switch error.problem {
            // PowerDNS ignores trailing bytes, and does not check numbers.
            case .leftOver, .badNumber: if table == .comments { throw error }
            default: throw error
            }
        }
        return nil
    }

    private static func checkReadableRecords(
        key: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer
    ) throws(DecodeError) -> RecordKey? {
        let recordKey: RecordKey
        do throws(DecodeError) {
            recordKey = try RecordKey(key)
        } catch {
            // PowerDNS also takes a NUL in a label for its end.
            if error.problem == .badLabel { return nil }
            throw error
        }
        guard try RowKind(recordKey, payload: payload) == .records else {
            _ = try RecordValue.count(payload)
            return recordKey
        }
        if payload.isEmpty { throw DecodeError(.cutOff, at: 0) }
        var value = RecordValue(payload)
        while let record = try value.next() { try RData.checkReadable(recordKey.type, record.rdata) }
        return recordKey
    }

    /// Checks the key of a Deleted entry.
    package static func checkKey(_ table: PowerDNSTable, _ key: UnsafeRawBufferPointer) throws(DecodeError) {
        switch table {
        case .settings: break
        case .domains, .domainsExtra, .metadata, .keys, .tsigKeys: _ = try PowerDNSTable.id(key)
        case .domainsIndex, .metadataIndex, .keysIndex, .tsigKeysIndex: _ = try IndexKey(key)
        case .networks: _ = try NetworkEntry(key: key, payload: UnsafeRawBufferPointer(start: nil, count: 0))
        case .views: _ = try ViewEntry(key: key, payload: UnsafeRawBufferPointer(start: nil, count: 0))
        case .records: _ = try RecordKey(key)
        case .comments: _ = try RecordComment.recordKey(key)
        }
    }
}
