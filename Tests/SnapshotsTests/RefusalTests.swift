import Support
import Testing

@testable import Snapshots

/// A snapshot that must be refused.
struct Refusal: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let message: Message
    let kind: SnapshotError.Kind
    /// A part of what the error must say.
    let text: String
    /// The DBI that the error must name.
    let database: String?

    init(
        _ name: String, _ message: Message, says text: String, _ kind: SnapshotError.Kind = .malformed,
        in database: String? = nil
    ) {
        testDescription = name
        self.message = message
        self.kind = kind
        self.text = text
        self.database = database
    }
}

private let good = Message.version3
private let entry = Message.entry("k", "v")
private let database = Message.database("d", [entry])

private func inDatabase(_ fields: Message) -> Message {
    good.field(3, Message().field(1, "d").raw(fields.bytes))
}

private func inPosition(_ fields: Message) -> Message { good.field(2, Message().field(101, fields)) }

private func inEntry(_ fields: Message) -> Message { inDatabase(Message().field(2, fields)) }

@Suite("What is refused")
struct RefusalTests {
    static let rules = [
        Refusal("nothing at all", Message(), says: "no formatVersion"),
        Refusal("no format version", Message().varint(4, 1), says: "no formatVersion"),
        Refusal("format version 0", Message().varint(1, 0).field(3, database), says: "no formatVersion", in: ""),
        Refusal("no format version before or behind", Message().field(3, database), says: "no formatVersion", in: ""),
        Refusal("format version back to 0", good.varint(1, 0), says: "no formatVersion"),
        Refusal("format version beyond 32 bits", Message().varint(1, 1 << 32 + 3), says: "formatVersion is 4294967299"),
        Refusal("format version changes", good.field(3, database).varint(1, 1), says: "changes from 3 to 1"),
        Refusal("format version is taken back", good.field(3, database).varint(1, 0), says: "changes from 3 to 0"),
        Refusal(
            "compatible version 4", Message().varint(1, 4).varint(4, 4), says: "format version 4 or later",
            .unsupported),
        Refusal(
            "compatible version 4 behind", Message().varint(1, 4).field(3, database).varint(4, 4),
            says: "format version 4 or later", .unsupported),
        Refusal(
            "unknown transform", inDatabase(Message().field(4, "rot13")), says: "transform \"rot13\" is unknown",
            .unsupported, in: "d"),
        Refusal(
            "unknown transform behind the entries", inDatabase(Message().field(2, entry).field(4, "rot13")),
            says: "transform \"rot13\" is unknown", .unsupported, in: "d"),
        Refusal(
            "MDB_DUPSORT without transform", inDatabase(Message().varint(3, 0x04).field(2, entry)),
            says: "flag MDB_DUPSORT, but not", .unsupported, in: "d"),
        Refusal(
            "transform without MDB_DUPSORT", inDatabase(Message().field(4, "dupsort_hack_v1").varint(3, 0x08)),
            says: "transform dupsort_hack_v1, but not", .unsupported, in: "d"),
        Refusal("DBI without a name", good.field(3, Message().field(2, entry)), says: "no name", in: ""),
        Refusal("empty DBI without a name", good.field(3, Message()), says: "no name", in: ""),
        Refusal("DBI with an empty name", good.field(3, Message().field(1, "")), says: "no name", in: ""),
        Refusal("zero byte in a name", good.field(3, Message().field(1, "a\0b")), says: "zero byte", in: ""),
        Refusal("name that is not UTF-8", good.field(3, Message().field(1, [0xff])), says: "not UTF-8", in: ""),
        Refusal(
            "name that LMDB could not hold", good.field(3, Message().field(1, String(repeating: "n", count: 512))),
            says: "512 bytes, more than 511", .unsupported, in: ""),
        Refusal("two names", inDatabase(Message().field(1, "e")), says: "it has a second name, \"e\"", in: "d"),
        Refusal(
            "two names, one behind", inDatabase(Message().field(2, entry).field(1, "e")),
            says: "it has a second name, \"e\"",
            in: "d"),
        Refusal(
            "two names behind", good.field(3, Message().field(2, entry).field(1, "d").field(1, "e")),
            says: "it has a second name, \"d\"", in: "e"),
        Refusal(
            "entry that could not fit", inEntry(Message().field(2, [UInt8](repeating: 1, count: 2000))),
            says: "2003 bytes, but only 1000 could fit", .tooLarge, in: "d"),
        Refusal(
            "second entry that could not fit",
            inDatabase(Message().field(2, entry).field(2, Message().field(2, [UInt8](repeating: 1, count: 998)))),
            says: "1001 bytes, but only 1000 could fit", .tooLarge, in: "d"),
        Refusal(
            "entry that could not fit and is not there",
            good.raw(Message.tag(3, 2) + Message.varint(1 << 40))
                .field(1, "d").length(2, 1 << 30), says: "1073741824 bytes, but only 1000 could fit", .tooLarge,
            in: "d"),
    ]

    static let lengths = [
        Refusal("meta past the end", good.length(2, 1), says: "truncated"),
        Refusal("DBI past the end", good.length(3, 1), says: "truncated", in: ""),
        Refusal("DBI of 3 GiB past the end", good.length(3, 3 << 30).field(1, "d"), says: "truncated", in: "d"),
        Refusal("DBI of 2^63 bytes", good.length(3, 1 << 63).field(1, "d"), says: "truncated", in: "d"),
        Refusal("DBI of 2^64-1 bytes", good.length(3, .max), says: "exceeds"),
        Refusal("unknown field past the end", good.length(9, 1), says: "truncated"),
        Refusal("unknown field of 2^63 bytes", good.length(9, 1 << 63), says: "truncated"),
        Refusal("unknown field of 2^64-1 bytes", good.length(9, .max), says: "exceeds"),
        Refusal("text of meta past meta", good.field(2, Message().length(1, 1)).raw([1]), says: "exceeds"),
        Refusal("name past its DBI", good.field(3, Message().length(1, 1)).raw([1]), says: "exceeds", in: ""),
        Refusal("transform past its DBI", inDatabase(Message().length(4, 1)).raw([1]), says: "exceeds", in: "d"),
        Refusal("entry past its DBI", inDatabase(Message().length(2, 1)).raw([1]), says: "exceeds", in: "d"),
        Refusal(
            "second entry past its DBI", inDatabase(Message().field(2, entry).length(2, 1)).raw([1]),
            says: "exceeds", in: "d"),
        Refusal("entry of 2^31 bytes", inDatabase(Message().length(2, 1 << 31)), says: "exceeds", in: "d"),
        Refusal("entry of 2^64-1 bytes", inDatabase(Message().length(2, .max)), says: "exceeds", in: "d"),
        Refusal("field of a DBI past it", inDatabase(Message().length(9, 1)).raw([1]), says: "exceeds", in: "d"),
        Refusal("key past its entry", inEntry(Message().length(1, 1)).raw([1]), says: "exceeds", in: "d"),
        Refusal("value past its entry", inEntry(Message().field(1, "k").length(2, 1)), says: "exceeds", in: "d"),
        Refusal("value of 2^31 bytes", inEntry(Message().length(2, 1 << 31)), says: "exceeds", in: "d"),
        Refusal("value of 2^63 bytes", inEntry(Message().length(2, 1 << 63)), says: "exceeds", in: "d"),
        Refusal("value of 2^64-1 bytes", inEntry(Message().length(2, .max)), says: "exceeds", in: "d"),
        Refusal("unknown field past its entry", inEntry(Message().length(9, 1)), says: "exceeds", in: "d"),
        Refusal(
            "unknown 8 bytes past their entry", inEntry(Message().raw(Message.tag(9, 1))), says: "truncated", in: "d"),
        Refusal(
            "unknown 4 bytes past their entry", inEntry(Message().raw(Message.tag(9, 5))), says: "truncated", in: "d"),
        Refusal(
            "unknown 8 bytes past their DBI", inDatabase(Message().raw(Message.tag(9, 1))), says: "exceeds", in: "d"),
        Refusal(
            "timestamp past its entry", inEntry(Message().raw([0x19, 1, 2, 3, 4, 5, 6, 7])), says: "truncated", in: "d"),
        Refusal("flags past their entry", inEntry(Message().raw([0x20])), says: "truncated", in: "d"),
        Refusal("flags past their DBI", inDatabase(Message().raw([0x18])), says: "exceeds", in: "d"),
        Refusal("number past its DBI", inDatabase(Message().raw([0x18, 0x80])).raw([1]), says: "exceeds", in: "d"),
        Refusal("timestamp past meta", good.field(2, Message().raw([0x29, 1, 2])), says: "exceeds"),
        Refusal("number at the end", good.raw([0x08]), says: "truncated"),
        Refusal("number truncated", good.raw([0x48, 0x80]), says: "truncated"),
        Refusal("tag truncated", good.raw([0x80]), says: "truncated"),
    ]

    static let encoding: [Refusal] = {
        // Eleven bytes, and ten bytes with more than 64 bits.
        let overlong = [UInt8](repeating: 0x80, count: 10) + [1]
        let tooBig = [UInt8](repeating: 0xff, count: 9) + [2]
        let places: [(String, (Message) -> Message, String?)] = [
            ("the message", { good.raw($0.bytes) }, nil), ("meta", { good.field(2, $0) }, nil),
            ("a position", inPosition, nil),
            ("a DBI", inDatabase, "d"), ("an entry", inEntry, "d"),
        ]
        var rows: [Refusal] = []
        for (place, put, database) in places {
            for type in [3, 4, 6, 7] as [UInt64] {
                rows.append(
                    Refusal(
                        "wire type \(type) in \(place)", put(Message().raw(Message.tag(9, type) + [0, 0])),
                        says: "unknown wire type \(type)", in: database))
            }
            for type in [0, 1, 2, 5] as [UInt64] {
                rows.append(
                    Refusal(
                        "field number 0 of wire type \(type) in \(place)",
                        put(Message().raw(Message.tag(0, type) + [UInt8](repeating: 0, count: 8))),
                        says: "invalid number 0", in: database))
            }
            rows.append(
                Refusal(
                    "field number 2^29 in \(place)", put(Message().varint(1 << 29, 1)),
                    says: "invalid number 536870912", in: database))
            for (name, number) in [("overlong", overlong), ("too big", tooBig)] {
                rows.append(
                    Refusal(
                        "\(name) number in \(place)", put(Message().raw([0x48] + number)),
                        says: "exceeds 10 bytes or 64 bits", in: database))
                rows.append(
                    Refusal(
                        "\(name) tag in \(place)", put(Message().raw(number)), says: "exceeds 10 bytes or 64 bits",
                        in: database))
                rows.append(
                    Refusal(
                        "\(name) length in \(place)", put(Message().raw([0x4a] + number)),
                        says: "exceeds 10 bytes or 64 bits", in: database))
            }
        }
        return rows
    }()

    static let wireTypes: [Refusal] = {
        let fields: [(String, (Message) -> Message, [UInt64: UInt64], String?)] = [
            ("the message", { good.raw($0.bytes) }, [1: 0, 2: 2, 3: 2, 4: 0], nil),
            ("meta", { good.field(2, $0) }, [1: 2, 2: 2, 3: 2, 4: 0, 5: 1, 7: 2, 8: 0, 100: 1, 101: 2, 102: 0], nil),
            ("a position", inPosition, [1: 2, 2: 1], nil),
            ("a DBI", inDatabase, [1: 2, 2: 2, 3: 0, 4: 2], "d"),
            ("an entry", inEntry, [1: 2, 2: 2, 3: 1, 4: 0], "d"),
        ]
        var rows: [Refusal] = []
        for (place, put, types, database) in fields {
            for (number, right) in types {
                for type in [0, 1, 2, 5] as [UInt64] where type != right {
                    rows.append(
                        Refusal(
                            "field \(number) of \(place) with wire type \(type)",
                            put(Message().raw(Message.tag(number, type) + [UInt8](repeating: 0, count: 8))),
                            says: "wire type \(type)", in: database))
                }
            }
        }
        return rows
    }()

    static let positions: [Refusal] = {
        let many = (0...10_000).reduce(into: Message()) {
            $0.bytes += Message().field(101, Message().field(1, "ns\($1)").fixed64(2, 1)).bytes
        }
        return [
            Refusal("position of nobody", inPosition(Message().fixed64(2, 1)), says: "the instance of a position"),
            Refusal("position with an empty instance", inPosition(position("", 1)), says: "the instance of a position"),
            Refusal("instance with a dot", inPosition(position("n.s", 1)), says: "the instance of a position"),
            Refusal("instance with an underscore", inPosition(position("a_b", 1)), says: "the instance of a position"),
            Refusal("instance in Unicode", inPosition(position("é", 1)), says: "the instance of a position"),
            Refusal("instance that is not UTF-8", inPosition(Message().field(1, [0xff])), says: "not UTF-8"),
            Refusal(
                "instance of 1025 bytes", inPosition(position(String(repeating: "n", count: 1025), 1)),
                says: "1025 bytes, more than 1024", .unsupported),
            Refusal("position without time", inPosition(Message().field(1, "ns1")), says: "no time"),
            Refusal("position at 0", inPosition(position("ns1", 0)), says: "no time"),
            Refusal("empty position", inPosition(Message()), says: "the instance of a position"),
            Refusal(
                "invalid position before a valid one",
                good.field(2, Message().field(101, position("ns1", 0)).field(101, position("ns1", 1))), says: "no time"),
            Refusal("position past meta", good.field(2, Message().length(101, 1)).raw([1]), says: "exceeds"),
            Refusal("instance past its position", inPosition(Message().length(1, 9)), says: "exceeds"),
            Refusal("time past its position", inPosition(Message().raw([0x11, 1, 2])), says: "exceeds"),
            Refusal("beginning past meta", good.field(2, Message().raw(Message.tag(100, 1) + [1])), says: "exceeds"),
            Refusal("more than 10000 positions", good.field(2, many), says: "more than 10000 positions", .unsupported),
        ]
    }()

    private static func position(_ instance: String, _ time: UInt64) -> Message {
        Message().field(1, instance).fixed64(2, time)
    }

    @Test("in messages", arguments: rules + lengths + encoding + wireTypes + positions)
    func refuse(_ row: Refusal) throws {
        let spool = try gzip(row.message.bytes)
        let error = try #require(throws: SnapshotError.self) { try Contents(spool, maximumEntrySize: 1000) }
        #expect(error.kind == row.kind)
        #expect(error.description.contains(row.text), "\(error)")
        #expect(error.database == row.database)
        #expect(error.offset <= UInt64(row.message.bytes.count))
        #expect(!error.description.contains("\n"))
    }

    @Test("stays refused")
    func sameErrorAgain() throws {
        var reader = SnapshotReader(try gzip(inEntry(Message().length(1, 9)).bytes), maximumEntrySize: 1000)
        #expect(try reader.next() == .databaseBegin)
        var errors: [SnapshotError] = []
        for _ in 0..<3 {
            do throws(SnapshotError) { _ = try reader.next() } catch { errors.append(error) }
        }
        #expect(errors.count == 3)
        #expect(Set(errors.map(\.description)).count == 1)
    }

    @Test("says what, where and in which DBI")
    func description() throws {
        let error = try #require(throws: SnapshotError.self) {
            try Contents(inDatabase(Message().field(2, entry).length(2, 99)))
        }
        #expect(
            error.description
                == "rejected the snapshot at byte 28, DBI \"d\": "
                + "the length 99 of an entry exceeds its container")
    }

    @Test("no matter where the message ends")
    func truncatedMessage() throws {
        let whole = good.field(2, Message().field(1, "GX").fixed64(5, 9)).field(3, database).field(9, "new")
            .field(3, Message.database("e", [entry, entry])).fixed64(10, 1).fixed32(11, 1).varint(12, 300)
        var fieldEnds: Set<Int> = [2, 4]
        var end = 4
        for length in [
            2 + 4 + 9, 2 + database.bytes.count, 5, 2 + Message.database("e", [entry, entry]).bytes.count, 9, 5, 3,
        ] {
            end += length
            fieldEnds.insert(end)
        }
        #expect(end == whole.bytes.count)
        for count in 0...whole.bytes.count {
            let spool = try gzip(Array(whole.bytes[..<count]))
            if fieldEnds.contains(count) {
                #expect(throws: Never.self, "\(count) bytes") { try Contents(spool) }
            } else {
                #expect(throws: SnapshotError.self, "\(count) bytes") { try Contents(spool) }
            }
        }
    }

    @Test("when the local file can't be read, which says nothing about the snapshot")
    func unreadable() throws {
        let error = try #require(throws: SnapshotError.self) {
            // A descriptor that is not open.
            try Contents(Spool(owning: 1 << 20, count: 100))
        }
        #expect(error.kind == .unreadable)
        #expect(error.description.contains("cannot read"))
    }
}
