import Support
import TestSupport
import Testing

@testable import Snapshots

/// What a snapshot says about itself.
@Suite struct MetaTests {
    private static let delta = SnapshotMeta(
        instanceID: "ns.1", hostname: "host", transactionID: 9, timestamp: 20, databaseName: "main",
        fromTransactionID: 7, from: 10, positions: ["a": 1, "ns-2": .max], readsDeltas: true)

    private static func position(_ instance: String, _ time: UInt64) -> Message {
        Message().field(1, instance).fixed64(2, time)
    }

    @Test func itIsWrittenByFieldNumberWithPositionsByInstance() throws {
        let meta = SnapshotMeta(
            generationID: "", from: 5, positions: ["b": 2, "a": 1, "B": 3, "": 4, "zero": 0], readsDeltas: true)
        let message = Message().fixed64(100, 5).field(101, Self.position("B", 3)).field(101, Self.position("a", 1))
            .field(101, Self.position("b", 2)).varint(102, 1)
        #expect(try gunzip(Contents(meta: meta).written()) == Message.version3.field(2, message).bytes)
    }

    @Test func itIsReadAloneAsWithTheWholeSnapshot() throws {
        let contents = Contents(databases: [Database(name: "d", entries: [Entry("k", "v")])], meta: Self.delta)
        let spool = try contents.written()
        #expect(try SnapshotMeta.read(spool) == Self.delta)
        #expect(try Contents(spool).meta == Self.delta)
        #expect(try SnapshotMeta.read(Contents(meta: Self.delta).written()) == Self.delta)
        for fixture in Fixture.all {
            let spool = try Spool(fixture.compressed())
            #expect(try SnapshotMeta.read(spool) == Contents(spool).meta)
        }
    }

    @Test func nothingBehindTheFirstDBIBeginsIsRead() throws {
        // The entries are missing, and so are the DBI's contents.
        let start = Message.version3.field(2, Message().field(1, "GX").fixed64(100, 5))
        let spool = try gzip(start.length(3, 1 << 40).bytes)
        #expect(try SnapshotMeta.read(spool) == SnapshotMeta(from: 5))
        #expect(throws: SnapshotError.self) { try Contents(spool) }
        // The end of a large object is not there.
        var random = SeededGenerator(seed: 1)
        let large = Contents(
            databases: [Database(name: "d", entries: [Entry(Array("k".utf8), random.bytes(1 << 20), 1)])],
            meta: Self.delta)
        let cut = try bytes(large.written()).prefix(600 << 10)
        #expect(try SnapshotMeta.read(Spool(Array(cut))) == Self.delta)
    }

    @Test func whatIsReadOfItIsCheckedAsInTheWholeSnapshot() throws {
        let rows: [(Message, String)] = [
            (Message(), "no formatVersion"), (Message().varint(1, 0), "no formatVersion"),
            (Message().varint(1, 1 << 32), "formatVersion is 4294967296"),
            (Message().varint(1, 4).varint(4, 4), "format version 4 or later"),
            (Message.version3.field(2, Message().varint(100, 1)), "wire type 0"),
            (Message.version3.field(2, Message().field(101, Self.position("a.b", 1))), "instance of a position"),
            (Message.version3.varint(3, 1), "wire type 0"), (Message.version3.length(9, 1), "truncated"),
        ]
        for (message, text) in rows {
            let spool = try gzip(message.bytes)
            let error = try #require(throws: SnapshotError.self) { try SnapshotMeta.read(spool) }
            #expect(error.description.contains(text), "\(error)")
            #expect(throws: error) { try Contents(spool) }
        }
        #expect(throws: SnapshotError.self) { try SnapshotMeta.read(Spool(Array("not gzip".utf8))) }
    }

    @Test func theLastPositionOfAnInstanceCounts() throws {
        let message = Message().field(101, Self.position("a", 9)).field(101, Self.position("b", 1))
            .field(101, Self.position("a", 5).field(9, "unknown")).varint(102, 0).varint(102, 7)
            .fixed64(100, 1).fixed64(100, 2)
        let meta = try SnapshotMeta.read(gzip(Message.version3.field(2, message).bytes))
        #expect(meta.positions == ["a": 5, "b": 1])
        #expect(meta.readsDeltas && meta.from == 2)
    }

    @Test func ofTooManyPositionsTheNewestAreWritten() throws {
        let positions = Dictionary((1...10_003).map { ("ns\($0)", UInt64($0)) }) { $1 }
        let written = try SnapshotMeta.read(Contents(meta: SnapshotMeta(positions: positions)).written()).positions
        #expect(written == positions.filter { $0.value > 3 })
    }

    @Test func aDeltaMustBeWhatItsNameSays() {
        let name = SnapshotName(database: "main", instance: "ns.1", timestamp: 10, fileExtension: "delta")
        #expect(Self.delta.problem(asDelta: name) == nil)
        let changes: [((inout SnapshotMeta) -> Void, String)] = [
            ({ $0.instanceID = "ns2" }, "the instance \"ns2\", not of ns-1"),
            ({ $0.instanceID = "" }, "the instance \"\""),
            ({ $0.databaseName = "shard" }, "the database \"shard\", not of main"),
            ({ $0.databaseName = "" }, "the database \"\""), ({ $0.from = 0 }, "does not say where it begins"),
            ({ $0.from = 9 }, "it begins at 19700101-000000-000000009, not at 19700101-000000-000000010"),
            ({ $0.timestamp = 10 }, "it ends at 19700101-000000-000000010"), ({ $0.timestamp = 9 }, "it ends at"),
            ({ $0.timestamp = 0 }, "it ends at"),
        ]
        for (change, text) in changes {
            var meta = Self.delta
            change(&meta)
            #expect(meta.problem(asDelta: name)?.contains(text) == true, "\(meta.problem(asDelta: name) ?? "nil")")
        }
        var first = Self.delta
        first.from = 0
        let epoch = SnapshotName(database: "main", instance: "ns.1", timestamp: 0, fileExtension: "delta")
        #expect(first.problem(asDelta: epoch) != nil)
    }
}
