/// Bytes read once, from front to back, in blocks of the reader's choice.
package protocol ByteSource: ~Copyable {
    /// Fills `buffer` from its start with the next bytes.
    ///
    /// - Returns: how many bytes were read: at least one, at most `buffer.count`; 0 at the end.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// Bytes written once, from front to back.
package protocol ByteSink: ~Copyable {
    /// Takes all of `bytes`, which are only valid during the call.
    mutating func write(_ bytes: UnsafeRawBufferPointer) throws
}
