import LMDB
import Simulator
import Snapshots
import Support
import TestSupport
import Testing

@testable import Replication

@Suite struct FullScanTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment
    static let identity = SenderIdentity(database: "main", instance: "ns1", hostname: "host.example")

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
    }

    private func scan(at timestamp: UInt64 = 1_800_000_000_123_456_789) throws -> FullScan.Result? {
        try FullScan.run(environment, identity: Self.identity) { timestamp }.snapshot
    }

    @Test func anEmptyLMDBIsNothing() throws {
        let (snapshot, transaction) = try FullScan.run(environment, identity: Self.identity) {
            Issue.record("nobody needs the time")
            return 0
        }
        #expect(snapshot == nil)
        #expect(transaction == 0)
    }

    @Test func onlyPrivateDatabasesAreNothing() throws {
        try environment.putRaw("_sync_meta", [1], [1])
        #expect(try scan() == nil)
    }

    @Test func anEmptyDatabaseIsSent() throws {
        try environment.write { transaction in
            _ = try transaction.database("records", creating: .integerKey)
            return .commit(())
        }
        let snapshot = try #require(try scan())
        #expect(snapshot.entries == 0)
        let other = try LMDB.Environment.scratch(try ScratchDirectory())
        let plan = try MergePlanner.plan(snapshot.body, for: other, rules: .init()).plan
        try Merge.apply(plan, to: other, paddingBlock: false)
        #expect(try other.databaseFlags() == ["records": .integerKey])
    }

    @Test func everythingButPrivateDatabasesIsSent() throws {
        try environment.put("a", .init(1, "x"))
        try environment.put("b", .deleted(2))
        try environment.put("a", .init(.max, ""), in: "zones")
        try environment.putRaw("_sync_shadow_records", [1], [1])
        try environment.putRaw("_sync", [1], [1], flags: .duplicateSort)
        let snapshot = try #require(try scan())
        let expected = try environment.contentsWithoutPrivate()
        #expect(try contents(of: snapshot.body) == expected)
        #expect(snapshot.entries == 3)
    }

    @Test func nameAndMetaSayTheSame() throws {
        let transaction = try environment.put("a", .init(1, "x"))
        let (found, read) = try FullScan.run(environment, identity: Self.identity) { 1_800_000_000_123_456_789 }
        let snapshot = try #require(found)
        #expect(snapshot.name.description == "main__ns1__20270115-080000-123456789__GX.pb.gz")
        #expect(read == transaction)
        let meta = try MergePlanner.plan(snapshot.body, for: environment, rules: .init()).meta
        #expect(
            meta
                == SnapshotMeta(
                    generationID: "GX", instanceID: "ns1", hostname: "host.example", transactionID: Int64(transaction),
                    timestamp: 1_800_000_000_123_456_789, databaseName: "main"))
    }

    @Test func theTimeIsTakenWithinTheTransaction() throws {
        try environment.put("a", .init(1, "x"))
        let (snapshot, transaction) = try FullScan.run(environment, identity: Self.identity) {
            // A change at this moment is not in the snapshot.
            OtherOpening(directory.path).dropDatabase("records")
            return 5
        }
        #expect(transaction == 1)
        #expect(environment.lastTransaction == 2)
        #expect(try contents(of: try #require(snapshot).body).count == 1)
    }

    @Test func aDeletedEntryIsSentWithoutItsPayload() throws {
        var value = [UInt8](repeating: 0, count: 24) + Array("payload".utf8)
        value[7] = 5
        value[17] = 0xff
        try environment.putRaw("records", [1], value)
        let snapshot = try #require(try scan())
        let expected: TestContents = [TestKey(database: "records", key: [1]): .deleted(5)]
        #expect(try contents(of: snapshot.body) == expected)
    }

    @Test func extensionBlocksAndUnknownFlagsAreNotSent() throws {
        var value = [UInt8](repeating: 0, count: 32) + Array("v".utf8)
        value[7] = 5
        value[17] = 0xfe
        value[23] = 1
        try environment.putRaw("records", [1], value)
        let snapshot = try #require(try scan())
        let expected: TestContents = [TestKey(database: "records", key: [1]): TestVersion(5, "v")]
        #expect(try contents(of: snapshot.body) == expected)
    }

    @Test(arguments: [[], [1, 2, 3], [UInt8](repeating: 0xff, count: 30)] as [[UInt8]])
    func aValueWithoutHeaderIsAnErrorThatNamesIt(value: [UInt8]) throws {
        try environment.put("a", .init(1, "x"))
        try environment.putRaw("zones", [0x41, 0, 0x42], value)
        let text = message(LocalContentError.self) { _ = try scan() }
        #expect(text.contains("key A\\x00B in DBI zones"))
        #expect(text.contains("the application must write it"))
    }

    @Test func duplicatesAreAnError() throws {
        try environment.putRaw("dups", [1], [UInt8](repeating: 0, count: 24), flags: .duplicateSort)
        let text = message(LocalContentError.self) { _ = try scan() }
        #expect(text.contains("dups"))
        #expect(text.contains("MDB_DUPSORT"))
    }

    @Test func aCancelledScanEnds() throws {
        try environment.put("a", .init(1, "x"))
        let signal = CancellationSignal()
        signal.cancel()
        #expect(throws: CancellationError.self) {
            try FullScan.run(environment, identity: Self.identity, signal: signal) { 5 }
        }
    }

    @Test func whatIsSentAndMergedIsTheSame() throws {
        var random = SeededGenerator(seed: 4711)
        for index in 0..<500 {
            let key = (0..<Int.random(in: 1...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
            }
            let deleted = index % 3 == 0
            try environment.applicationWrite([
                (
                    TestKey(database: "dbi\(index % 4)", key: key),
                    TestVersion(
                        timestamp: random.next(), isDeleted: deleted, value: deleted ? [] : Array("v\(index)".utf8))
                )
            ])
        }
        let snapshot = try #require(try scan())
        let directory = try ScratchDirectory()
        let other = try LMDB.Environment.scratch(directory)
        let plan = try MergePlanner.plan(snapshot.body, for: other, rules: .init()).plan
        try Merge.apply(plan, to: other, paddingBlock: false)
        #expect(try other.contents() == environment.contents())
    }
}

extension LMDB.Environment {
    /// Everything but private databases, whose values have no headers here.
    fileprivate func contentsWithoutPrivate() throws -> TestContents {
        let names = try databaseFlags().keys.filter { !$0.hasPrefix("_sync") }
        var contents: TestContents = [:]
        for name in names {
            for key in try keys(name) {
                let value = try raw(name, key) ?? []
                try value.withUnsafeBytes { value in
                    let entry = try EntryHeader.parse(value)
                    contents[TestKey(database: name, key: key)] = TestVersion(
                        timestamp: entry.header.timestamp, isDeleted: entry.header.isDeleted,
                        value: Array(entry.payload))
                }
            }
        }
        return contents
    }
}
