/// Uncompresses a whole gzip stream in memory, as simply as can be (RFC 1951 and 1952): what the reader is compared with.
///
/// It shares no code with the reader, nor with the library that does the work there.
struct ReferenceGzip {
    private struct Refused: Error {}

    private static func check(_ condition: Bool) throws { if !condition { throw Refused() } }

    private let bytes: [UInt8]
    // The next bit, counted from the start.
    private var bit = 0
    private var output: [UInt8] = []

    /// What the stream holds; nil when it must be refused.
    static func decode(_ bytes: [UInt8]) -> [UInt8]? {
        var decoder = ReferenceGzip(bytes: bytes)
        var whole: [UInt8] = []
        do {
            repeat {
                decoder.output = []
                try decoder.member()
                whole += decoder.output
            } while decoder.bit < bytes.count * 8
        } catch {
            return nil
        }
        return whole
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func bits(_ count: Int) throws -> Int {
        var value = 0
        for place in 0..<count {
            try Self.check(bit < bytes.count * 8)
            value |= Int(bytes[bit / 8] >> UInt8(bit % 8) & 1) << place
            bit += 1
        }
        return value
    }

    private mutating func byte() throws -> UInt8 { UInt8(try bits(8)) }

    private static func crc(_ bytes: some Sequence<UInt8>) -> Int {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xedb8_8320 : crc >> 1 }
        }
        return Int(~crc)
    }

    private mutating func member() throws {
        let start = bit / 8
        for expected: UInt8 in [0x1f, 0x8b, 8] { try Self.check(try byte() == expected) }
        let flags = try byte()
        try Self.check(flags < 0x20)
        // The time, hints about the compression, and the system tell nothing about the contents.
        _ = try bits(48)
        if flags & 4 != 0 { for _ in 0..<(try bits(16)) { _ = try byte() } }
        if flags & 8 != 0 { while try byte() != 0 {} }
        if flags & 16 != 0 { while try byte() != 0 {} }
        if flags & 2 != 0 {
            let crc = Self.crc(bytes[start..<bit / 8]) & 0xffff
            try Self.check(try bits(16) == crc)
        }
        var isLast = false
        while !isLast {
            isLast = try bits(1) == 1
            switch try bits(2) {
            case 0: try stored()
            case 1: try codes(Self.fixedLiterals, Self.fixedDistances)
            case 2: try dynamic()
            default: throw Refused()
            }
        }
        bit = (bit + 7) / 8 * 8
        try Self.check(try bits(32) == Self.crc(output))
        try Self.check(try bits(32) == output.count & 0xffff_ffff)
    }

    private mutating func stored() throws {
        bit = (bit + 7) / 8 * 8
        let (count, complement) = (try bits(16), try bits(16))
        try Self.check(count ^ complement == 0xffff)
        for _ in 0..<count { output.append(try byte()) }
    }

    /// A canonical Huffman code: how many codes of each length there are, and the symbols in their order.
    private struct Code {
        var counts = [Int](repeating: 0, count: 16)
        var symbols: [Int] = []

        init(_ lengths: [Int]) throws {
            for length in lengths { counts[length] += 1 }
            counts[0] = 0
            for length in 1...15 {
                symbols += lengths.indices.filter { lengths[$0] == length }
            }
            var left = 1
            for length in 1...15 {
                left = left * 2 - counts[length]
                try ReferenceGzip.check(left >= 0)
            }
        }
    }

    private static let fixedLiterals = try? Code(
        (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 })
    private static let fixedDistances = try? Code([Int](repeating: 5, count: 30))

    private mutating func symbol(_ code: Code) throws -> Int {
        var (value, first, index) = (0, 0, 0)
        for length in 1...15 {
            value |= try bits(1)
            let count = code.counts[length]
            if value - count < first { return code.symbols[index + (value - first)] }
            index += count
            first = (first + count) << 1
            value <<= 1
        }
        throw Refused()
    }

    private mutating func dynamic() throws {
        let (literals, distances, kinds) = (try bits(5) + 257, try bits(5) + 1, try bits(4) + 4)
        try Self.check(literals <= 286 && distances <= 30)
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        var lengths = [Int](repeating: 0, count: 19)
        for index in 0..<kinds { lengths[order[index]] = try bits(3) }
        let code = try Code(lengths)
        lengths = []
        while lengths.count < literals + distances {
            switch try symbol(code) {
            case let length where length < 16: lengths.append(length)
            case 16:
                guard let last = lengths.last else { throw Refused() }
                lengths += [Int](repeating: last, count: 3 + (try bits(2)))
            case 17: lengths += [Int](repeating: 0, count: 3 + (try bits(3)))
            default: lengths += [Int](repeating: 0, count: 11 + (try bits(7)))
            }
        }
        try Self.check(lengths.count == literals + distances && lengths[256] > 0)
        try codes(Code(Array(lengths[..<literals])), Code(Array(lengths[literals...])))
    }

    private mutating func codes(_ literals: Code?, _ distances: Code?) throws {
        guard let literals, let distances else { throw Refused() }
        while true {
            let symbol = try symbol(literals)
            if symbol < 256 {
                output.append(UInt8(symbol))
                continue
            }
            if symbol == 256 { return }
            try Self.check(symbol < 286)
            let length = try extended(symbol - 257, from: 3, step: 4, last: symbol == 285 ? 258 : nil)
            let distanceSymbol = try self.symbol(distances)
            try Self.check(distanceSymbol < 30)
            let distance = try extended(distanceSymbol, from: 1, step: 2, last: nil)
            try Self.check(distance <= output.count)
            for _ in 0..<length { output.append(output[output.count - distance]) }
        }
    }

    /// The value of the symbol with this number: from the second `step` symbols on each `step` of them have one more bit.
    private mutating func extended(_ number: Int, from first: Int, step: Int, last: Int?) throws -> Int {
        if let last { return last }
        var base = first
        for index in 0..<number { base += 1 << max(0, index / step - 1) }
        return base + (try bits(max(0, number / step - 1)))
    }
}
