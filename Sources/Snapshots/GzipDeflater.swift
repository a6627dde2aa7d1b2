import CISAL
import Glibc
import Support

/// Compresses bytes to one gzip member.
struct GzipDeflater: ~Copyable {
    private let stream: UnsafeMutablePointer<isal_zstream>
    private let levelBuffer: UnsafeMutablePointer<UInt8>
    private let output: UnsafeMutableRawBufferPointer

    // Level 1 (of 0 to 3) is about as fast as 0 on DNS records, and compresses better.
    private static let level = 1
    // ISA-L's ISAL_DEF_LVL1_DEFAULT: 4 KiB, a hash table of 16 KiB, 64 Ki tokens of 4 bytes.
    private static let levelBufferSize = (4 << 10) + (16 << 10) + (256 << 10)
    private static let outputSize = 256 << 10

    init() {
        stream = .allocate(capacity: 1)
        levelBuffer = .allocate(capacity: Self.levelBufferSize)
        output = .allocate(byteCount: Self.outputSize, alignment: 64)
        isal_deflate_init(stream)
        stream.pointee.level = UInt32(Self.level)
        stream.pointee.level_buf = levelBuffer
        stream.pointee.level_buf_size = UInt32(Self.levelBufferSize)
        stream.pointee.gzip_flag = UInt16(IGZIP_GZIP)
    }

    deinit {
        stream.deallocate()
        levelBuffer.deallocate()
        output.deallocate()
    }

    /// Compresses all of `bytes` into `sink`.
    mutating func write(_ bytes: UnsafeRawBufferPointer, to sink: inout SpoolWriter) throws {
        var rest = bytes
        repeat {
            // ISA-L counts in 32 bits.
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
            try compress(part, isLast: false, to: &sink)
        } while !rest.isEmpty
    }

    /// Writes the rest of the member to `sink`.
    mutating func finish(to sink: inout SpoolWriter) throws {
        try compress(UnsafeRawBufferPointer(start: nil, count: 0), isLast: true, to: &sink)
    }

    private mutating func compress(
        _ bytes: UnsafeRawBufferPointer, isLast: Bool, to sink: inout SpoolWriter
    ) throws {
        // ISA-L does not modify its input, despite the type.
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(bytes.count)
        stream.pointee.end_of_stream = isLast ? 1 : 0
        repeat {
            stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(output.count)
            let result = isal_deflate(stream)
            guard result == COMP_OK else { throw SystemError("compress", "a snapshot", code: EINVAL) }
            let count = output.count - Int(stream.pointee.avail_out)
            try sink.write(UnsafeRawBufferPointer(rebasing: output.prefix(count)))
        } while stream.pointee.avail_out == 0
    }
}
