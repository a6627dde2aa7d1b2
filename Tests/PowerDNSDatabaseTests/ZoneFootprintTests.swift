import LMDB
import PowerDNSFormat
import PowerDNSTestSupport
import Testing

@testable import PowerDNSDatabase

/// Which transactions have written a zone.
@Suite struct ZoneFootprintTests {
    private let writer: PowerDNSWriter

    init() throws {
        writer = try PowerDNSWriter()
        writer.transaction = 10
        try writer.addSoundZone("example.org", id: 7)
        writer.transaction = 11
        try writer.addSoundZone("other.test", id: 8)
    }

    private func footprint(_ zone: String) throws -> ZoneFootprint? {
        try ZoneFootprint(ZoneName(zone), main: writer.main, shard: writer.shard)
    }

    @Test func eachKindOfEntryCounts() throws {
        writer.transaction = 20
        try writer.addMetadata("example.org", "ALLOW-AXFR-FROM", "::1")
        writer.transaction = 21
        try writer.addKey("example.org")
        writer.transaction = 22
        try writer.put("www", .a, of: 7, [.address])
        writer.transaction = 23
        writer.timestamp += 5
        try writer.put("www", .a, of: 8, [.address])
        let found = try #require(try footprint("Example.ORG"))
        #expect(found.main.transactions == [10, 20, 21])
        #expect(found.shard.transactions == [10, 22])
        #expect(!found.isDeleted)
        #expect(found.changed == writer.timestamp - 5)
        #expect(found.main.readIn == writer.main.info.lastTransactionID)
        #expect(found.shard.readIn == writer.shard.info.lastTransactionID)
        #expect(try footprint("other.test")?.shard.transactions == [11, 23])
    }

    @Test func deletionsCount() throws {
        writer.transaction = 30
        let id = try writer.addMetadata("example.org", "NSEC3NARROW", "1")
        writer.transaction = 31
        try writer.delete(.metadata, Bytes.big(id))
        writer.transaction = 32
        try writer.delete(.records, PowerDNSWriter.key("ns1", .a, of: 7))
        var found = try #require(try footprint("example.org"))
        #expect(found.main.transactions == [10, 30, 31])
        #expect(found.shard.transactions == [10, 32])
        writer.transaction = 33
        try writer.delete(.domains, Bytes.big(UInt32(7)))
        try writer.delete(.domainsIndex, IndexKey(zone: ZoneName("example.org"), id: 7).bytes)
        found = try #require(try footprint("example.org"))
        #expect(found.isDeleted)
        #expect(found.main.transactions == [30, 31, 33])
        #expect(found.shard.transactions == [10, 32])
    }

    @Test func aZoneThatWasMadeAgainIsOfBoth() throws {
        writer.transaction = 40
        try writer.delete(.domainsIndex, IndexKey(zone: ZoneName("example.org"), id: 7).bytes)
        writer.transaction = 41
        try writer.addZone("example.org", id: 9)
        let found = try #require(try footprint("example.org"))
        #expect(!found.isDeleted)
        #expect(found.main.transactions == [10, 40, 41])
        #expect(found.shard.transactions == [10])
    }

    @Test func aZoneThatDoesNotExistHasNone() throws {
        #expect(try footprint("www.example.org") == nil)
        #expect(try footprint("org") == nil)
    }

    @Test func whatCannotBeReadMayBeAnything() throws {
        try writer.put(raw: [(PowerDNSWriter.key("bad", .a, of: 7), [1, 2, 3])], .records)
        let found = try #require(try footprint("example.org"))
        #expect(found.shard.transactions == nil)
        #expect(found.main.transactions == [10])
    }
}
