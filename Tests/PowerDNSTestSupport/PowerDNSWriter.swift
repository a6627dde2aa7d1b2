import LMDB
import PowerDNSFormat
import TestSupport

/// Writes LMDBs as PowerDNS does: zones, metadata and keys with their indexes to a main database, records to a shard.
package final class PowerDNSWriter {
    package let schema: UInt32
    package let directory: TemporaryDirectory
    package let main: Environment
    package let shard: Environment
    /// The timestamp of what is written next.
    package var timestamp: UInt64 = 1_700_000_000_000_000_000
    /// The transaction in the header of what is written next.
    package var transaction: UInt64 = 1
    private var nextID: UInt32 = 1000

    /// Empty databases of schema 5 or 6.
    package init(schema: UInt32 = 5) throws {
        self.schema = schema
        let directory = try TemporaryDirectory()
        self.directory = directory
        func open(_ name: String) throws -> Environment {
            try Environment(
                EnvironmentOptions(
                    path: directory.file(name), noSubdirectory: true, create: true, mapSize: 1 << 28))
        }
        (main, shard) = (try open("main"), try open("shard"))
        try put(.settings, Array("schemaversion".utf8), Bytes.big(schema))
        try put(.settings, Array("shards".utf8), Bytes.big(UInt32(1)))
        for table in PowerDNSTable.allCases { try create(table) }
    }

    private func environment(_ table: PowerDNSTable) -> Environment { table.role == .main ? main : shard }

    private func create(_ table: PowerDNSTable) throws {
        try environment(table).write { transaction in
            _ = try transaction.database(table.rawValue, creating: [])
            return .commit(())
        }
    }

    // MARK: Entries

    /// Writes entries as they are.
    package func put(raw entries: [(key: [UInt8], value: [UInt8])], _ table: PowerDNSTable) throws {
        try environment(table).write { transaction in
            let database = try transaction.database(table.rawValue, creating: [])
            for (key, value) in entries {
                try key.withUnsafeBytes { key in
                    try value.withUnsafeBytes { try transaction.put(database, key, $0) }
                }
            }
            return .commit(())
        }
    }

    package func put(_ table: PowerDNSTable, _ key: [UInt8], _ payload: [UInt8]) throws {
        try put(raw: [(key, header() + payload)], table)
    }

    /// Marks an entry as Deleted.
    package func delete(_ table: PowerDNSTable, _ key: [UInt8]) throws {
        try put(raw: [(key, header(flags: 1))], table)
    }

    private func header(flags: UInt8 = 0) -> [UInt8] {
        Bytes.big(timestamp) + Bytes.big(transaction) + [0, flags, 0, 0, 0, 0, 0, 0]
    }

    // MARK: Main

    /// Adds a zone, without its index entry where that is to be missing.
    package func addZone(
        _ zone: String, id: UInt32, kind: DomainInfo.Kind = .native, indexed: Bool = true
    ) throws {
        let zone = try ZoneName(zone)
        try put(
            .domains, Bytes.big(id),
            [0] + Bytes.little(schema == 5 ? UInt32(1) : 2) + zoneName(zone)
                + Bytes.little(Int64(0)) + Bytes.string([]) + [0, 0, 0, 0, 0] + Bytes.little(UInt64(0))
                + Bytes.little(id) + Bytes.little(UInt32(0)) + Bytes.little(kind.rawValue) + Bytes.string([])
                + Bytes.string([]) + (schema == 5 ? [] : Bytes.string([])))
        if indexed { try addIndex(.domains, zone, id: id) }
    }

    package func addIndex(_ table: PowerDNSTable, _ zone: ZoneName, id: UInt32) throws {
        guard let index = table.index else { return }
        try put(index, IndexKey(zone: zone, id: id).bytes, [])
    }

    @discardableResult
    package func addMetadata(_ zone: String, _ kind: String, _ value: String) throws -> UInt32 {
        let zone = try ZoneName(zone)
        return try add(
            .metadata, zone,
            [0, 0, 0, 0, 0] + zoneName(zone) + Bytes.string(Array(kind.utf8)) + Bytes.string(Array(value.utf8)))
    }

    @discardableResult
    package func addKey(
        _ zone: String, content: String = PowerDNSWriter.goodKey, isActive: Bool = true, isPublished: Bool = true
    ) throws -> UInt32 {
        let zone = try ZoneName(zone)
        return try add(
            .keys, zone,
            [0, 1, 0, 0, 0] + zoneName(zone) + Bytes.string(Array(content.utf8)) + Bytes.little(UInt32(257))
                + [isActive ? 1 : 0, isPublished ? 1 : 0])
    }

    /// A private key that works.
    package static let goodKey =
        "Private-key-format: v1.2\nAlgorithm: 13 (ECDSAP256SHA256)\n"
        + "PrivateKey: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

    private func add(_ table: PowerDNSTable, _ zone: ZoneName, _ payload: [UInt8]) throws -> UInt32 {
        nextID += 1
        try put(table, Bytes.big(nextID), payload)
        try addIndex(table, zone, id: nextID)
        return nextID
    }

    /// The first zone name of an archive, with the class information before it.
    private func zoneName(_ zone: ZoneName) -> [UInt8] {
        let name = Bytes.string(zone.name.lowercased.wire)
        return schema == 5
            ? [0, 0, 0, 0, 0] + name
            : [0, 1, 0, 0, 0, 0, 0, 0, 0, 0] + name + Bytes.string(Array(zone.variant.utf8))
    }

    // MARK: Shard

    /// A record as it is written.
    package struct Record {
        var rdata: [UInt8]
        var ttl: UInt32
        var isDisabled: Bool
        var isAuthoritative: Bool

        package init(rdata: [UInt8], ttl: UInt32 = 300, isDisabled: Bool = false, isAuthoritative: Bool = true) {
            self.rdata = rdata
            self.ttl = ttl
            self.isDisabled = isDisabled
            self.isAuthoritative = isAuthoritative
        }
    }

    /// Writes an RRset, replacing the one that is there. The owner is relative to the zone, empty at the apex.
    package func put(_ owner: String, _ type: RecordType, of id: UInt32, _ records: [Record]) throws {
        try put(.records, Self.key(owner, type, of: id), Self.payload(records))
    }

    package static func key(_ owner: String, _ type: RecordType, of id: UInt32) throws -> [UInt8] {
        let name = owner.isEmpty ? DomainName.root : try DomainName(owner)
        return Bytes.big(id) + KeyName.bytes(name) + [0] + Bytes.big(type.rawValue)
    }

    package static func payload(_ records: [Record]) -> [UInt8] {
        records.flatMap { record in
            Bytes.little(UInt16(record.rdata.count)) + record.rdata + Bytes.little(record.ttl)
                + [record.isAuthoritative ? 1 : 0, record.isDisabled ? 1 : 0, 1]
        }
    }

    /// A zone with SOA, NS and the address of its name server: nothing to find.
    package func addSoundZone(_ zone: String, id: UInt32) throws {
        try addZone(zone, id: id)
        try put("", .soa, of: id, [.soa])
        try put("", .ns, of: id, [.name("ns1.\(zone)")])
        try put("ns1", .a, of: id, [.address])
    }
}

extension PowerDNSWriter.Record {
    package static let address = Self(rdata: [192, 0, 2, 1])
    package static let text = Self(rdata: [1, 0x61])
    package static let soa = Self(rdata: [0, 0] + [UInt8](repeating: 0, count: 20))
    package static let signature = Self(
        rdata: [0, 1, 13, 2, 0, 0, 1, 0x2c, 0x6b, 0x10, 0xb1, 0, 0x6a, 0xf5, 1, 0x80, 0xe5, 0x5b, 0, 1, 2, 3])
    package static let ds = Self(rdata: [0, 1, 13, 2] + [UInt8](repeating: 7, count: 32))

    package static func name(_ name: String) throws -> Self { Self(rdata: try DomainName(name).wire) }
    package static func mx(_ name: String) throws -> Self { Self(rdata: try [0, 10] + DomainName(name).wire) }
    package static func srv(_ name: String) throws -> Self {
        Self(rdata: try [0, 0, 0, 0, 0, 1] + DomainName(name).wire)
    }

    package func with(ttl: UInt32) -> Self {
        var record = self
        record.ttl = ttl
        return record
    }

    package var notOwn: Self {
        var record = self
        record.isAuthoritative = false
        return record
    }

    package var disabled: Self {
        var record = self
        record.isDisabled = true
        return record
    }
}

/// Numbers and strings as bytes.
package enum Bytes {
    package static func big(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
    package static func little(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    /// As boost writes a string.
    package static func string(_ bytes: [UInt8]) -> [UInt8] { little(UInt64(bytes.count)) + bytes }
}
