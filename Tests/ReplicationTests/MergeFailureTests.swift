import LMDB
import Simulator
import Snapshots
import Support
import Testing

@testable import Replication

/// A snapshot is applied whole or not at all.
@Suite struct MergeFailureTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory, mapSize: 1 << 20)
        try environment.put("key", .init(1, "local"))
        try environment.put("key", .init(1, "local"), in: "zones")
    }

    /// Expects that nothing has been written since the start of `body`, which fails.
    private func expectNothingWritten(_ body: () throws -> Void) throws {
        let (contents, transaction) = (
            try environment.read { try $0.databases().map(\.name) }, environment.lastTransaction
        )
        let raw = try environment.raw("records", Array("key".utf8))
        try body()
        #expect(environment.lastTransaction == transaction)
        #expect(try environment.read { try $0.databases().map(\.name) } == contents)
        #expect(try environment.raw("records", Array("key".utf8)) == raw)
    }

    @Test func aFullMapUndoesEverything() throws {
        let snapshot = RawSnapshot().database(
            "records",
            [.init("key", "new", at: 2)]
                + (0..<1900).map { .init("x\($0 + 10000)", String(repeating: "v", count: 500), at: 2) }
        ).database("new", [.init("a", "b", at: 1)])
        try expectNothingWritten {
            let error = thrown { try environment.merge(snapshot) } as? LMDBError
            #expect(error?.code == .mapFull)
            #expect(error?.description.contains("the map is full") == true)
        }
        // And it works again afterwards.
        #expect(try environment.merge(RawSnapshot().database("records", [.init("key", "new", at: 2)])).written == 1)
    }

    @Test func moreThanTheMapCouldEverHoldIsNotPlannedToTheEnd() throws {
        let entries = (0..<4000).map {
            RawSnapshot.Entry("x\($0 + 10000)", String(repeating: "v", count: 500), at: 2)
        }
        let object = RawSnapshot().database("records", entries).object
        try expectNothingWritten {
            var read = 0
            let text = message(MapIsTooSmall.self) {
                _ = try MergePlanner.plan(Spool(object), for: environment, rules: .init()) { read = $0 }
            }
            #expect(text.contains("the map has 1048576"))
            #expect(read < 2000)
        }
    }

    @Test(arguments: [[], [1], [UInt8](repeating: 0, count: 23)] as [[UInt8]])
    func aLocalValueWithoutHeaderStopsTheMerge(value: [UInt8]) throws {
        try environment.putRaw("zones", [0, 0x41, 0xff], value)
        try expectNothingWritten {
            let text = message(LocalContentError.self) {
                try environment.merge(
                    RawSnapshot().database("records", [.init("key", "new", at: 2)])
                        .database("zones", [.init([0, 0x41, 0xff], [1], at: 2)]))
            }
            #expect(text.contains("key \\x00A\\xff in DBI zones"))
            #expect(text.contains("the application must write it"))
        }
    }

    @Test func anUnknownHeaderVersionStopsTheMerge() throws {
        var value = [UInt8](repeating: 0, count: 30)
        value[16] = 1
        try environment.putRaw("records", Array("bad".utf8), value)
        try expectNothingWritten {
            let text = message(LocalContentError.self) {
                try environment.merge(
                    RawSnapshot().database("records", [.init("bad", "x", at: 2), .init("key", "n", at: 2)]))
            }
            #expect(text.contains("bad"))
        }
    }

    @Test func aBadLocalValueThatTheSnapshotDoesNotNameIsNoObstacle() throws {
        try environment.putRaw("records", Array("bad".utf8), [1])
        #expect(try environment.merge(RawSnapshot().database("records", [.init("key", "n", at: 2)])).written == 1)
    }

    @Test func everyDamagedByteAndEveryCutIsRefused() throws {
        let object = RawSnapshot().database("records", [.init("key", "new", at: 2), .init("more", "new", at: 2)])
            .database("new", [.init("a", "b", at: 1)]).object
        try expectNothingWritten {
            for length in 0..<object.count {
                let spool = Spool(Array(object[..<length]))
                #expect(throws: SnapshotError.self, "cut at \(length)") {
                    try MergePlanner.plan(spool, for: environment, rules: .init())
                }
            }
            // Behind the gzip header and the byte that begins the first block: some of their bits mean nothing.
            for index in 11..<object.count {
                var damaged = object
                damaged[index] ^= 0x10
                #expect(throws: (any Error).self, "byte \(index)") {
                    let plan = try MergePlanner.plan(Spool(damaged), for: environment, rules: .init()).plan
                    try Merge.apply(plan, to: environment, paddingBlock: false)
                }
            }
            #expect(throws: SnapshotError.self) {
                try MergePlanner.plan(Spool(object + [0]), for: environment, rules: .init())
            }
        }
    }

    @Test func theDamagedEndOfALargeSnapshotIsNoticedBeforeAnythingIsWritten() throws {
        var object = RawSnapshot().database(
            "records", [.init("key", "new", at: 2)] + (0..<2000).map { .init("x\($0 + 10000)", "v", at: 2) }
        ).object
        object[object.count - 6] ^= 1
        try expectNothingWritten {
            #expect(throws: SnapshotError.self) {
                try MergePlanner.plan(Spool(object), for: environment, rules: .init())
            }
        }
    }

    @Test func anEntryLargerThanTheMapIsRefused() throws {
        try expectNothingWritten {
            #expect(throws: SnapshotError.self) {
                try environment.merge(
                    RawSnapshot().database(
                        "records", [.init(Array("key".utf8), [UInt8](repeating: 1, count: 2 << 20), at: 2)]))
            }
        }
    }

    @Test func tooManyDatabasesAreRefused() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment(
            EnvironmentOptions(path: directory.path, create: true, mapSize: 1 << 20, maximumDatabases: 3))
        var snapshot = RawSnapshot()
        for index in 0..<4 { snapshot = snapshot.database("dbi\(index)", [.init("a", "b", at: 1)]) }
        #expect(message(RefusedSnapshot.self) { try environment.merge(snapshot) }.contains("that are allowed"))
        #expect(environment.lastTransaction == 0)
    }
}
