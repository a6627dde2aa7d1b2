/// A copy of some bytes after another, in the same memory: for what loops over entries have to remember.
package struct KeptBytes: ~Copyable {
    @usableFromInline let memory: UnsafeMutableRawBufferPointer
    @usableFromInline var used = 0

    /// - Parameter capacity: how many bytes there may be at most.
    package init(capacity: Int) { memory = .allocate(byteCount: capacity, alignment: 8) }

    deinit { memory.deallocate() }

    /// The bytes; valid until they are changed.
    @inlinable @inline(__always)
    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: memory.baseAddress, count: used)
    }

    /// How many bytes there are.
    @inlinable @inline(__always)
    package var count: Int { used }

    /// Whether there are none.
    @inlinable @inline(__always)
    package var isEmpty: Bool { used == 0 }

    /// Keeps other bytes in the place of those before.
    @inlinable @inline(__always)
    package mutating func keep(_ new: UnsafeRawBufferPointer) {
        memory.copyMemory(from: new)
        used = new.count
    }

    /// Keeps these bytes, too.
    @inlinable @inline(__always)
    package mutating func append(_ new: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: memory[used...]).copyMemory(from: new)
        used += new.count
    }

    /// Keeps this byte, too.
    @inlinable @inline(__always)
    package mutating func append(_ byte: UInt8) {
        memory[used] = byte
        used += 1
    }

    /// Lets `fill` write bytes behind those that are there.
    ///
    /// - Parameter fill: gets the rest of the memory, and returns how many bytes it has written.
    @inlinable @inline(__always)
    package mutating func append<E>(_ fill: (UnsafeMutableRawBufferPointer) throws(E) -> Int) throws(E) {
        used += try fill(UnsafeMutableRawBufferPointer(rebasing: memory[used...]))
    }

    /// Forgets all bytes.
    @inlinable @inline(__always)
    package mutating func removeAll() { used = 0 }
}
