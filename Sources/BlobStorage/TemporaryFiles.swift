import Glibc
import Support
import Synchronization

/// Files in a directory that will become objects. Their names identify the writer.
///
/// Files of a killed process are removed by the next process of the same owner at start, and by
/// cleaners when they are old.
struct TemporaryFiles: Sendable {
    private let directory: String
    /// The prefix of the names; they end in `.tmp`.
    private let prefix: String

    /// - Parameter owner: the name of an instance; without it the names contain host and process.
    init(directory: String, owner: String?) {
        self.directory = directory
        let name = owner ?? "\(hostName())-\(getpid())"
        let safe = name.utf8.map { $0 == UInt8(ascii: "/") || $0 == 0 ? UInt8(ascii: "_") : $0 }
        prefix = ".\(String(decoding: safe.prefix(200), as: UTF8.self))."
    }

    /// Removes the owner's files. Must be called before the owner writes.
    func removeOwn() {
        // Errors are ignored: leftover files only take space.
        let isOwn = { (name: String) in
            name.startsBytewise(with: prefix) && Self.isRandom(name.utf8.dropFirst(prefix.utf8.count))
        }
        try? forEachFile(in: directory, where: isOwn) { name, _ in unlink("\(directory)/\(name)") }
    }

    /// Removes all files last written before this age.
    ///
    /// - Returns: the number of removed files.
    func remove(olderThan age: Duration) throws -> Int {
        var count = 0
        let limit = time(nil) - Int(age.components.seconds)
        try forEachFile(in: directory, where: Self.isTemporary) { name, status in
            guard status.st_mtim.tv_sec < limit else { return }
            if unlink("\(directory)/\(name)") == 0 { count += 1 }
        }
        return count
    }

    /// Writes a spool to a file, syncs it, and renames it to `path`.
    ///
    /// - Returns: the status of the file. Its inode, size and time together differ from those of every earlier one.
    @discardableResult
    func place(_ body: Spool, at path: String, _ cancellation: CancellationSignal) throws -> stat {
        let (temporary, status) = try link(body) ?? write(body, cancellation)
        do {
            try cancellation.check()
            _ = try systemCall("rename", temporary) { Int(rename(temporary, path)) }
        } catch {
            unlink(temporary)
            throw error
        }
        return status
    }

    /// `.NAME.HEX.tmp`, or `.HEX.tmp` of older versions.
    private static func isTemporary(_ name: String) -> Bool {
        guard name.hasPrefix("."), name.hasSuffix(".tmp") else { return false }
        let rest = name.utf8.dropFirst().dropLast(4)
        let start = rest.lastIndex(of: UInt8(ascii: ".")).map { rest.index(after: $0) } ?? rest.startIndex
        return isRandom(name.utf8[start...])
    }

    /// `HEX.tmp`
    private static func isRandom(_ text: some BidirectionalCollection<UInt8>) -> Bool {
        guard text.count > 4, text.suffix(4).elementsEqual(".tmp".utf8) else { return false }
        let digits = text.dropLast(4)
        return digits.count <= 16 && digits.allSatisfy { "0123456789abcdef".utf8.contains($0) }
    }

    /// Links the file of a spool to a temporary name in the directory.
    ///
    /// - Returns: nil if that is impossible: the spool is in memory, on another file system, or already had a name.
    private func link(_ body: Spool) throws(SystemError) -> (path: String, status: stat)? {
        guard let descriptor = body.fileDescriptor, var status = fileStatus(descriptor), status.st_nlink == 0,
            Int(status.st_size) == body.count,
            // A file created elsewhere does not belong to the group that shares the directory.
            newFileMode(in: directory) & 0o040 == status.st_mode & 0o040
        else { return nil }
        status = setUniqueTime(of: descriptor, status)
        guard fsync(descriptor) == 0 else { return nil }
        let path = newName()
        let source = "/proc/self/fd/\(descriptor)"
        guard linkat(AT_FDCWD, source, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 else { return nil }
        return (path, status)
    }

    /// Copies a spool into a new file.
    private func write(
        _ body: Spool, _ cancellation: CancellationSignal
    ) throws -> (path: String, status: stat) {
        let (path, descriptor) = try create()
        do {
            defer { close(descriptor) }
            try copy(body, to: descriptor, path, cancellation)
            guard let written = fileStatus(descriptor) else { throw SystemError("examine", path) }
            let status = setUniqueTime(of: descriptor, written)
            guard fsync(descriptor) == 0 || isUnsupportedSync(errno) else { throw SystemError("sync", path) }
            return (path, status)
        } catch {
            unlink(path)
            throw error
        }
    }

    private func newName() -> String {
        "\(directory)/\(prefix)\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp"
    }

    private func create() throws(SystemError) -> (path: String, descriptor: Int32) {
        while true {
            let path = newName()
            let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, newFileMode(in: directory))
            if descriptor >= 0 { return (path, descriptor) }
            if errno != EEXIST && errno != EINTR { throw SystemError("create", path) }
        }
    }
}

private func fileStatus(_ descriptor: Int32) -> stat? {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? status : nil
}

/// Counts the files that this process has placed.
private let placedFiles = Atomic<Int>(0)

/// Adds less than a millisecond to a file's time, so that no two files of this process have the same.
///
/// The kernel's clock for files stands still for milliseconds, in which an inode and a size may occur again.
///
/// - Returns: the status as it is then: a file system may be coarser, or refuse.
private func setUniqueTime(of descriptor: Int32, _ status: stat) -> stat {
    let added = placedFiles.wrappingAdd(1, ordering: .relaxed).newValue % 1_000_000
    let nanoseconds = status.st_mtim.tv_nsec + added
    let time = timespec(
        tv_sec: status.st_mtim.tv_sec + nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
    _ = [status.st_atim, time].withUnsafeBufferPointer { futimens(descriptor, $0.baseAddress) }
    return fileStatus(descriptor) ?? status
}

private func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "host" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

private func copy(
    _ body: Spool, to descriptor: Int32, _ path: String, _ cancellation: CancellationSignal
) throws {
    var offset = 0
    if let source = body.fileDescriptor {
        // The kernel copies without user memory. If it cannot, the loop below continues, and fails
        // with the reason if there is one.
        var position = off_t(0)
        while offset < body.count {
            try cancellation.check()
            let count = sendfile(descriptor, source, &position, min(16 << 20, body.count - offset))
            if count == 0 || (count < 0 && errno != EINTR) { break }
            offset += max(0, count)
        }
    }
    guard offset < body.count else { return }
    try withUnsafeTemporaryAllocation(byteCount: min(256 << 10, body.count - offset), alignment: 16) { block in
        while offset < body.count {
            try cancellation.check()
            let count = try body.read(at: offset, into: block)
            guard count > 0 else { return }
            try writeAll(UnsafeRawBufferPointer(rebasing: block[..<count]), to: descriptor, path)
            offset += count
        }
    }
}
