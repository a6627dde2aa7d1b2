import CISAL
import Support

/// Decompresses a gzip stream (RFC 1952) of one or more members, and checks each of them.
///
/// Bytes are returned before the checksum and length after them have been checked, so they must not be acted upon
/// before a read has returned 0.
struct GzipInflater: ~Copyable {
    private let spool: Spool
    private let input: UnsafeMutableRawBufferPointer
    private let state: UnsafeMutablePointer<inflate_state>
    private var spoolOffset = 0
    private var phase = Phase.header
    private var membersDone = 0

    private enum Phase {
        // Before a member's header, or at the end.
        case header
        case body
        case finished
    }

    /// - Parameter inputSize: the number of compressed bytes per read, at least 1.
    init(_ spool: Spool, inputSize: Int = 128 << 10) {
        self.spool = spool
        input = .allocate(byteCount: max(1, inputSize), alignment: 64)
        state = .allocate(capacity: 1)
        isal_inflate_init(state)
    }

    deinit {
        input.deallocate()
        state.deallocate()
    }

    /// Fills `output`, which has less than 4 GiB, as far as possible.
    ///
    /// - Returns: the number of decompressed bytes; fewer than `output.count` only if the stream has ended
    ///   and all its checksums are right.
    mutating func read(into output: UnsafeMutableRawBufferPointer) throws(GzipError) -> Int {
        let wanted = UInt32(clamping: output.count)
        state.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        state.pointee.avail_out = wanted
        while state.pointee.avail_out > 0 && phase != .finished {
            if state.pointee.avail_in == 0 { try refill() }
            if phase == .body {
                try inflate()
            } else if state.pointee.avail_in > 0 || membersDone == 0 {
                try beginMember()
            } else {
                phase = .finished
            }
        }
        return Int(wanted &- state.pointee.avail_out)
    }

    private mutating func inflate() throws(GzipError) {
        let (available, room) = (state.pointee.avail_in, state.pointee.avail_out)
        let result = isal_inflate(state)
        guard result == ISAL_DECOMP_OK else {
            throw .corrupt(
                result == ISAL_INCORRECT_CHECKSUM
                    ? "the checksum or the length at the end of the gzip stream is wrong"
                    : "the gzip stream is damaged")
        }
        if state.pointee.block_state == ISAL_BLOCK_FINISH {
            phase = .header
            membersDone &+= 1
        } else if available == 0 && state.pointee.avail_out == room {
            throw Self.cutOff
        }
    }

    // ISA-L can parse headers, too, but fails if one with optional parts arrives in several pieces.
    private mutating func beginMember() throws(GzipError) {
        if spool.count == 0 { throw .corrupt("the object is empty") }
        var header = GzipHeader()
        while !header.isComplete {
            if state.pointee.avail_in == 0 { try refill() }
            guard state.pointee.avail_in > 0 else { throw Self.cutOff }
            guard header.take(state.pointee.next_in.pointee) else {
                throw .corrupt(
                    membersDone == 0 ? "the object is not gzip" : "garbage after the end of the gzip stream")
            }
            state.pointee.next_in += 1
            state.pointee.avail_in -= 1
        }
        // Keeps the pointers and counts of input and output, except for the total.
        isal_inflate_reset(state)
        state.pointee.crc_flag = UInt32(ISAL_GZIP_NO_HDR_VER)
        phase = .body
    }

    private mutating func refill() throws(GzipError) {
        let count: Int
        do {
            count = try spool.read(at: spoolOffset, into: input)
        } catch {
            throw .unreadable(error)
        }
        spoolOffset += count
        state.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        state.pointee.avail_in = UInt32(count)
    }

    private static var cutOff: GzipError { .corrupt("the gzip stream is truncated") }
}

/// The reason why a gzip stream could not be decompressed.
enum GzipError: Error, Equatable {
    /// The bytes are invalid; the text describes the problem.
    case corrupt(String)
    /// The compressed bytes could not be read.
    case unreadable(SystemError)
}
