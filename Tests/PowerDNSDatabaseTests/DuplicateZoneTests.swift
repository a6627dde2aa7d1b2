import LMDB
import PowerDNSFormat
import PowerDNSTestSupport
import Snapshots
import TestSupport
import Testing

@testable import PowerDNSDatabase

@Suite struct DuplicateZoneTests {
    private let writer: PowerDNSWriter
    private let old: UInt64 = 1_700_000_000_000_000_000

    init() throws {
        writer = try PowerDNSWriter()
        try writer.addSoundZone("z.test", id: 7)
        writer.timestamp -= 1
        try writer.addSoundZone("z.test", id: 8)
        try writer.addSoundZone("single.test", id: 9)
    }

    /// The index with its headers.
    private func index() throws -> [String: EntryHeader] {
        var entries: [String: EntryHeader] = [:]
        try writer.main.read { transaction in
            let database = try #require(try transaction.database(PowerDNSTable.domainsIndex.rawValue))
            var cursor = try transaction.openCursor(database)
            while try cursor.next() {
                let key = try IndexKey(cursor.key)
                let entry = try EntryHeader.parse(cursor.value)
                #expect(entry.payload.isEmpty)
                entries["\(key.zone) \(key.id)"] = entry.header
            }
        }
        return entries
    }

    @Test func findingChangesNothing() throws {
        let before = try index()
        let report = try DuplicateZones().find(writer.main)
        #expect(report.duplicates == [.init(zone: try ZoneName("z.test"), used: 8, others: [7])])
        #expect(report.renamed == [])
        #expect(try index() == before)
    }

    @Test func allButTheOneThatIsUsedGetANewName() throws {
        try writer.addSoundZone("z.test", id: 6)
        let report = try DuplicateZones(now: { 2_000_000_000_000_000_000 }).rename(writer.main)
        #expect(report.duplicates == [.init(zone: try ZoneName("z.test"), used: 6, others: [7, 8])])
        let after = try index()
        for id in [7, 8] {
            let (old, new) = (after["z.test. \(id)"], after["z.test.dup-\(id).invalid. \(id)"])
            #expect(old?.isDeleted == true && old?.timestamp == 2_000_000_000_000_000_000)
            #expect(new?.isDeleted == false && new?.timestamp == 2_000_000_000_000_000_000)
        }
        #expect(after["z.test. 6"]?.isDeleted == false)
        #expect(after.count == 6)
        // The name part as PowerDNS would write it.
        let key = IndexKey(zone: try #require(DuplicateZones.newName(of: ZoneName("z.test"), id: 7)), id: 7).bytes
        #expect(key == [0, 21] + Array("invalid\0dup-7\0test\0z\0".utf8).prefix(21) + [0, 0, 0, 7])

        let again = try DuplicateZones().rename(writer.main)
        #expect(again.duplicates == [])
        #expect(again.renamed.map { "\($0)" }.sorted() == ["z.test.dup-7.invalid.", "z.test.dup-8.invalid."])
        #expect(try writer.findings() == ["duplicate-zone", "duplicate-zone"])
        #expect(try writer.found().allSatisfy { $0.severity == .warning })
    }

    /// PowerDNS 4 leaves the new name in the index when it deletes a zone that has been renamed.
    @Test func whatPowerDNSLeavesOfARenamedZoneIsRemoved() throws {
        _ = try DuplicateZones().rename(writer.main)
        let name = try #require(DuplicateZones.newName(of: ZoneName("z.test"), id: 7))
        try writer.delete(.domains, [0, 0, 0, 7])
        try writer.delete(.domainsIndex, IndexKey(zone: try ZoneName("z.test"), id: 7).bytes)
        let found = try DuplicateZones().find(writer.main)
        #expect(found.duplicates == [] && found.renamed == [])
        #expect(found.leftOver == [.init(zone: name, id: 7)])
        #expect(try writer.found().filter { $0.rule == .indexWithoutObject }.map(\.severity) == [.warning])
        #expect(try DuplicateZones().rename(writer.main) == found)
        #expect(try index()["\(name) 7"]?.isDeleted == true)
        #expect(try DuplicateZones().find(writer.main) == .init())
        #expect(try !writer.findings().contains("index-without-object"))
    }

    /// PowerDNS would take the oldest entry for the zone even if it leads to none.
    @Test func anIndexEntryOfNoZoneIsNoDuplicate() throws {
        let stray = IndexKey(zone: try ZoneName("single.test"), id: 3).bytes
        writer.timestamp -= 1
        try writer.put(.domainsIndex, stray, [])
        let report = try DuplicateZones().rename(writer.main)
        #expect(report.leftOver == [.init(zone: try ZoneName("single.test"), id: 3)])
        #expect(report.duplicates.map(\.zone) == [try ZoneName("z.test")])
        #expect(try index()["single.test. 3"]?.isDeleted == true)
        #expect(try index()["single.test. 9"]?.isDeleted == false)
    }

    /// The index alone tells which entries are of one name; that is all that release 1.0 looks at.
    @Test(arguments: [true, false])
    func withoutTheTableOfZonesNoNameIsLost(isDropped: Bool) throws {
        if isDropped {
            try writer.main.write { transaction in
                try transaction.drop(try #require(try transaction.database(PowerDNSTable.domains.rawValue)))
                return .commit(())
            }
        } else {
            for id in [UInt8(7), 8, 9] { try writer.delete(.domains, [0, 0, 0, id]) }
        }
        let report = try DuplicateZones().rename(writer.main)
        #expect(report.duplicates == [.init(zone: try ZoneName("z.test"), used: 8, others: [7])])
        #expect(report.leftOver == [])
        let after = try index()
        #expect(after["z.test. 8"]?.isDeleted == false && after["z.test. 8"]?.timestamp == old - 1)
        #expect(after["z.test. 7"]?.isDeleted == true)
        #expect(after["z.test.dup-7.invalid. 7"]?.isDeleted == false)
        #expect(after["single.test. 9"]?.isDeleted == false)
        // What was renamed is not taken for left over either, while nothing tells that it is.
        let again = try DuplicateZones().rename(writer.main)
        #expect(again.renamed.map { "\($0)" } == (isDropped ? ["z.test.dup-7.invalid."] : []))
        #expect(try index()["z.test. 8"]?.isDeleted == false)
    }

    @Test(
        arguments: [
            (Array("no key".utf8), nil, "has a key that is not one of name and ID"),
            ([0, 2, 0x61], nil, "has a key that is not one of name and ID"),
            (nil, Array("short".utf8), "has no valid LS header"),
            (nil, [UInt8](repeating: 1, count: 24), "has no valid LS header"),
        ] as [([UInt8]?, [UInt8]?, String)])
    func aDamagedEntryStopsAll(key: [UInt8]?, value: [UInt8]?, problem: String) throws {
        let sound = IndexKey(zone: try ZoneName("a.test"), id: 3).bytes
        if let value {
            try writer.put(raw: [(key ?? sound, value)], .domainsIndex)
        } else {
            try writer.put(.domainsIndex, key ?? sound, [])
        }
        let before = writer.main.info.lastTransactionID
        for work in [DuplicateZones().find, DuplicateZones().rename] {
            let error = try #require(#expect(throws: PowerDNSReadError.self) { try work(writer.main) })
            #expect("\(error)".contains(problem) && "\(error)".contains("of DBI domains_v5_0"), "\(error)")
        }
        #expect(writer.main.info.lastTransactionID == before)
    }

    /// What is deleted has no say, whatever its key is.
    @Test func aDeletedEntryMayHaveAnyKey() throws {
        try writer.delete(.domainsIndex, Array("no key".utf8))
        #expect(try DuplicateZones().find(writer.main).duplicates.count == 1)
    }

    @Test func aClockThatIsBehindDoesNotLetTheOldNameWin() throws {
        _ = try DuplicateZones(now: { 1 }).rename(writer.main)
        let after = try index()
        #expect(after["z.test. 7"]?.timestamp == old + 1)
        #expect(after["z.test.dup-7.invalid. 7"]?.timestamp == old + 1)
    }

    @Test func otherSchemasAreRefused() throws {
        let newer = try PowerDNSWriter(schema: 6)
        #expect(throws: PowerDNSReadError.self) { try DuplicateZones().find(newer.main) }
        #expect(throws: PowerDNSReadError.self) { try DuplicateZones().rename(writer.shard) }
        let error = try #require(
            #expect(throws: PowerDNSReadError.self) { try DuplicateZones().rename(newer.main) })
        #expect("\(error)" == "the schema is version 6, but version 5 is required (PowerDNS 4.8 and 4.9)")
    }

    @Test func aNameThatBecomesTooLongStopsAll() throws {
        let label = String(repeating: "a", count: 60)
        let zone = "\(label).\(label).\(label).\(label)"
        try writer.addZone(zone, id: 20)
        try writer.addZone(zone, id: 21)
        let before = try index()
        #expect(throws: PowerDNSReadError.self) { try DuplicateZones().rename(writer.main) }
        #expect(try index() == before)
    }
}
