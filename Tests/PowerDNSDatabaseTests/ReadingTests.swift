import Foundation
import LMDB
import PowerDNSFormat
import Snapshots
import Support
import TestSupport
import Testing

@testable import PowerDNSDatabase

@Suite("Reading PowerDNS's databases")
struct ReadingTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../SnapshotsTests/Fixtures").standardizedFileURL.path
    private static let names = try? FileManager.default.contentsOfDirectory(atPath: fixtures)

    private func environment(_ name: String) throws -> Environment {
        try Environment(
            EnvironmentOptions(
                path: "\(Self.fixtures)/\(name).mdb", noSubdirectory: true, readOnly: true, maximumDatabases: 64))
    }

    /// The live and Deleted entries of each of PowerDNS's tables, as time, flag and payload by key.
    private func contents(_ environment: Environment) throws -> [String: [[UInt8]]] {
        try environment.read { transaction in
            var found: [String: [[UInt8]]] = [:]
            for database in try transaction.databases() where PowerDNSTable(rawValue: database.name) != nil {
                var cursor = try transaction.openCursor(database)
                while try cursor.next() {
                    let entry = try EntryHeader.parse(cursor.value)
                    let version = withUnsafeBytes(of: entry.header.timestamp) { Array($0) } + [entry.header.flags]
                    found[database.name, default: []].append(
                        Array(cursor.key) + version + (entry.header.isDeleted ? [] : Array(entry.payload)))
                }
            }
            return found
        }
    }

    @Test("a snapshot becomes what it was made of", arguments: ["4-9", "5-1"], ["main", "shard"])
    func imported(version: String, kind: String) throws {
        let name = try #require(Self.names?.first { $0.hasPrefix("\(kind)__go-\(version)") })
        let bytes = try #require(FileManager.default.contents(atPath: "\(Self.fixtures)/\(name)"))
        let imported = try SnapshotImport(Spool(Array(bytes)))
        let original = try environment("pdns-\(version.replacing("-", with: ".")).\(kind)")
        #expect(imported.meta.instanceID == "go-\(version)")
        #expect(try contents(imported.environment) == contents(original))
        #expect(try PowerDNSRole.detect(imported.environment)?.rawValue == kind)
        #expect(try PowerDNSRole.detect(original)?.rawValue == kind)
    }

    @Test("the files of an imported snapshot have no names")
    func nothingIsLeft() throws {
        let name = try #require(Self.names?.first { $0.hasPrefix("main__") })
        let bytes = try #require(FileManager.default.contents(atPath: "\(Self.fixtures)/\(name)"))
        let imported = try SnapshotImport(Spool(Array(bytes)))
        #expect(!FileManager.default.fileExists(atPath: imported.environment.options.path))
    }

    private func snapshot(
        _ meta: SnapshotMeta, keys: [[UInt8]], timestamp: UInt64 = 7, deleted: [[UInt8]] = []
    ) throws -> Spool {
        var writer = try SnapshotWriter(meta)
        try writer.beginDatabase(PowerDNSTable.records.rawValue, flags: 0)
        for key in keys {
            try key.withUnsafeBytes { key in
                try writer.append(key: key, value: key, timestamp: timestamp, isDeleted: false)
            }
        }
        for key in deleted {
            try key.withUnsafeBytes { key in
                try writer.append(
                    key: key, value: UnsafeRawBufferPointer(start: nil, count: 0), timestamp: timestamp, isDeleted: true
                )
            }
        }
        try writer.endDatabase()
        return try writer.finish()
    }

    @Test("entries may come in any order")
    func unsorted() throws {
        let keys: [[UInt8]] = [[5], [3], [9], [1, 2], [1]]
        let imported = try SnapshotImport(snapshot(SnapshotMeta(), keys: keys))
        let header = withUnsafeBytes(of: UInt64(7)) { Array($0) } + [0]
        #expect(
            try contents(imported.environment) == [
                "records_v5": [[1], [1, 2], [3], [5], [9]].map { $0 + header + $0 }
            ])
    }

    @Test("of two entries the later one stays, and of the same time that of the delta")
    func merged() throws {
        let imported = try SnapshotImport(snapshot(SnapshotMeta(), keys: [[1], [2], [3]]))
        try imported.merge(snapshot(SnapshotMeta(from: 5), keys: [], timestamp: 7, deleted: [[1]]))
        try imported.merge(snapshot(SnapshotMeta(from: 5), keys: [[4]], timestamp: 9, deleted: [[2]]))
        try imported.merge(snapshot(SnapshotMeta(from: 5), keys: [[2]], timestamp: 8, deleted: [[4]]))
        func version(_ time: UInt64, deleted: UInt8) -> [UInt8] { withUnsafeBytes(of: time) { Array($0) } + [deleted] }
        let found = try contents(imported.environment)["records_v5"]
        let expected =
            [[1] + version(7, deleted: 1), [2] + version(9, deleted: 1)]
            + [([3], 7), ([4], 9)].map { key, time in key + version(time, deleted: 0) + key }
        #expect(found == expected)
    }

    @Test("what no LMDB can hold, and what is not everything, is refused in a line")
    func refused() throws {
        for (meta, keys) in [
            (SnapshotMeta(), [[UInt8](repeating: 1, count: 512)]), (SnapshotMeta(), [[]]),
            (SnapshotMeta(fromTransactionID: 5), [[1]]), (SnapshotMeta(from: 5), [[1]]),
        ] {
            let spool = try snapshot(meta, keys: keys)
            let error = #expect(throws: PowerDNSReadError.self) { try SnapshotImport(spool) }
            #expect(error?.description.contains("\n") == false)
        }
    }

    @Test("zones sort by their names, variants behind the zone")
    func sortKeys() throws {
        let names = [
            "", "org", "example.org", "a.example.org", "b.a.example.org", "ab.example.org", "z.example.org", "test",
        ]
        let zones = try names.flatMap { name in
            let domain = name.isEmpty ? DomainName.root : try DomainName(name)
            return [ZoneName(domain), ZoneName(domain, variant: "inside"), ZoneName(domain, variant: "outside")]
        }
        let keys = zones.map(ZoneOrder.sortKey)
        for (index, key) in keys.enumerated().dropFirst() {
            #expect(keys[index - 1].lexicographicallyPrecedes(key), "\(zones[index])")
        }
        #expect(zones == zones.sorted())
    }

    @Test("of zones with one name the one with the oldest index entry is served")
    func duplicates() throws {
        let directory = try TemporaryDirectory()
        let zone = ZoneName(try DomainName("example.org"))
        let payload = try environment("pdns-5.1.main").read { transaction in
            try ZoneLookup(transaction).zones(zone, transaction).first.map { zone in
                let database = try #require(try transaction.database(PowerDNSTable.domains.rawValue))
                let value = try RecordKey.prefix(domainID: zone.id).withUnsafeBytes {
                    try transaction.get(database, $0)
                }
                return try Array(EntryHeader.parse(#require(value)).payload)
            }
        }
        let domain = try #require(payload)
        let made = try Environment(EnvironmentOptions(path: directory.path, create: true, mapSize: 1 << 20))
        // The time of each ID; 4 is without object, 5 without a live index entry.
        let times: [(id: UInt32, time: UInt64)] = [(1, 30), (2, 10), (3, 10), (4, 1), (5, 2)]
        try made.write { transaction in
            let table = try transaction.database(PowerDNSTable.domains.rawValue, creating: [])
            let index = try transaction.database(PowerDNSTable.domainsIndex.rawValue, creating: [])
            for (id, time) in times {
                var header = [UInt8](repeating: 0, count: EntryHeader.size)
                header.withUnsafeMutableBytes {
                    EntryHeader(timestamp: time, transactionID: 0, flags: id == 5 ? 1 : 0).write(to: $0)
                }
                let key = IndexKey(zone: zone, id: id).bytes
                try key.withUnsafeBytes { key in try header.withUnsafeBytes { try transaction.put(index, key, $0) } }
                guard id != 4 else { continue }
                var value = [UInt8](repeating: 0, count: EntryHeader.size)
                value.withUnsafeMutableBytes { EntryHeader(timestamp: time, transactionID: 0).write(to: $0) }
                value += domain
                try RecordKey.prefix(domainID: id).withUnsafeBytes { key in
                    try value.withUnsafeBytes { try transaction.put(table, key, $0) }
                }
            }
            return .commit(())
        }
        try made.read { transaction in
            let lookup = try ZoneLookup(transaction)
            #expect(try lookup.zones(zone, transaction).map(\.id) == [2, 3, 1])
            let order = try ZoneOrder(transaction) { Issue.record("zone \($0): \($1)") }
            try order.read { walk in
                let isThere = try walk.next()
                let ids = walk.ids
                let served = try lookup.served(ids, transaction)
                let isMore = try walk.next()
                #expect(isThere && ids == [1, 2, 3, 5] && served?.id == 2 && !isMore)
            }
        }
    }
}
