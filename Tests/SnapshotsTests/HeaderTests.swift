import TestSupport
import Testing

@testable import Snapshots

@Suite("Headers of entries in an LMDB")
struct HeaderTests {
    private static let fixed: [UInt8] =
        [0x18, 0xe9, 0xe6, 0xfd, 0x50, 0x98, 0x21, 0x3e] + [0, 0, 0, 0, 0, 0, 1, 0x1f] + [0, 1] + [0, 0, 0, 0]

    private static func parse(_ bytes: [UInt8]) throws -> (EntryHeader, [UInt8]) {
        try bytes.withUnsafeBytes { bytes in
            let parsed = try EntryHeader.parse(bytes)
            return (parsed.header, Array(parsed.payload))
        }
    }

    @Test("are 24 bytes, big-endian")
    func layout() throws {
        let (header, payload) = try Self.parse(Self.fixed + [0, 0] + [1, 2, 3])
        #expect(header.timestamp == 0x18e9_e6fd_5098_213e)
        #expect(header.transactionID == 0x11f)
        #expect(header.flags == 1)
        #expect(header.isDeleted)
        #expect(payload == [1, 2, 3])
        #expect(try Self.parse(Self.fixed + [0, 0]).1 == [])
    }

    @Test("have extensions that are passed over", arguments: [0, 1, 2, 255, 256, 65_535])
    func extensions(_ count: Int) throws {
        let header = Self.fixed + [UInt8(count >> 8), UInt8(count & 255)]
        let extensions = [UInt8](repeating: 0xee, count: count * 8)
        #expect(try Self.parse(header + extensions + [5]).1 == [5])
        #expect(try Self.parse(header + extensions).1 == [])
        if count > 0 {
            #expect(throws: EntryHeaderError.extensionsCutOff(extensions: count, size: 24 + count * 8 - 1)) {
                try Self.parse(header + extensions.dropLast())
            }
        }
    }

    @Test("that are too short, or of another version, are none")
    func refuse() {
        for size in 0..<24 {
            #expect(throws: EntryHeaderError.tooShort(size)) { try Self.parse([UInt8](repeating: 0, count: size)) }
        }
        for version in 1...255 as ClosedRange<UInt8> {
            var bytes = Self.fixed + [0, 0]
            bytes[16] = version
            #expect(throws: EntryHeaderError.unsupportedVersion(version)) { try Self.parse(bytes) }
        }
        #expect(EntryHeaderError.tooShort(3).description.contains("3 bytes"))
    }

    @Test("may have flags and reserved bytes of unknown meaning")
    func unknown() throws {
        var bytes = Self.fixed + [0, 0]
        bytes[17] = 0xfe
        bytes[18...21] = [1, 2, 3, 4]
        #expect(try !Self.parse(bytes).0.isDeleted)
        bytes[17] = 0xff
        let (header, _) = try Self.parse(bytes)
        #expect(header.isDeleted)
        // They do not get any further.
        #expect(Self.written(header) == Self.fixed + [0, 0])
    }

    private static func written(_ header: EntryHeader, paddingBlock: Bool = false) -> [UInt8] {
        // Whatever was there must not shine through.
        var bytes = [UInt8](repeating: 0xaa, count: EntryHeader.size(paddingBlock: paddingBlock))
        bytes.withUnsafeMutableBytes { header.write(to: $0, paddingBlock: paddingBlock) }
        return bytes
    }

    @Test("are written as they are read")
    func write() throws {
        var random = SeededGenerator(seed: 5)
        for flags in [0, 1] as [UInt8] {
            for padding in [false, true] {
                let header = EntryHeader(timestamp: random.next(), transactionID: random.next(), flags: flags)
                let bytes = Self.written(header, paddingBlock: padding)
                #expect(bytes.count == (padding ? 32 : 24))
                #expect(bytes[22...] == (padding ? [0, 1, 0, 0, 0, 0, 0, 0, 0, 0] : [0, 0]))
                let (read, payload) = try Self.parse(bytes + [7])
                #expect(read == header)
                #expect(payload == [7])
            }
        }
    }
}
