import Support
import Testing

@testable import Snapshots

@Suite("Reading")
struct ReaderTests {
    private static let entries = [Entry("a", "1", 1), Entry("b", "", 2, true), Entry("", "3", 0)]

    private static func fields(_ entries: [Entry]) -> [Message] {
        entries.map {
            Message.entry(
                String(decoding: $0.key, as: UTF8.self), String(decoding: $0.value, as: UTF8.self), at: $0.timestamp,
                deleted: $0.isDeleted)
        }
    }

    private static func permutations<Element>(_ elements: [Element]) -> [[Element]] {
        guard elements.count > 1 else { return [elements] }
        return elements.indices.flatMap { index in
            var rest = elements
            let first = rest.remove(at: index)
            return permutations(rest).map { [first] + $0 }
        }
    }

    @Test("takes the fields of a DBI in any order")
    func databaseFieldOrder() throws {
        let fields: [Message] = [
            Message().field(1, "d"), Message().varint(3, 0x0c), Message().field(4, "dupsort_hack_v1"),
            Message().field(2, Message.entry("a", "1")), Message().field(2, Message.entry("b", "2")),
            Message().field(77, "unknown"),
        ]
        for order in Self.permutations(Array(fields.indices)) {
            let database = Message(bytes: order.flatMap { fields[$0].bytes })
            // A second DBI with a late name shows that the search for names goes on where it was.
            let second = Message().field(2, Message.entry("c", "3")).field(1, "e")
            let contents = try Contents(
                Message.version3.field(3, database).field(3, Message.database("x")).field(3, second))
            #expect(contents.databases.map(\.name) == ["d", "x", "e"])
            #expect(contents.databases.first?.flags == 0x0c)
            #expect(contents.databases.first?.transform == "dupsort_hack_v1")
            let first = order.firstIndex(of: 3) ?? 0
            let second3 = order.firstIndex(of: 4) ?? 0
            let expected = [Entry("a", "1"), Entry("b", "2")]
            #expect(contents.databases.first?.entries == (first < second3 ? expected : expected.reversed()))
        }
    }

    @Test("takes the fields of the message in any order, and knows the version before the first entry")
    func messageFieldOrder() throws {
        let meta = SnapshotMeta(
            generationID: "GX", instanceID: "i", hostname: "h", transactionID: -5, timestamp: 1 << 60,
            databaseName: "main", fromTransactionID: 77, from: 1 << 59, positions: ["a": 3, "b": 5], readsDeltas: true)
        let metaMessage = Message().field(1, "GX").field(2, "i").field(3, "h").varint(4, UInt64(bitPattern: -5))
            .fixed64(5, 1 << 60).field(7, "main").varint(8, 77).fixed64(100, 1 << 59)
            .field(101, Message().field(1, "b").fixed64(2, 5)).field(101, Message().field(1, "a").fixed64(2, 3))
            .varint(102, 1)
        let fields: [Message] = [
            Message().varint(1, 1), Message().varint(4, 1), Message().field(2, metaMessage),
            Message().field(3, Message.database("d", [.entry("k", "")])), Message().field(9, "unknown"),
        ]
        for order in Self.permutations(fields) {
            let contents = try Contents(Message(bytes: order.flatMap(\.bytes)))
            #expect(contents.formatVersion == 1)
            #expect(contents.meta == meta)
            #expect(contents.databases == [Database(name: "d", entries: [Entry("k", "", 7, true)])])
        }
    }

    @Test("takes the fields of an entry in any order, and the last of repeated ones")
    func entryFieldOrder() throws {
        let fields: [Message] = [
            Message().field(1, "k"), Message().field(2, "v"), Message().fixed64(3, 9), Message().varint(4, 1),
            Message().varint(9, 1 << 40), Message().fixed32(10, 7),
        ]
        for order in Self.permutations(fields) {
            let entry = Message(bytes: order.flatMap(\.bytes))
            let contents = try Contents(Message.version3.field(3, Message.database("d", [entry])))
            #expect(contents.databases.first?.entries == [Entry("k", "v", 9, true)])
        }
        let repeated = Message().field(1, "x").field(1, "k").varint(4, 1).varint(4, 0).fixed64(3, 1).fixed64(3, 9)
            .field(2, "longer").field(2, "v")
        let contents = try Contents(Message.version3.field(3, Message.database("d", [repeated])))
        #expect(contents.databases.first?.entries == [Entry("k", "v", 9, false)])
    }

    @Test("passes over unknown fields of every kind, everywhere")
    func unknownFields() throws {
        let unknown = Message().varint(200, .max).fixed64(201, .max).field(202, "text").fixed32(203, .max)
            .field((1 << 29) - 1, "last")
        let entry = unknown.field(1, "k").raw(unknown.bytes).field(2, "v").fixed64(3, 7).raw(unknown.bytes)
        let database = unknown.field(1, "d").raw(unknown.bytes).field(2, entry).raw(unknown.bytes)
        let message = unknown.varint(1, 3).field(2, unknown.field(1, "GX")).field(3, database).raw(unknown.bytes)
        let contents = try Contents(message)
        #expect(contents.databases == [Database(name: "d", entries: [Entry("k", "v")])])
        #expect(contents.meta.generationID == "GX")
    }

    @Test("passes over unknown fields that are larger than the window")
    func largeUnknownField() throws {
        let large = [UInt8](repeating: 1, count: 3 * ByteWindow.size)
        let database = Message().field(1, "d").field(9, large).field(2, Message.entry("a", "1")).field(9, large)
            .field(2, Message.entry("b", "2"))
        let contents = try Contents(Message.version3.field(9, large).field(3, database).field(9, large))
        #expect(contents.databases.first?.entries == [Entry("a", "1"), Entry("b", "2")])
    }

    @Test("takes tags and lengths that are longer than they need be")
    func paddedNumbers() throws {
        let entry = Message().raw([0x8a, 0, 0x81, 0x80, 0]).raw(Array("k".utf8)).raw([0x92, 0x80, 0, 1])
            .raw(Array("v".utf8)).raw([0x99, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0, 0x81, 0])
        let unusual = try Contents(Message.version3.field(3, Message.database("d", [entry])))
        #expect(unusual.databases.first?.entries == [Entry("k", "v", 7, true)])
        let plain = Message.entry("k", "v").bytes
        let padded = Message().field(1, "d").raw([0x92, 0x80, 0, UInt8(plain.count) | 0x80, 0x80, 0] + plain)
        let contents = try Contents(
            Message.version3.raw([0x9a, 0, UInt8(padded.bytes.count) | 0x80, 0]).raw(padded.bytes))
        #expect(contents.databases == [Database(name: "d", entries: [Entry("k", "v")])])
    }

    @Test("takes the flags of a shadow DBI and an empty value as deleted from old versions")
    func oldVersions() throws {
        func contents(_ version: UInt64) throws -> Contents {
            let database = Message().field(1, "d").varint(3, 0x04).field(2, Message.entry("k", ""))
                .field(2, Message.entry("l", "x", deleted: true))
            return try Contents(Message().varint(1, version).field(3, database))
        }
        #expect(try contents(1).databases.first?.entries.map(\.isDeleted) == [true, false])
        #expect(try contents(2).databases.first?.entries.map(\.isDeleted) == [false, true])
        #expect(try contents(2).databases.first?.flags == 0x04)
        #expect(throws: SnapshotError.self) { try contents(3) }
    }

    @Test("takes newer format versions that say they are compatible", arguments: 0...3 as ClosedRange<UInt64>)
    func compatible(_ compatVersion: UInt64) throws {
        let message = Message().varint(1, 17).varint(4, compatVersion).field(3, Message.database("d"))
        #expect(try Contents(message).formatVersion == 17)
    }

    @Test("gives the value of a deleted entry, a private DBI and an empty one as they are")
    func passesOn() throws {
        let message = Message.version3.field(3, Message.database("_sync_x", [.entry("k", "v", deleted: true)]))
            .field(3, Message.database("empty")).field(3, Message.database("empty"))
        #expect(
            try Contents(message).databases == [
                Database(name: "_sync_x", entries: [Entry("k", "v", 7, true)]), Database(name: "empty"),
                Database(name: "empty"),
            ])
    }

    @Test("an entry of nothing is one")
    func emptyEntry() throws {
        let contents = try Contents(Message.version3.field(3, Message.database("d", [Message(), Message()])))
        #expect(contents.databases.first?.entries == [Entry("", "", 0), Entry("", "", 0)])
    }

    @Test("takes entries as large as allowed, and not a byte more")
    func maximumEntrySize() throws {
        let value = [UInt8](repeating: 7, count: 5 * ByteWindow.size)
        let entry = Message().field(1, "k").field(2, value)
        let message = Message.version3.field(
            3, Message.database("d", [entry, .entry("l", "m"), entry, .entry("m", "n")]))
        let contents = try Contents(message, maximumEntrySize: entry.bytes.count)
        #expect(contents.databases.first?.entries.map(\.value.count) == [value.count, 1, value.count, 1])
        let error = #expect(throws: SnapshotError.self) {
            try Contents(message, maximumEntrySize: entry.bytes.count - 1)
        }
        #expect(error?.kind == .tooLarge)
    }

    @Test("takes no memory for bytes that never come")
    func claimedLength() throws {
        let database = Message().field(1, "d").length(2, 1 << 46)
        let error = #expect(throws: SnapshotError.self) {
            try Contents(Message.version3.length(3, 1 << 47).raw(database.bytes), maximumEntrySize: .max)
        }
        #expect(error?.kind == .malformed)
    }

    @Test("says at once what is known")
    func events() throws {
        let database = Message().field(1, "d").varint(3, 8).field(2, Message.entry("k", "v"))
        var reader = SnapshotReader(try gzip(Message.version3.field(3, database).bytes), maximumEntrySize: 100)
        #expect(try reader.next() == .databaseBegin)
        #expect(reader.databaseName == "d")
        #expect(reader.databaseFlags == 8)
        #expect(reader.formatVersion == 3)
        #expect(try reader.next() == .entry)
        #expect(Array(reader.key) == Array("k".utf8))
        #expect(reader.timestamp == 7)
        #expect(try reader.next() == .databaseEnd)
        #expect(try reader.next() == .end)
        #expect(try reader.next() == .end)
    }
}
