import Glibc

/// Immutable bytes that can be read any number of times, from any thread: in memory if they are
/// few, otherwise in an unlinked temporary file.
///
/// Data of unknown size (snapshots, the changes of a merge) go through a spool,
/// so that memory stays constant. The file has no name and disappears with the process.
package final class Spool: Sendable {
    private enum Storage: Sendable {
        case memory([UInt8])
        case file(descriptor: Int32)
        case observed(Spool, @Sendable (Int) -> Void)
    }

    private let storage: Storage

    /// The number of bytes.
    package let count: Int

    /// A spool of bytes in memory.
    package init(_ bytes: [UInt8]) {
        storage = .memory(bytes)
        count = bytes.count
    }

    /// The first `count` bytes of an open file, which the spool closes at the end.
    ///
    /// The file must not change any more.
    package init(owning descriptor: Int32, count: Int) {
        storage = .file(descriptor: descriptor)
        self.count = count
    }

    /// The same bytes as `spool`.
    ///
    /// - Parameter didRead: called with the number of bytes of each read, on the reading thread.
    package init(_ spool: Spool, didRead: @escaping @Sendable (Int) -> Void) {
        storage = .observed(spool, didRead)
        count = spool.count
    }

    deinit {
        if case .file(let descriptor) = storage { _ = close(descriptor) }
    }

    /// The descriptor of the file with the bytes, nil if they are in memory.
    ///
    /// Only valid as long as the spool lives.
    package var fileDescriptor: Int32? {
        switch storage {
        case .memory: nil
        case .file(let descriptor): descriptor
        case .observed(let spool, _): spool.fileDescriptor
        }
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// - Returns: the number of bytes read; less than `buffer.count` only at the end.
    package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
        let wanted = max(0, min(buffer.count, count - offset))
        guard wanted > 0 else { return 0 }
        switch storage {
        case .memory(let bytes):
            bytes.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + wanted]))
            }
        case .file(let descriptor):
            var done = 0
            while done < wanted {
                let part = try systemCall("read from", "a spooled file") {
                    pread(descriptor, buffer.baseAddress?.advanced(by: done), wanted - done, off_t(offset + done))
                }
                // The file is shorter than written: another process truncated it.
                guard part > 0 else { throw SystemError("read from", "a spooled file", code: EIO) }
                done += part
            }
        case .observed(let spool, let didRead): didRead(try spool.read(at: offset, into: buffer))
        }
        return wanted
    }

    /// A reader of all the bytes.
    package func reader() -> SpoolReader { SpoolReader(spool: self) }
}

/// Reads a ``Spool`` from start to end.
package struct SpoolReader: ByteSource {
    private let spool: Spool
    private var offset = 0

    init(spool: Spool) { self.spool = spool }

    /// Fills `buffer` with the next bytes; see ``ByteSource``.
    package mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = try spool.read(at: offset, into: buffer)
        offset += count
        return count
    }
}
