/// A buffer that is passed between threads.
///
/// Unchecked: it has one owner at a time. A thread that puts it into a ``ChunkQueue`` does not access it again
/// until it comes back, and the queue's lock orders the accesses.
final class Chunk: @unchecked Sendable {
    let base: UnsafeMutablePointer<UInt8>
    let capacity: Int
    /// The bytes to compress.
    var range = 0..<0

    init(capacity: Int) {
        self.capacity = capacity
        base = .allocate(capacity: max(1, capacity))
    }

    /// A chunk with these bytes to compress.
    convenience init(_ bytes: [UInt8]) {
        self.init(capacity: bytes.count)
        base.initialize(from: bytes, count: bytes.count)
        range = 0..<bytes.count
    }

    deinit { base.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count) }
}
