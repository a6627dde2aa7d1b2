import LMDB
import PowerDNSFormat
import Snapshots

/// Finds zones by name as PowerDNS does.
extension DatabaseView {
    /// An entry of the index of zone names.
    package struct IndexedZone: Hashable {
        /// The ID of the zone.
        package var id: UInt32
        /// The timestamp of the index entry, in nanoseconds since the UNIX epoch.
        package var timestamp: UInt64
    }

    /// Maximum number of zones of one name that are distinguished.
    private static let mostNamesakes = 100

    /// The live index entries of a zone name, in the order of their IDs.
    package func indexedZones(_ zone: ZoneName) throws -> [IndexedZone] {
        let prefix = IndexKey.prefix(of: zone)
        let index = self[.domainsIndex]
        var found: [IndexedZone] = []
        try index.seek(prefix)
        while index.hasPrefix(prefix), found.count < Self.mostNamesakes {
            // The key ends with the ID after this name.
            if index.key.count == prefix.count + 4, let entry = index.live, let key = try? IndexKey(index.key) {
                found.append(IndexedZone(id: key.id, timestamp: entry.header.timestamp))
            }
            try index.next()
        }
        return found
    }

    /// The zone that PowerDNS uses among those of one name: that of the oldest index entry, of several the lowest ID.
    static func used(_ zones: [IndexedZone]) -> IndexedZone? {
        zones.min { ($0.timestamp, $0.id) < ($1.timestamp, $1.id) }
    }

    /// The ID of the zone that PowerDNS uses for a name in wire form.
    func zoneID(_ name: NameView) throws -> UInt32? {
        IndexKey.setPrefix(&prefix, of: name)
        let prefix = prefix.bytes
        let index = self[.domainsIndex]
        try index.seek(prefix)
        // Most names are not zones.
        guard index.hasPrefix(prefix) else { return nil }
        return Self.used(try indexedZones(ZoneName(DomainName(unchecked: Array(name.wire)))))?.id
    }

    /// The live zone with this ID.
    ///
    /// - Throws: `DecodeError` for a value that cannot be read.
    package func zone(_ id: UInt32) throws -> DomainInfo? {
        guard let entry = try self[.domains].find(RecordKey.prefix(domainID: id)) else { return nil }
        return try DomainInfo(entry.payload)
    }

    /// Whether there are live rows with this key prefix.
    func hasLiveRows(_ table: PowerDNSTable, _ prefix: [UInt8]) throws -> Bool {
        let records = self[table]
        try records.seek(prefix)
        while records.hasPrefix(prefix) {
            if records.live != nil { return true }
            try records.next()
        }
        return false
    }

    /// The enabled records at an owner name of a zone.
    struct OwnerTypes {
        /// Whether there are any.
        var exists = false
        var hasAddress = false
        var hasCNAME = false
        var hasNS = false
        var hasDNAME = false
        /// Whether there are records, not only the row of an empty non-terminal.
        var hasRecords = false
        /// Whether there may be names below it.
        var mayHaveNamesBelow = false
    }

    /// The enabled records at an owner name.
    ///
    /// - Parameter ownerKey: relative to the zone, as `KeyName`.
    func types(at ownerKey: UnsafeRawBufferPointer, of id: UInt32) throws -> OwnerTypes {
        setPrefix(id, ownerKey)
        return try types()
    }

    /// The enabled records at the wildcard below a name.
    ///
    /// - Parameter encloser: relative to the zone, as `KeyName`; empty for the zone itself.
    func types(atWildcardBelow encloser: UnsafeRawBufferPointer, of id: UInt32) throws -> OwnerTypes {
        setPrefix(id, encloser)
        prefix.append(UInt8(ascii: "*"))
        prefix.append(0)
        return try types()
    }

    /// The enabled records at the owner name of ``prefix``.
    private func types() throws -> OwnerTypes {
        prefix.append(0)
        let prefix = prefix.bytes
        let records = self[.records]
        var types = OwnerTypes()
        try records.seek(prefix)
        while records.hasPrefix(prefix) {
            if records.key.count == prefix.count + 2, let entry = records.live, let key = try? RecordKey(records.key),
                key.type != .nsec3, key.type == .emptyNonTerminal || Self.hasEnabledRecord(entry.payload)
            {
                types.exists = true
                if key.type != .emptyNonTerminal { types.hasRecords = true }
                switch key.type {
                // Records that PowerDNS converts to addresses count as addresses.
                case .a, .aaaa, .alias, .lua: types.hasAddress = true
                case .cname: types.hasCNAME = true
                case .ns: types.hasNS = true
                case .dname: types.hasDNAME = true
                default: break
                }
            }
            try records.next()
        }
        // Their rows follow, and begin with the same bytes except for the last zero.
        types.mayHaveNamesBelow = records.hasPrefix(UnsafeRawBufferPointer(rebasing: prefix.dropLast()))
        return types
    }

    /// Whether there is a name at or below an owner name.
    func existsAtOrBelow(_ ownerKey: UnsafeRawBufferPointer, of id: UInt32) throws -> Bool {
        setPrefix(id, ownerKey)
        let prefix = prefix.bytes
        let records = self[.records]
        try records.seek(prefix)
        while records.hasPrefix(prefix) {
            if let entry = records.live, let key = try? RecordKey(records.key), key.type != .nsec3,
                Self.hasEnabledRecord(entry.payload)
            {
                return true
            }
            try records.next()
        }
        return false
    }

    /// Sets ``prefix`` to the key prefix of the records at and below an owner name.
    private func setPrefix(_ id: UInt32, _ ownerKey: UnsafeRawBufferPointer) {
        prefix.removeAll()
        withUnsafeBytes(of: id.bigEndian) { prefix.append($0) }
        prefix.append(ownerKey)
    }

    /// Whether at least one record of an RRset is enabled.
    static func hasEnabledRecord(_ payload: UnsafeRawBufferPointer) -> Bool {
        var value = RecordValue(payload)
        while let record = try? value.next() {
            if !record.isDisabled { return true }
        }
        return false
    }
}
