import Bytes
import CISAL

/// Uncompresses a gzip stream (RFC 1952) of one or more members, and checks every one of them.
///
/// Bytes come out before the checksum and the length behind them have been seen, so nobody may act upon
/// them before a read has returned 0.
struct GzipInflater: ~Copyable {
    private let spool: Spool
    private let input: UnsafeMutableRawBufferPointer
    private let state: UnsafeMutablePointer<inflate_state>
    private var spoolOffset = 0
    private var phase = Phase.member
    private var membersDone = 0

    private enum Phase {
        case member
        case betweenMembers
        case finished
    }

    /// - Parameter inputSize: how many compressed bytes are read at once, at least 1.
    init(_ spool: Spool, inputSize: Int = 128 << 10) {
        self.spool = spool
        input = .allocate(byteCount: max(1, inputSize), alignment: 64)
        state = .allocate(capacity: 1)
        isal_inflate_init(state)
        state.pointee.crc_flag = UInt32(ISAL_GZIP)
        state.pointee.avail_in = 0
    }

    deinit {
        input.deallocate()
        state.deallocate()
    }

    /// Fills `output`, which has fewer than 4 GiB, as far as there is something.
    ///
    /// - Returns: how many bytes were uncompressed; fewer than `output.count` only when the stream has ended
    ///   and all its checksums are right.
    mutating func read(into output: UnsafeMutableRawBufferPointer) throws(GzipError) -> Int {
        let wanted = UInt32(clamping: output.count)
        state.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        state.pointee.avail_out = wanted
        while state.pointee.avail_out > 0 && phase != .finished { try step() }
        return Int(wanted &- state.pointee.avail_out)
    }

    private mutating func step() throws(GzipError) {
        if state.pointee.avail_in == 0 { try refill() }
        let available = state.pointee.avail_in
        if phase == .betweenMembers {
            guard available > 0 else {
                phase = .finished
                return
            }
            let (nextOut, availableOut) = (state.pointee.next_out, state.pointee.avail_out)
            let nextIn = state.pointee.next_in
            isal_inflate_reset(state)
            state.pointee.crc_flag = UInt32(ISAL_GZIP)
            (state.pointee.next_out, state.pointee.avail_out) = (nextOut, availableOut)
            (state.pointee.next_in, state.pointee.avail_in) = (nextIn, available)
            phase = .member
        }
        let room = state.pointee.avail_out
        let result = isal_inflate(state)
        guard result == ISAL_DECOMP_OK else { throw .corrupt(reason(result)) }
        if state.pointee.block_state == ISAL_BLOCK_FINISH {
            phase = .betweenMembers
            membersDone &+= 1
        } else if available == 0 && state.pointee.avail_out == room {
            throw .corrupt(spool.count == 0 ? "the object is empty" : "the gzip stream is cut off")
        }
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

    private func reason(_ result: Int32) -> String {
        switch result {
        case ISAL_INCORRECT_CHECKSUM: "the checksum or the length at the end of the gzip stream is wrong"
        case ISAL_INVALID_WRAPPER, ISAL_UNSUPPORTED_METHOD:
            membersDone == 0 ? "the object is not gzip" : "there is garbage after the end of the gzip stream"
        default: "the gzip stream is damaged"
        }
    }
}

/// Why a gzip stream could not be uncompressed.
enum GzipError: Error, Equatable {
    /// The bytes are wrong; the text says how.
    case corrupt(String)
    /// The compressed bytes could not be read.
    case unreadable(SystemError)
}
