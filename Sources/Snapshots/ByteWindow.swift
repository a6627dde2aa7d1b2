import Bytes

/// The part of an uncompressed message that is in memory, and the way along it.
///
/// All places are counted in bytes from the start of the message, in 64 bits: a message may have any length.
struct ByteWindow: ~Copyable {
    private var inflater: GzipInflater
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    // Where in the message `base` is.
    private var baseOffset: UInt64 = 0
    private var isComplete = false

    /// The next byte to be looked at. Everything up to `end` may be read through it.
    var cursor: UnsafePointer<UInt8>
    /// Behind the last byte in memory.
    private(set) var end: UnsafePointer<UInt8>

    /// How many bytes are kept in memory unless one entry is larger.
    static let size = 256 << 10

    init(_ spool: Spool) {
        inflater = GzipInflater(spool)
        capacity = Self.size
        base = .allocate(capacity: capacity)
        cursor = UnsafePointer(base)
        end = cursor
    }

    deinit { base.deallocate() }

    /// The place of the next byte.
    var offset: UInt64 { baseOffset &+ UInt64(UInt(bitPattern: cursor - UnsafePointer(base))) }

    /// How many of the next bytes are in memory.
    var available: Int { end - cursor }

    /// The place that is `pointer`, which must be inside the window, in the message.
    func offset(of pointer: UnsafePointer<UInt8>) -> UInt64 {
        baseOffset &+ UInt64(UInt(bitPattern: pointer - UnsafePointer(base)))
    }

    /// Where in memory the place `limit` is, or the end of what is in memory when it lies behind that.
    func pointer(to limit: UInt64) -> UnsafePointer<UInt8> {
        let distance = limit &- offset
        return distance < UInt64(UInt(bitPattern: available)) ? cursor + Int(distance) : end
    }

    /// Gets at least `count` bytes into memory, side by side, unless the message ends before.
    ///
    /// What `cursor` pointed to moves. Memory grows only as far as bytes really arrive.
    ///
    /// - Returns: whether there are that many.
    mutating func ensure(_ count: Int) throws(SnapshotError) -> Bool {
        while available < count {
            guard !isComplete else { return false }
            makeRoom(count)
            try fill()
        }
        return true
    }

    /// Passes over the next `count` bytes.
    ///
    /// - Returns: false when the message ends before.
    mutating func skip(_ count: UInt64) throws(SnapshotError) -> Bool {
        var left = count
        while left > UInt64(UInt(bitPattern: available)) {
            left &-= UInt64(UInt(bitPattern: available))
            cursor = end
            guard try ensure(1) else { return false }
        }
        cursor += Int(left)
        return true
    }

    private mutating func makeRoom(_ count: Int) {
        let rest = available
        baseOffset = offset
        var wanted = capacity
        if rest == capacity {
            // Everything is in use: at most doubles what has arrived.
            wanted = capacity &* 2
        } else if capacity > Self.size && count <= Self.size {
            wanted = Self.size
        }
        if wanted == capacity {
            base.update(from: cursor, count: rest)
        } else {
            let new = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
            new.update(from: cursor, count: rest)
            base.deallocate()
            base = new
            capacity = wanted
        }
        cursor = UnsafePointer(base)
        end = cursor + rest
    }

    private mutating func fill() throws(SnapshotError) {
        let used = end - UnsafePointer(base)
        // ISA-L counts in 32 bits.
        let room = UnsafeMutableRawBufferPointer(start: base + used, count: min(capacity - used, 1 << 30))
        do {
            let count = try inflater.read(into: room)
            isComplete = count < room.count
            end += count
        } catch {
            switch error {
            case .corrupt(let reason): throw SnapshotError(.malformed, reason, offset: offset(of: end))
            case .unreadable(let cause):
                throw SnapshotError(.unreadable, cause.description, offset: offset(of: end))
            }
        }
    }
}
