import BlobStorage
import LMDB
import PowerDNSFormat
import PowerDNSTestSupport
import Replication
import Snapshots
import TestSupport
import Testing

@testable import PowerDNSSync

/// By default, what PowerDNS could not read is held back, and the rest is merged.
@Suite(.timeLimit(.minutes(5))) struct HoldTests {
    fileprivate static let bad = PowerDNSWriter.payload([.init(rdata: [192, 0, 2])])
    fileprivate static let good = PowerDNSWriter.payload([.address])

    fileprivate static func key(_ owner: String) throws -> [UInt8] {
        try PowerDNSWriter.key(owner, .a, of: Stored.exampleOrg)
    }

    fileprivate func pair() async throws -> (a: SyncedSite, b: SyncedSite) {
        let store = MemoryStore()
        let (a, b) = (try SyncedSite("a", store, fixture: "4.9"), try SyncedSite("b", store, fixture: "4.9"))
        try await a.sync()
        try await b.sync()
        try await a.sync()
        return (a, b)
    }

    @Test func theRestIsMergedAndTheNextSnapshotIsLookedAtAgain() async throws {
        let (a, b) = try await pair()
        try a.write(
            .records, [(Self.key("aaa"), Self.good), (Self.key("bad"), Self.bad), (Self.key("zzz"), Self.good)])
        try await a.sync()
        try await b.sync()
        let rows = try #require(try b.contents(.shard)["records_v5"])
        #expect(try rows[Self.key("aaa")] != nil && rows[Self.key("zzz")] != nil && rows[Self.key("bad")] == nil)
        #expect(b.log.contains("an entry is held back and the rest of the snapshot is merged"))
        #expect(b.log.contains("rule structure: zone example.org.: bad.example.org. A: DBI records_v5, key "))
        #expect(!b.log.contains("refused"))
        try a.write(.records, [(Self.key("bad"), Self.good)])
        try await a.sync()
        try await b.sync()
        #expect(try b.contents(.shard)["records_v5"]?[Self.key("bad")] == .some(Self.good))
    }

    /// The version that is here stays, whatever PowerDNS could not read is newer.
    @Test func theLocalEntryStays() async throws {
        let (a, b) = try await pair()
        let key = try PowerDNSWriter.key("www", .a, of: Stored.exampleOrg)
        let before = try #require(try b.contents(.shard)["records_v5"]?[key])
        try a.write(.records, [(key, Self.bad)])
        try await a.sync()
        try await b.sync()
        #expect(try b.contents(.shard)["records_v5"]?[key] == .some(before))
    }

    @Test func anEmptyLMDBGetsTheRestAsWell() async throws {
        let store = MemoryStore()
        let (a, b) = (try SyncedSite("a", store, fixture: "4.9"), try SyncedSite("b", store))
        try a.write(.domains, [([0, 0, 0, 9], [1, 2, 3])])
        try await a.sync([.main])
        try await b.sync([.main])
        let main = try b.contents(.main)
        #expect(main["domains_v5"]?.isEmpty == false && main["domains_v5"]?[[0, 0, 0, 9]] == nil)
        #expect(main["pdns"]?.isEmpty == false)
        #expect(b.log.contains("an entry is held back"))
    }

    @Test func settingsThatPowerDNSWouldNotStartWithAreHeld() async throws {
        let (a, b) = try await pair()
        let before = try b.contents(.main)["pdns"]
        try a.write(.settings, [(Array("shards".utf8), [0, 0, 0, 64]), (Array("schemaversion".utf8), nil)])
        try a.write(.metadata, [([0, 0, 0, 9], nil)])
        try await a.sync([.main])
        try await b.sync([.main])
        #expect(try b.contents(.main)["pdns"] == before)
        #expect(try b.contents(.main)["metadata_v5"]?[[0, 0, 0, 9]] == .some(nil))
    }

    @Test(arguments: [[0, 0, 0, 4], [0, 0, 0, 5, 0, 0, 0, 3], [5]] as [[UInt8]])
    func aSchemaVersionThatPowerDNSWouldNotStartWithIsHeld(value: [UInt8]) async throws {
        let (a, b) = try await pair()
        let before = try b.contents(.main)["pdns"]
        try a.write(.settings, [(Array("schemaversion".utf8), value)])
        try await a.sync([.main])
        try await b.sync([.main])
        #expect(try b.contents(.main)["pdns"] == before)
        #expect(b.log.contains("an entry is held back"))
    }

    /// Of the shards PowerDNS takes the first four bytes.
    @Test(
        arguments: [([0, 0, 0, 2, 0, 0, 0, 1], true), ([0, 0, 0, 1, 0, 0, 0, 2], false)] as [([UInt8], Bool)])
    func otherShardsAreHeld(value: [UInt8], isHeld: Bool) async throws {
        let (a, b) = try await pair()
        try a.write(.settings, [(Array("shards".utf8), value)])
        try await a.sync([.main])
        try await b.sync([.main])
        #expect((try b.contents(.main)["pdns"]?[Array("shards".utf8)] != .some(value)) == isHeld)
        #expect(b.log.contains("an entry is held back") == isHeld)
    }

    /// Also where there is nothing yet that it could be compared with.
    @Test(
        arguments: [("schemaversion", [0, 0, 0, 4]), ("schemaversion", [5]), ("shards", [0, 0, 0, 0])]
            as [(String, [UInt8])])
    func anEmptyLMDBGetsNoSettingsThatPowerDNSWouldNotStartWith(key: String, value: [UInt8]) async throws {
        let store = MemoryStore()
        let (a, b) = (try SyncedSite("a", store, fixture: "4.9"), try SyncedSite("b", store))
        try a.write(.settings, [(Array(key.utf8), value)])
        try await a.sync([.main])
        try await b.sync([.main])
        #expect(try b.contents(.main)["pdns"]?[Array(key.utf8)] == nil)
        #expect(try b.contents(.main)["domains_v5"]?.isEmpty == false)
        #expect(b.log.contains("an entry is held back"))
    }

    /// No PowerDNS answers what is read past a label of 64 bytes.
    @Test func aLabelThatIsTooLongIsHeld() async throws {
        let (a, b) = try await pair()
        let key = [0, 0, 0, 1] + [UInt8](repeating: 0x71, count: 64) + [0, 0, 0, 1]
        try a.write(.records, [(key, PowerDNSWriter.payload([.init(rdata: [192, 0, 2, 1])]))])
        try await a.sync([.shard])
        try await b.sync([.shard])
        #expect(try b.contents(.shard)["records_v5"]?[key] == nil)
        #expect(b.log.contains("has a label of more than 63 bytes in a name"))
    }

    /// What PowerDNS reads, if only in part, is no harm.
    @Test(
        arguments: [
            // Hints of no addresses are what `ipv4hint=auto` is stored as.
            (65, [0, 1, 0, 0, 4, 0, 0, 0, 6, 0, 0]), (65, [0, 1, 0, 0, 1, 0, 0]),
            (65, [0, 0, 0, 0, 1, 0, 3, 2, 0x68, 0x32]),
            (29, [UInt8](repeating: 0xff, count: 16)), (15, [0, 10, 0, 0]), (261, [9]), (13, [1, 0x61]),
            (257, [0, 5]), (16, []), (16, [0]), (42, []), (42, [0, 1, 0x21, 0]), (65280, []), (43, [0, 0, 0, 0, 0]),
            (35, [0, 0, 0, 0, 0, 0, 0, 0]), (61, [0]), (47, [0, 0, 0]),
        ] as [(UInt16, [UInt8])])
    func whatPowerDNSReadsIsMerged(type: UInt16, rdata: [UInt8]) async throws {
        let (a, b) = try await pair()
        let key = try PowerDNSWriter.key("odd", RecordType(rawValue: type), of: Stored.exampleOrg)
        try a.write(.records, [(key, PowerDNSWriter.payload([.init(rdata: rdata)]))])
        try await a.sync([.shard])
        try await b.sync([.shard])
        #expect(try b.contents(.shard)["records_v5"]?[key] != nil)
        #expect(!b.log.contains("held back"))
    }

    @Test func theLedgerTellsWhatIsNewAndWhatHasGone() {
        func entry(_ byte: UInt8) -> HeldLedger.Entry {
            .init(identity: [byte], objection: Objection(rule: "structure", text: "\(byte)"))
        }
        var ledger = HeldLedger()
        func merge(_ bytes: [UInt8], from instance: String = "a") -> ([UInt8], Int) {
            let change = ledger.merged(bytes.map(entry), from: instance, into: "main")
            return (change.new.flatMap(\.identity), change.gone)
        }
        #expect(merge([]) == ([], 0))
        #expect(merge([1, 2]) == ([1, 2], 0))
        #expect(merge([2, 3]) == ([3], 1))
        #expect(merge([2], from: "b") == ([2], 0))
        #expect(merge([]) == ([], 2))
        #expect(merge([2]) == ([2], 0))
    }
}

/// Entries that real syncers hold back.
@Suite(.timeLimit(.minutes(5))) struct HoldLiveTests {
    /// As long as it is held, however many snapshots bring it again.
    @Test func theLogTellsOfAnEntryOnce() async throws {
        let (a, b) = try await HoldTests().pair()
        try a.write(.records, [(HoldTests.key("bad"), HoldTests.bad)])
        try await a.sync()
        try await b.sync(while: { [log = b.log] environments in
            try await eventually { log.contains("an entry is held back") }
            for round in 1...3 {
                let key = try HoldTests.key("good\(round)")
                try a.write(.records, [(key, HoldTests.good)])
                try await a.sync()
                let shard = try #require(environments["shard"])
                try await eventually {
                    try shard.read { transaction in
                        guard let records = try transaction.database("records_v5") else { return false }
                        return try key.withUnsafeBytes { try transaction.get(records, $0) != nil }
                    }
                }
            }
        })
        #expect(b.log.count("an entry is held back") == 1)
    }
}
