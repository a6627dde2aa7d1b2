/// A piece of memory that goes from one thread to another.
///
/// Unchecked: it has one owner at a time. Whoever puts it into a ``ChunkQueue`` does not touch it any more
/// until it comes back, and the queue's lock lies between the two.
final class Chunk: @unchecked Sendable {
    let base: UnsafeMutablePointer<UInt8>
    let capacity: Int
    /// Which of the bytes are to be compressed.
    var range = 0..<0

    init(capacity: Int) {
        self.capacity = capacity
        base = .allocate(capacity: max(1, capacity))
    }

    /// A chunk to be compressed as it is.
    convenience init(_ bytes: [UInt8]) {
        self.init(capacity: bytes.count)
        base.initialize(from: bytes, count: bytes.count)
        range = 0..<bytes.count
    }

    deinit { base.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count) }
}
