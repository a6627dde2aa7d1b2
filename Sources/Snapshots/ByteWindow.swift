import Support

/// The part of an uncompressed message that is in memory, with a cursor.
///
/// Offsets are bytes from the start of the message in 64 bits, because a message may have any length. Large pieces that
/// must be contiguous go to a mapped temporary file: memory stays within ``largestInMemory``.
struct ByteWindow: ~Copyable {
    private var inflater: GzipInflater
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    // The large piece that the window covers instead of `base`.
    private var mapping: MappedBytes?
    // The start of the window, and its offset in the message.
    private var origin: UnsafePointer<UInt8>
    private var originOffset: UInt64 = 0
    private var isComplete = false

    /// The next byte. Everything up to `end` may be read.
    var cursor: UnsafePointer<UInt8>
    /// The end of the bytes in memory.
    private(set) var end: UnsafePointer<UInt8>

    /// The window's size in bytes, unless one entry is larger.
    static let size = 256 << 10
    /// The largest piece that is kept in memory.
    static let largestInMemory = 4 << 20

    init(_ spool: Spool) {
        inflater = GzipInflater(spool)
        capacity = Self.size
        base = .allocate(capacity: capacity)
        origin = UnsafePointer(base)
        cursor = origin
        end = origin
    }

    deinit { base.deallocate() }

    /// The offset of the next byte.
    var offset: UInt64 { offset(of: cursor) }

    /// The number of following bytes in memory.
    var available: Int { end - cursor }

    /// The offset in the message of `pointer`, which must be inside the window.
    func offset(of pointer: UnsafePointer<UInt8>) -> UInt64 {
        originOffset &+ UInt64(UInt(bitPattern: pointer - origin))
    }

    /// The pointer for the offset `limit`, or the end of the window if it is outside.
    func pointer(to limit: UInt64) -> UnsafePointer<UInt8> {
        let distance = limit &- offset
        return distance < UInt64(UInt(bitPattern: available)) ? cursor + Int(distance) : end
    }

    /// Makes at least `count` contiguous bytes available, unless the message ends before.
    ///
    /// Invalidates pointers into the window. Memory grows only as far as bytes really arrive.
    ///
    /// - Returns: whether there are that many.
    mutating func ensure(_ count: Int) throws(SnapshotError) -> Bool {
        while available < count {
            guard !isComplete else { return false }
            if count > Self.largestInMemory {
                try spill(count)
            } else {
                makeRoom(count)
                try fill()
            }
        }
        return true
    }

    /// Releases the memory of processed bytes if they are in a file; they can be read again.
    func forget(_ bytes: UnsafeRawBufferPointer) {
        switch mapping {
        case .some(let mapping): mapping.forget(bytes)
        case .none: break
        }
    }

    /// Skips the next `count` bytes.
    ///
    /// - Returns: false if the message ends before.
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
        let place = offset
        var wanted = capacity > Self.size && count <= Self.size ? Self.size : capacity
        // The buffer grows to at most twice the bytes that have arrived.
        while wanted <= rest { wanted &*= 2 }
        if wanted == capacity {
            base.update(from: cursor, count: rest)
        } else {
            let new = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
            new.update(from: cursor, count: rest)
            base.deallocate()
            base = new
            capacity = wanted
        }
        mapping = nil
        setWindow(UnsafePointer(base), count: rest, at: place)
    }

    private mutating func setWindow(_ start: UnsafePointer<UInt8>, count: Int, at place: UInt64) {
        origin = start
        originOffset = place
        cursor = start
        end = start + count
    }

    private mutating func fill() throws(SnapshotError) {
        let used = end - origin
        end += try inflate(into: UnsafeMutableRawBufferPointer(start: base + used, count: capacity - used))
    }

    /// Switches to a temporary file with the next `count` bytes, or all remaining ones.
    private mutating func spill(_ count: Int) throws(SnapshotError) {
        let place = offset
        do {
            var writer = SpoolWriter(memoryLimit: 0)
            try writer.write(UnsafeRawBufferPointer(start: cursor, count: available))
            cursor = end
            while writer.count < count && !isComplete {
                let piece = UnsafeMutableRawBufferPointer(start: base, count: min(Self.size, count - writer.count))
                let arrived = try inflate(into: piece, at: place &+ UInt64(writer.count))
                try writer.write(UnsafeRawBufferPointer(rebasing: piece[..<arrived]))
            }
            let length = writer.count
            // The mapping outlives the descriptor.
            mapping = try MappedBytes.map(try writer.finish(), 0..<length)
        } catch let error as SnapshotError {
            throw error
        } catch {
            throw SnapshotError(.unreadable, "\(error)", offset: place)
        }
        let bytes = mappedBytes
        let start = bytes?.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? cursor
        setWindow(start, count: bytes?.count ?? 0, at: place)
    }

    private var mappedBytes: UnsafeRawBufferPointer? {
        switch mapping {
        case .some(let mapping): mapping.bytes
        case .none: nil
        }
    }

    private mutating func inflate(
        into room: UnsafeMutableRawBufferPointer, at place: UInt64? = nil
    ) throws(SnapshotError) -> Int {
        // ISA-L counts in 32 bits.
        let room = UnsafeMutableRawBufferPointer(start: room.baseAddress, count: min(room.count, 1 << 30))
        do {
            let count = try inflater.read(into: room)
            isComplete = count < room.count
            return count
        } catch {
            let place = place ?? offset(of: end)
            switch error {
            case .corrupt(let reason): throw SnapshotError(.malformed, reason, offset: place)
            case .unreadable(let cause): throw SnapshotError(.unreadable, cause.description, offset: place)
            }
        }
    }
}
