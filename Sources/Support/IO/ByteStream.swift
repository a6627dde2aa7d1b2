/// Bytes that are read once, in order, in blocks of the reader's choice.
package protocol ByteSource: ~Copyable {
    /// Fills `buffer` from its start with the next bytes.
    ///
    /// - Returns: the number of bytes read: at least one, at most `buffer.count`; 0 at the end.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// Bytes that are written once, in order.
package protocol ByteSink: ~Copyable {
    /// Writes all of `bytes`, which are only valid during the call.
    mutating func write(_ bytes: UnsafeRawBufferPointer) throws
}
