import Foundation
import Support
import TestSupport
import Testing

@testable import Snapshots

/// Random input, good and bad. Tests/Fuzz/run does the same with a fuzzer that looks at what the code does.
///
/// LIGHTNINGSTREAM_FUZZ_SEED chooses other input than the last time, LIGHTNINGSTREAM_FUZZ_SECONDS goes on for so long.
@Suite("Random input")
struct FuzzTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seed = environment["LIGHTNINGSTREAM_FUZZ_SEED"].flatMap { UInt64($0) } ?? 20_261_121
    private static let seconds = environment["LIGHTNINGSTREAM_FUZZ_SECONDS"].flatMap { Double($0) } ?? 0

    // Runs `body` with one seed after another.
    private static func run(_ count: Int, _ body: (UInt64, inout SeededGenerator) throws -> Void) rethrows {
        let start = ContinuousClock.now
        var seed = seed
        var rounds = 0
        print("random input from seed \(seed) on")
        while rounds < count || ContinuousClock.now - start < .seconds(seconds) {
            var random = SeededGenerator(seed: seed)
            try body(seed, &random)
            seed &+= 1
            rounds += 1
        }
    }

    @Test("messages are read as a simpler decoder reads them")
    func messages() throws {
        let fixtures = try Fixture.all.map { try gunzip(Spool($0.compressed())) }
        var accepted = 0
        var refused = 0
        Self.run(6000) { seed, random in
            var generator = MessageGenerator(random: random)
            var bytes = generator.next(isGood: true, fixtures)
            for _ in 0..<Int.random(in: 0...3, using: &random) { Self.mutate(&bytes, &random) }
            let maximum = Int.random(in: 0...5, using: &random) == 0 ? 40 : 1 << 20
            let expected = ReferenceDecoder.decode(bytes, maximumEntrySize: maximum)
            let read = try? Contents(gzip(bytes), maximumEntrySize: maximum)
            #expect(read == expected, "seed \(seed), \(bytes.count) bytes, at most \(maximum)")
            if read == nil { refused += 1 } else { accepted += 1 }
        }
        #expect(accepted > 500 && refused > 500, "\(accepted) accepted, \(refused) refused")
    }

    @Test("damaged gzip streams are refused or mean the same")
    func compressed() throws {
        let fixture = try Fixture.all[3].compressed()
        let contents = try Contents(Spool(fixture))
        Self.run(3000) { seed, random in
            var bytes = fixture
            for _ in 0..<Int.random(in: 1...3, using: &random) { Self.mutate(&bytes, &random) }
            let read = try? Contents(Spool(bytes))
            #expect(read == nil || read == contents, "seed \(seed)")
        }
    }

    @Test("names are what they were parsed from")
    func names() {
        let pieces = [
            "main", "__", "_", "ns1", "20261120-173955-012345678", "GX", ".", "pb.gz", "A1", "-", "G", "é", "\0", "0",
            "  ",
        ]
        var parsed = 0
        Self.run(20_000) { seed, random in
            var text = "main__ns1__20261120-173955-012345678__GX__A1.pb.gz"
            if Bool.random(using: &random) {
                text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                    pieces.randomElement(using: &random) ?? ""
                }
                .joined()
            } else {
                var bytes = Array(text.utf8)
                Self.mutate(&bytes, &random)
                text = String(decoding: bytes, as: UTF8.self)
            }
            guard let name = SnapshotName(text) else { return }
            parsed += 1
            #expect(name.description == text, "seed \(seed)")
            let again = SnapshotName(
                database: name.database, instance: name.instance, timestamp: name.timestamp,
                generation: name.generation, extras: name.extras, fileExtension: name.fileExtension)
            #expect(again.description == text || name.extras != again.extras, "seed \(seed)")
        }
        #expect(parsed > 100)
    }

    @Test("headers of anything are refused or within it")
    func headers() {
        Self.run(20_000) { seed, random in
            var bytes = random.bytes(Int.random(in: 0...60, using: &random))
            if bytes.count >= 24, Bool.random(using: &random) { bytes[16] = 0 }
            if bytes.count >= 24, Bool.random(using: &random) { bytes[22] = 0 }
            if bytes.count >= 24, Bool.random(using: &random) { bytes[23] &= 7 }
            bytes.withUnsafeBytes { buffer in
                guard let parsed = try? EntryHeader.parse(buffer) else { return }
                let extensions = Int(bytes[22]) << 8 | Int(bytes[23])
                #expect(parsed.payload.count == bytes.count - 24 - 8 * extensions, "seed \(seed)")
                #expect(Array(parsed.payload) == Array(bytes[(24 + 8 * extensions)...]), "seed \(seed)")
            }
        }
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        guard !bytes.isEmpty else { return }
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let other = Int.random(in: place...min(bytes.count, place + 20), using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes[place] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
        case 3: bytes.removeSubrange(place..<other)
        case 4: bytes.insert(contentsOf: bytes[place..<other], at: place)
        case 5:
            bytes.insert(
                contentsOf: Message.varint(random.next() >> UInt64.random(in: 0...63, using: &random)), at: place)
        case 6: bytes.removeSubrange(place...)
        default: bytes.insert(contentsOf: random.bytes(3), at: place)
        }
    }
}

/// Makes messages of which most are good, with fields in odd orders.
private struct MessageGenerator {
    var random: SeededGenerator

    private mutating func chance(_ of: Int) -> Bool { Int.random(in: 0..<of, using: &random) == 0 }

    mutating func next(isGood: Bool, _ fixtures: [[UInt8]]) -> [UInt8] {
        if chance(20) { return fixtures.randomElement(using: &random) ?? [] }
        let version = UInt64.random(in: chance(20) ? 0...5 : 1...3, using: &random)
        var fields = [Message().varint(1, version)]
        if chance(2) { fields.append(Message().varint(4, .random(in: 0...(chance(20) ? 5 : 3), using: &random))) }
        if chance(2) { fields.append(Message().field(2, meta())) }
        if chance(20) { fields.append(Message().varint(1, version)) }
        for _ in 0..<Int.random(in: 0...3, using: &random) { fields.append(Message().field(3, database())) }
        if chance(3) { fields.append(unknown()) }
        return joined(fields, shuffleOneIn: 3)
    }

    private mutating func joined(_ fields: [Message], shuffleOneIn chances: Int) -> [UInt8] {
        (chance(chances) ? fields.shuffled(using: &random) : fields).flatMap(\.bytes)
    }

    private mutating func unknown() -> Message {
        let number = UInt64.random(in: 9...(chance(4) ? 1 << 29 - 1 : 30), using: &random)
        return switch Int.random(in: 0..<4, using: &random) {
        case 0: Message().varint(number, random.next())
        case 1: Message().fixed64(number, random.next())
        case 2: Message().fixed32(number, 7)
        default: Message().field(number, random.bytes(Int.random(in: 0...300, using: &random)))
        }
    }

    private mutating func meta() -> Message {
        var fields = [Message().field(1, "GX"), Message().field(2, "é"), Message().varint(4, random.next())]
        fields += [Message().fixed64(5, random.next()), Message().field(7, "main"), Message().varint(8, 1)]
        if chance(2) { fields += [Message().fixed64(100, random.next()), Message().varint(102, 1)] }
        for _ in 0..<Int.random(in: 0...3, using: &random) { fields.append(Message().field(101, position())) }
        if chance(3) { fields.append(unknown()) }
        return Message(bytes: joined(fields, shuffleOneIn: 2))
    }

    private mutating func position() -> Message {
        var fields = [Message().field(1, "ns\(Int.random(in: 1...3, using: &random))")]
        if !chance(30) { fields.append(Message().fixed64(2, random.next())) }
        if chance(10) { fields.append(unknown()) }
        return Message(bytes: joined(fields, shuffleOneIn: 2))
    }

    private mutating func database() -> Message {
        var fields: [Message] = []
        if !chance(30) { fields.append(Message().field(1, chance(30) ? "" : "d")) }
        if chance(3) { fields += [Message().varint(3, 4), Message().field(4, "dupsort_hack_v1")] }
        if chance(30) { fields.append(Message().varint(3, .random(in: 0...8, using: &random))) }
        if chance(30) { fields.append(Message().field(1, chance(2) ? "d" : "e")) }
        for _ in 0..<Int.random(in: 0...5, using: &random) { fields.append(Message().field(2, entry())) }
        if chance(3) { fields.append(unknown()) }
        return Message(bytes: joined(fields, shuffleOneIn: 3))
    }

    private mutating func entry() -> Message {
        var fields: [Message] = []
        if !chance(10) { fields.append(Message().field(1, random.bytes(Int.random(in: 0...150, using: &random)))) }
        if !chance(5) { fields.append(Message().field(2, random.bytes(Int.random(in: 0...300, using: &random)))) }
        if !chance(5) { fields.append(Message().fixed64(3, random.next())) }
        if chance(3) { fields.append(Message().varint(4, .random(in: 0...3, using: &random))) }
        if chance(5) { fields.append(unknown()) }
        return Message(bytes: joined(fields, shuffleOneIn: 3))
    }
}
