import Glibc

/// Fills a ``Spool``.
package struct SpoolWriter: ByteSink, ~Copyable {
    /// The size in bytes above which a spool moves from memory to a file.
    package static let memoryLimit = 1 << 20

    private var bytes: [UInt8] = []
    private var descriptor: Int32 = -1
    /// The file's name in errors, with advice.
    private(set) var subject = ""
    private let memoryLimit: Int
    private let stagingDirectory: String?
    private let directory: String
    /// The number of bytes passed to the kernel for writeback.
    private var announced = 0
    private var written = 0

    /// The number of bytes written so far.
    package private(set) var count = 0

    /// Creates a writer without bytes and file.
    ///
    /// - Parameters:
    ///   - memoryLimit: the number of bytes up to which no file is used.
    ///   - stagingDirectory: the preferred directory for a file that is to stay there: it can be given a name
    ///     with `linkat`. Otherwise the temporary directory is used.
    ///   - directory: the temporary directory.
    package init(
        memoryLimit: Int = SpoolWriter.memoryLimit, stagingDirectory: String? = nil,
        directory: String = SpoolWriter.temporaryDirectory
    ) {
        self.memoryLimit = memoryLimit
        self.stagingDirectory = stagingDirectory
        self.directory = directory
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Writes all of `new`, which is only needed during the call.
    ///
    /// - Throws: ``SystemError`` if there is no space for a file; the writer must not be used then.
    package mutating func write(_ new: UnsafeRawBufferPointer) throws {
        guard new.count > 0 else { return }
        if descriptor < 0 && bytes.count + new.count > memoryLimit { descriptor = try openTemporaryFile() }
        let isBlock = descriptor >= 0 && new.count >= Self.blockSize / 2
        if isBlock || descriptor >= 0 && bytes.count + new.count > min(memoryLimit, Self.blockSize) { try flush() }
        if isBlock { try writeToFile(new) } else { bytes.append(contentsOf: new) }
        count += new.count
    }

    /// Ends writing and returns the bytes.
    package consuming func finish() throws -> Spool {
        guard descriptor >= 0 else { return Spool(bytes) }
        try flush()
        let spool = Spool(owning: descriptor, count: count)
        descriptor = -1
        return spool
    }

    // With a file, memory only combines small writes into blocks.
    private static let blockSize = 256 << 10

    private mutating func flush() throws {
        if bytes.isEmpty { return }
        try bytes.withUnsafeBytes { try writeToFile($0) }
        if bytes.capacity > Self.blockSize * 2 { bytes = [] } else { bytes.removeAll(keepingCapacity: true) }
    }

    private mutating func writeToFile(_ block: UnsafeRawBufferPointer) throws(SystemError) {
        try writeAll(block, to: descriptor, subject)
        written += block.count
        if stagingDirectory != nil && written - announced >= Self.writeBackSize {
            // On Linux this starts writeback of the pages, so that the final fsync has little left to wait for.
            posix_fadvise(descriptor, off_t(announced), off_t(written - announced), POSIX_FADV_DONTNEED)
            announced = written
        }
    }

    private static let writeBackSize = 8 << 20

    /// TMPDIR, or the default directory for temporary files.
    ///
    /// /var/tmp rather than /tmp, which is often in memory.
    package static var temporaryDirectory: String {
        if let named = getenv("TMPDIR"), named.pointee != 0 { return String(cString: named) }
        return access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp"
    }

    private mutating func openTemporaryFile() throws(SystemError) -> Int32 {
        // The file never has a name, so that nothing remains however the process ends.
        if let stagingDirectory {
            let descriptor = open(
                stagingDirectory, O_RDWR | O_CLOEXEC | Self.temporaryFileFlag, newFileMode(in: stagingDirectory))
            subject = "a new file in \(stagingDirectory)"
            if descriptor >= 0 { return descriptor }
        }
        subject = "a temporary file in \(directory) (set TMPDIR to use another directory)"
        let nameless = open(directory, O_RDWR | O_CLOEXEC | Self.temporaryFileFlag, 0o600)
        if nameless >= 0 { return nameless }
        // The file system does not support this.
        var template = Array("\(directory)/lightningstream.XXXXXX".utf8CString)
        let descriptor = Int32(
            try systemCall("create", subject) { Int(mkstemp(&template)) })
        unlink(template)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    // O_TMPFILE, whose macro Swift cannot import.
    private static let temporaryFileFlag: Int32 = 0o20_000_000 | O_DIRECTORY
}
