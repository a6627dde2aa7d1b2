import Support
import TestSupport
import Testing

@testable import Snapshots

@Suite("gzip")
struct GzipTests {
    private static let message = Message.version3.field(3, Message.database("d", [.entry("k", "v")]))

    // CRC-32 as RFC 1952 has it, bit by bit.
    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xedb8_8320 : crc >> 1 }
        }
        return ~crc
    }

    private static func little(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    // A member with one stored block.
    private static func stored(_ bytes: [UInt8], flags: UInt8 = 0, optional: [UInt8] = []) -> [UInt8] {
        let size = UInt16(bytes.count)
        let block = [1, UInt8(size & 0xff), UInt8(size >> 8), UInt8(~size & 0xff), UInt8(~size >> 8)] + bytes
        return [0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3] + optional + block + little(crc(bytes))
            + little(UInt32(bytes.count))
    }

    @Test("of several members is one stream, however it is cut, and however it is read")
    func members() throws {
        var random = SeededGenerator(seed: 1)
        let fixture = try gunzip(Spool(Fixture.all[1].compressed()))
        for round in 0..<60 {
            var stream: [UInt8] = []
            var start = 0
            while start < fixture.count {
                let end = min(fixture.count, start + Int.random(in: 0...2000, using: &random))
                let part = Array(fixture[start..<end])
                stream += Bool.random(using: &random) ? Self.stored(part) : try bytes(gzip(part))
                start = end
            }
            if round == 0 { stream += Self.stored([]) }
            let inputSize = round < 20 ? round + 1 : Int.random(in: 1...5000, using: &random)
            let blockSize = Int.random(in: 1...5000, using: &random)
            #expect(try gunzip(Spool(stream), inputSize: inputSize, blockSize: blockSize) == fixture)
        }
        let whole = Self.message.bytes
        for cut in 0...whole.count {
            let stream = Self.stored(Array(whole[..<cut])) + Self.stored(Array(whole[cut...]))
            #expect(try Contents(Spool(stream)).databases.first?.entries == [Entry("k", "v")])
        }
    }

    @Test("headers may have every optional part", arguments: 0..<32 as Range<UInt8>, [1, 3, 7, 1000])
    func header(_ flags: UInt8, _ inputSize: Int) throws {
        var optional: [UInt8] = []
        if flags & 4 != 0 { optional += [5, 0, 1, 2, 3, 4, 5] }
        if flags & 8 != 0 { optional += Array("name".utf8) + [0] }
        if flags & 16 != 0 { optional += Array("a comment".utf8) + [0] }
        if flags & 2 != 0 {
            let sum = Self.crc([0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3] + optional)
            optional += [UInt8(sum & 0xff), UInt8(sum >> 8 & 0xff)]
        }
        let stream = Self.stored([1, 2, 3], flags: flags, optional: optional)
        #expect(try gunzip(Spool(stream + stream), inputSize: inputSize) == [1, 2, 3, 1, 2, 3])
    }

    static let damages: [(String, @Sendable ([UInt8]) -> [UInt8], String)] = [
        ("nothing", { _ in [] }, "empty"),
        ("not gzip", { _ in Array("<Error>NoSuchKey</Error>".utf8) }, "not gzip"),
        ("wrong checksum", { damaged($0, at: -8) }, "checksum"),
        ("wrong checksum, last byte", { damaged($0, at: -5) }, "checksum"),
        ("wrong length", { damaged($0, at: -4) }, "checksum or the length"),
        ("wrong length, last byte", { damaged($0, at: -1) }, "checksum or the length"),
        ("a zero behind", { $0 + [0] }, "garbage after the end"),
        ("the first byte of a member behind", { $0 + [0x1f] }, "truncated"),
        ("zeroes behind", { $0 + [UInt8](repeating: 0, count: 512) }, "garbage after the end"),
        ("text behind", { $0 + Array("garbage garbage".utf8) }, "garbage after the end"),
        ("half a member behind", { $0 + $0.dropLast(3) }, "truncated"),
        ("damaged member behind", { $0 + damaged($0, at: -8) }, "checksum"),
        ("damaged member in front", { damaged($0, at: -8) + $0 }, "checksum"),
        ("unknown method", { damaged($0, at: 2) }, "not gzip"),
        ("unknown method behind", { $0 + damaged($0, at: 2) }, "garbage after the end"),
        ("reserved flag", { Array($0[..<3]) + [0x20] + $0[4...] }, "not gzip"),
        ("wrong checksum of the header", { Array($0[..<3]) + [2] + $0[4..<10] + [0, 0] + $0[10...] }, "not gzip"),
    ]

    private static func damaged(_ bytes: [UInt8], at place: Int) -> [UInt8] {
        var bytes = bytes
        bytes[place < 0 ? bytes.count + place : place] ^= 0x10
        return bytes
    }

    @Test("is refused when it is damaged", arguments: damages.indices)
    func refuse(_ index: Int) throws {
        let (name, damage, text) = Self.damages[index]
        for good in [try bytes(gzip(Self.message.bytes)), Self.stored(Self.message.bytes)] {
            let error = try #require(throws: SnapshotError.self, "\(name)") { try Contents(Spool(damage(good))) }
            #expect(error.kind == .malformed)
            #expect(error.description.contains(text), "\(name): \(error)")
        }
    }

    @Test("is refused when it is cut off anywhere", arguments: Fixture.all)
    func truncated(_ fixture: Fixture) throws {
        let whole = try fixture.compressed()
        for count in 0..<whole.count {
            let error = #expect(throws: SnapshotError.self, "\(count) bytes") {
                try Contents(Spool(Array(whole[..<count])))
            }
            #expect(error?.kind == .malformed)
        }
    }

    @Test("with one wrong bit is refused or means the same")
    func flippedBits() throws {
        let whole = try Fixture.all[1].compressed()
        let contents = try Contents(Spool(whole))
        for bit in 0..<whole.count * 8 {
            var flipped = whole
            flipped[bit / 8] ^= 1 << (bit % 8)
            let read = try? Contents(Spool(flipped))
            if bit >= (whole.count - 8) * 8 {
                #expect(read == nil, "bit \(bit) of the checksum or the length")
            } else if let read {
                // In the data, a bit can choose another copy of the same bytes.
                #expect(read == contents, "bit \(bit)")
            }
        }
    }

    @Test("may be one member of more than the window and all of the buffers")
    func large() throws {
        var random = SeededGenerator(seed: 2)
        let noise = random.bytes(100_000)
        let large = (0..<30).flatMap { round in noise.map { $0 &+ UInt8(round % 3) } }
        let compressed = try gzip(large)
        #expect(compressed.count > 100_000)
        #expect(try gunzip(compressed) == large)
    }
}
