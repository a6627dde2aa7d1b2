import Glibc

/// Fills a ``Spool``.
package struct SpoolWriter: ByteSink, ~Copyable {
    /// Above this many bytes a spool moves from memory to a file.
    package static let memoryLimit = 1 << 20

    private var bytes: [UInt8] = []
    private var descriptor: Int32 = -1
    private let memoryLimit: Int
    private let directory: String

    /// How many bytes have been written so far.
    package private(set) var count = 0

    /// Starts with no bytes, and without a file.
    ///
    /// - Parameters:
    ///   - memoryLimit: the number of bytes up to which no file is used.
    ///   - directory: where the file is made.
    package init(memoryLimit: Int = SpoolWriter.memoryLimit, directory: String = SpoolWriter.temporaryDirectory) {
        self.memoryLimit = memoryLimit
        self.directory = directory
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Takes all of `new`, which is only needed during the call.
    ///
    /// - Throws: ``SystemError`` when there is no room for a file; the writer is of no use then.
    package mutating func write(_ new: UnsafeRawBufferPointer) throws {
        guard new.count > 0 else { return }
        if descriptor < 0 && bytes.count + new.count > memoryLimit { descriptor = try openTemporaryFile() }
        if descriptor >= 0 && bytes.count + new.count > min(memoryLimit, Self.blockSize) { try flush() }
        if descriptor >= 0 && new.count >= Self.blockSize {
            try writeAll(new)
        } else {
            bytes.append(contentsOf: new)
        }
        count += new.count
    }

    /// Ends the writing: the bytes can be read now.
    package consuming func finish() throws -> Spool {
        guard descriptor >= 0 else { return Spool(bytes) }
        try flush()
        let spool = Spool(owning: descriptor, count: count)
        descriptor = -1
        return spool
    }

    // Once there is a file, memory only gathers small writes into blocks.
    private static let blockSize = 256 << 10

    private mutating func flush() throws {
        try bytes.withUnsafeBytes { try writeAll($0) }
        if bytes.capacity > Self.blockSize * 2 { bytes = [] } else { bytes.removeAll(keepingCapacity: true) }
    }

    private func writeAll(_ block: UnsafeRawBufferPointer) throws(SystemError) {
        var done = 0
        while done < block.count {
            done += try systemCall("write to", "a temporary file in \(directory)") {
                Glibc.write(descriptor, block.baseAddress?.advanced(by: done), block.count - done)
            }
        }
    }

    /// What TMPDIR says, or else a directory for temporary files.
    ///
    /// /var/tmp rather than /tmp: the latter is often memory, which is what a spool is there to save.
    package static var temporaryDirectory: String {
        if let named = getenv("TMPDIR"), named.pointee != 0 { return String(cString: named) }
        return access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp"
    }

    private func openTemporaryFile() throws(SystemError) -> Int32 {
        var template = Array("\(directory)/lightningstream.XXXXXX".utf8CString)
        let descriptor = Int32(
            try systemCall("create", "a temporary file in \(directory) (TMPDIR names another directory)") {
                Int(mkstemp(&template))
            })
        unlink(template)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }
}
