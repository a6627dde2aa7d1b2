import Support
import Testing

@testable import Snapshots

/// Every possible small damage of a small snapshot: it is refused whole, or read exactly as an independent decoder reads it.
@Suite("Every damage")
struct ExhaustiveDamageTests {
    private static let maximumEntrySize = 1 << 20

    private static let meta = Message().field(1, "GX").field(2, "ns1").field(3, "host").varint(4, 300).fixed64(
        5, 1 << 60
    )
    .field(7, "main").varint(8, 0).fixed64(100, 9).field(101, Message().field(1, "ns2").fixed64(2, 8).field(3, "x"))
    .field(101, Message().field(1, "n-3").fixed64(2, 7)).varint(102, 1)
    private static let message = Message.version3.field(2, meta).field(
        3,
        Message().field(1, "records").varint(3, 0).field(2, Message.entry("key", "value")).field(
            2, Message.entry("key 2", String(repeating: "value ", count: 12), at: .max, deleted: true)
        ).field(2, Message.entry("key 3", "")).fixed32(90, 7).field(91, "later")
    ).field(
        3,
        Message().field(1, "dup").varint(3, 4).field(4, "dupsort_hack_v1").field(
            2, Message.entry("k", "v")))

    private static func expected(_ object: [UInt8]) -> Contents? {
        ReferenceGzip.decode(object).flatMap {
            ReferenceDecoder.decode($0, maximumEntrySize: maximumEntrySize)
        }
    }

    private static func read(_ object: [UInt8]) -> Contents? {
        try? Contents(Spool(object), maximumEntrySize: maximumEntrySize)
    }

    // Several ways to compress the same: ours, stored with every optional part of a header, and two members.
    private static func objects() throws -> [[UInt8]] {
        let bytes = message.bytes
        let half = bytes.count / 2
        return [
            try Self.bytes(of: gzip(bytes)), stored(bytes, isAdorned: true),
            stored(Array(bytes[..<half])) + (try Self.bytes(of: gzip(Array(bytes[half...])))),
        ]
    }

    private static func bytes(of spool: Spool) throws -> [UInt8] { try SnapshotsTests.bytes(spool) }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xedb8_8320 : crc >> 1 }
        }
        return ~crc
    }

    private static func stored(_ bytes: [UInt8], isAdorned: Bool = false) -> [UInt8] {
        func little(_ value: UInt32, _ count: Int = 4) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
        }
        var header: [UInt8] = [0x1f, 0x8b, 8, isAdorned ? 0x1f : 0, 1, 2, 3, 4, 2, 3]
        if isAdorned {
            header += [3, 0, 1, 2, 3] + Array("name\0a comment\0".utf8)
            header += little(crc(header), 2)
        }
        let size = UInt32(bytes.count)
        return header + [1] + little(size, 2) + little(~size, 2) + bytes + little(crc(bytes)) + little(size)
    }

    @Test("The independent decoder reads what is whole")
    func whole() throws {
        let contents = try #require(
            ReferenceDecoder.decode(Self.message.bytes, maximumEntrySize: Self.maximumEntrySize))
        #expect(contents.databases.map(\.entries.count) == [3, 1])
        for object in try Self.objects() {
            #expect(Self.expected(object) == contents)
            #expect(Self.read(object) == contents)
        }
        for fixture in Fixture.all {
            let compressed = try fixture.compressed()
            #expect(try ReferenceGzip.decode(compressed) == gunzip(Spool(compressed)))
        }
    }

    @Test("Every bit of the object")
    func bits() async throws {
        for (number, object) in try Self.objects().enumerated() {
            var accepted = 0
            for bit in 0..<object.count * 8 {
                var damaged = object
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                if let read = Self.read(damaged) {
                    #expect(read == Self.expected(damaged), "object \(number), bit \(bit)")
                    accepted += 1
                }
                // Others must not have to wait for all of this.
                await Task.yield()
            }
            // Time, compression and system of the header, and whether it is text: no sum of the contents covers them; and the
            // bits that fill up the byte in front of a stored block.
            #expect(number == 1 ? accepted == 5 : accepted >= 49, "object \(number): \(accepted)")
        }
    }

    @Test("Every cut of the object, and every byte behind it")
    func cuts() async throws {
        for object in try Self.objects() {
            for count in 0..<object.count {
                let damaged = Array(object[..<count])
                #expect(Self.read(damaged) == Self.expected(damaged), "cut to \(count)")
                await Task.yield()
            }
            for byte in UInt8.min...(.max) { #expect(Self.read(object + [byte]) == nil) }
        }
    }

    /// Where in a message fields begin and where their lengths are, also those of the messages within.
    private static func places(_ bytes: [UInt8], at start: Int = 0, depth: Int = 0) -> (tags: [Int], lengths: [Int]) {
        var (tags, lengths): ([Int], [Int]) = ([], [])
        var next = 0
        func varint() -> Int {
            var (value, shift) = (0, 0)
            while bytes[next] >= 0x80 {
                value |= Int(bytes[next] & 0x7f) << shift
                (next, shift) = (next + 1, shift + 7)
            }
            value |= Int(bytes[next]) << shift
            next += 1
            return value
        }
        while next < bytes.count {
            tags.append(start + next)
            let tag = varint()
            switch tag & 7 {
            case 0: _ = varint()
            case 1: next += 8
            case 5: next += 4
            default:
                lengths.append(start + next)
                let count = varint()
                let isMessage = depth == 0 || (depth == 1 && (tag >> 3 == 101 || (tag >> 3 == 2 && count > 8)))
                if isMessage {
                    let inner = places(Array(bytes[next..<next + count]), at: start + next, depth: depth + 1)
                    tags += inner.tags
                    lengths += inner.lengths
                }
                next += count
            }
        }
        return (tags, lengths)
    }

    @Test("Every field number, wire type and length within, correctly compressed")
    func fields() async throws {
        let bytes = Self.message.bytes
        let (tags, lengths) = Self.places(bytes)
        #expect(tags.count > 30 && lengths.count > 15)
        for place in tags + lengths {
            for byte in UInt8.min...(.max) {
                await Task.yield()
                var damaged = bytes
                damaged[place] = byte
                try Self.compare(damaged, "byte \(place) is \(byte)")
            }
        }
        let numbers: [[UInt8]] = [
            [0x80, 0], [0x81, 0x80, 0], [0xff, 0x7f], [0xff, 0xff, 0xff, 0xff, 0x0f],
            [UInt8](repeating: 0xff, count: 9) + [1], [UInt8](repeating: 0xff, count: 9) + [2],
            [UInt8](repeating: 0xff, count: 10) + [1], [UInt8](repeating: 0x80, count: 9) + [0],
        ]
        for place in tags + lengths {
            for number in numbers {
                try Self.compare(bytes[..<place] + number + bytes[(place + 1)...], "at \(place): \(number)")
            }
            try Self.compare(Array(bytes[..<place]), "cut to \(place)")
        }
    }

    private static func compare(_ damaged: some Collection<UInt8>, _ what: String) throws {
        let damaged = Array(damaged)
        let read = try? Contents(gzip(damaged), maximumEntrySize: maximumEntrySize)
        #expect(read == ReferenceDecoder.decode(damaged, maximumEntrySize: maximumEntrySize), "\(what)")
    }
}
