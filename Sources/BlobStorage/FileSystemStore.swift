import Bytes
import Glibc

/// A directory as a storage: one file per object, named like it.
///
/// A file is written under a temporary name ending in `.tmp`, fsynced and renamed, so that readers, on
/// other machines too, see it complete or not at all, and it survives a power failure once
/// ``store(_:_:)`` has returned. Names with `/`, a leading `.` or ending in `.tmp` are refused and, like
/// everything that is no regular file, never listed.
package final class FileSystemStore: BlobStore {
    /// The directory.
    package let rootPath: String

    private let pool = BlockingPool(label: "storage-fs", width: 8)

    /// Opens the directory.
    ///
    /// - Parameter create: whether it and those above it are created where they don't exist. Only for who begins to
    ///   write: elsewhere a missing directory may be a share that is not mounted, and an empty one in its place would
    ///   look like a storage that works.
    /// - Throws: ``BlobStoreError`` when it can't be created or is no directory.
    package init(rootPath: String, create: Bool = true) throws(BlobStoreError) {
        self.rootPath = rootPath
        guard !rootPath.isEmpty, !rootPath.utf8.contains(0) else {
            throw BlobStoreError(.other, "storage root_path is empty or contains a zero byte: name a directory")
        }
        guard create else { return }
        do {
            try Self.createDirectories(rootPath)
        } catch {
            throw Self.explain(error, "open storage directory", rootPath, name: nil)
        }
    }

    /// See ``BlobStore/list(prefix:)``.
    package func list(prefix: String) async throws -> [Blob] {
        try await call("list", prefix.isEmpty ? nil : "\(prefix)*") { [rootPath] cancellation in
            let directory = try openDirectory(rootPath)
            defer { closedir(directory) }
            var blobs: [Blob] = []
            while let name = try nextName(in: directory, rootPath) {
                try cancellation.check()
                guard Self.isObjectName(name), name.startsBytewise(with: prefix) else { continue }
                var status = stat()
                // It may have been deleted since, or be a symbolic link to nowhere.
                guard fstatat(dirfd(directory), name, &status, 0) == 0, status.st_mode & S_IFMT == S_IFREG
                else { continue }
                blobs.append(Blob(name: name, size: Int(status.st_size), modified: nanoseconds(status.st_mtim)))
            }
            return blobs.sorted { $0.name.precedesBytewise($1.name) }
        }
    }

    /// The open file itself: a replacement or deletion by others doesn't change what is read.
    package func load(_ name: String) async throws -> Spool {
        try refuse(name, "load")
        return try await call("load", name) { [rootPath] _ in
            let path = "\(rootPath)/\(name)"
            // A pipe with this name must not block.
            let descriptor = Int32(
                try systemCall("open", path) { Int(Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) })
            var status = stat()
            do {
                _ = try systemCall("examine", path) { Int(fstat(descriptor, &status)) }
                guard status.st_mode & S_IFMT == S_IFREG else {
                    throw BlobStoreError(.other, "cannot load \(name) from \(rootPath): it is not a regular file")
                }
            } catch {
                close(descriptor)
                throw error
            }
            return Spool(owning: descriptor, count: Int(status.st_size))
        }
    }

    /// A spool's file that was made in the directory is given its name; everything else is copied.
    package var stagingDirectory: String? { rootPath }

    /// See ``BlobStore/store(_:_:)``.
    package func store(_ name: String, _ body: Spool) async throws {
        try refuse(name, "store")
        try await call("store", name) { [rootPath] cancellation in
            let temporary = try link(body, in: rootPath) ?? write(body, in: rootPath, cancellation)
            do {
                try cancellation.check()
                _ = try systemCall("rename", temporary) { Int(rename(temporary, "\(rootPath)/\(name)")) }
            } catch {
                unlink(temporary)
                throw error
            }
            try syncDirectory(rootPath)
        }
    }

    /// See ``BlobStore/delete(_:)``.
    package func delete(_ name: String) async throws {
        try refuse(name, "delete")
        try await call("delete", name) { [rootPath] _ in
            let path = "\(rootPath)/\(name)"
            if unlink(path) != 0 && errno != ENOENT { throw SystemError("delete", path) }
        }
    }

    /// See ``BlobStore/changes(prefix:)``.
    package func changes(prefix: String) -> AsyncStream<String>? {
        watchDirectory(rootPath) { Self.isObjectName($0) && $0.startsBytewise(with: prefix) }
    }

    /// Whether a file of this name would be an object.
    static func isObjectName(_ name: String) -> Bool {
        let bytes = name.utf8
        return !bytes.isEmpty && bytes.count <= 255 && bytes.first != UInt8(ascii: ".")
            && !bytes.contains(UInt8(ascii: "/")) && !bytes.contains(0) && !name.hasSuffix(".tmp")
    }

    private func refuse(_ name: String, _ operation: String) throws(BlobStoreError) {
        guard !Self.isObjectName(name) else { return }
        throw BlobStoreError(
            .other,
            "cannot \(operation) \(name.oneLine()): a file storage takes no name that is empty, longer than 255"
                + " bytes, contains / or a zero byte, starts with . or ends in .tmp")
    }

    /// Runs `body` where it may block, and words its errors.
    private func call<Result: Sendable>(
        _ operation: String, _ name: String?, _ body: @escaping @Sendable (CancellationSignal) throws -> Result
    ) async throws -> Result {
        do {
            return try await pool.run(body)
        } catch let error as SystemError {
            throw Self.explain(error, operation, rootPath, name: name)
        }
    }

    static func explain(
        _ error: SystemError, _ operation: String, _ directory: String, name: String?
    ) -> BlobStoreError {
        let reason = String(cString: strerror(error.code))
        let place = name.map { "\($0.oneLine()) in \(directory.oneLine())" } ?? directory.oneLine()
        let (kind, advice): (BlobStoreError.Kind, String) =
            switch error.code {
            case EACCES, EPERM: (.accessDenied, "check owner and mode of the directory")
            case ENOENT where name == nil || name?.hasSuffix("*") == true:
                (.notFound, "is root_path right, and mounted? Only sync creates it, at its start")
            case ENOENT: (.notFound, "")
            case ENOTDIR: (.other, "root_path must name a directory")
            case ENOSPC: (.other, "free some space")
            case EDQUOT: (.other, "the quota of this user is used up")
            case EROFS: (.accessDenied, "the file system is mounted read-only")
            case EMFILE, ENFILE: (.other, "raise the limit of open files")
            default: (.other, "")
            }
        // The temporary directory of a spool is another file system: its errors name it.
        let subject = error.subject.hasPrefix(directory) ? "" : " (\(error))"
        return BlobStoreError(
            kind, "cannot \(operation) \(place): \(reason)\(subject)\(advice.isEmpty ? "" : "; \(advice)")")
    }

    private static func createDirectories(_ path: String) throws(SystemError) {
        if mkdir(path, 0o777) == 0 { return }
        let code = errno
        if code == ENOENT, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash > path.startIndex {
            try createDirectories(String(path[..<slash]))
            if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
            throw SystemError("create", path)
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw SystemError("create", path, code: code) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw SystemError("open", path, code: ENOTDIR) }
    }
}

/// Since the UNIX epoch; nil before it.
private func nanoseconds(_ time: timespec) -> UInt64? {
    guard let seconds = UInt64(exactly: time.tv_sec), let rest = UInt64(exactly: time.tv_nsec) else { return nil }
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? nil : scaled.addingReportingOverflow(rest).partialValue
}

private func openDirectory(_ path: String) throws(SystemError) -> OpaquePointer {
    guard let directory = opendir(path) else { throw SystemError("open", path) }
    return directory
}

/// The next name that is text; others can be no object's.
private func nextName(in directory: OpaquePointer, _ path: String) throws(SystemError) -> String? {
    while true {
        errno = 0
        guard let entry = readdir(directory) else {
            if errno != 0 { throw SystemError("read", path) }
            return nil
        }
        // The entry is only as long as its name: it must not be copied as a whole.
        let name = UnsafeRawPointer(entry).advanced(by: MemoryLayout<dirent>.offset(of: \.d_name) ?? 0)
        if let name = String(validatingCString: name.assumingMemoryBound(to: CChar.self)) { return name }
    }
}

/// Gives the file of a spool a temporary name in the directory.
///
/// - Returns: nil where that can't be done: the spool is in memory, on another file system, or has had a name.
private func link(_ body: Spool, in directory: String) throws(SystemError) -> String? {
    var status = stat()
    guard let descriptor = body.fileDescriptor, fstat(descriptor, &status) == 0, status.st_nlink == 0,
        Int(status.st_size) == body.count, fsync(descriptor) == 0
    else { return nil }
    let path = temporaryName(in: directory)
    guard linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 else { return nil }
    return path
}

/// Copies a spool into a new file with a temporary name.
private func write(_ body: Spool, in directory: String, _ cancellation: CancellationSignal) throws -> String {
    let (path, descriptor) = try createTemporary(in: directory)
    do {
        defer { close(descriptor) }
        try copy(body, to: descriptor, path, cancellation)
        _ = try systemCall("sync", path) { Int(fsync(descriptor)) }
    } catch {
        unlink(path)
        throw error
    }
    return path
}

// Random, so that files which crashed writers on any machine left behind don't matter.
private func temporaryName(in directory: String) -> String {
    "\(directory)/.\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp"
}

private func createTemporary(in directory: String) throws(SystemError) -> (path: String, descriptor: Int32) {
    while true {
        let path = temporaryName(in: directory)
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        if descriptor >= 0 { return (path, descriptor) }
        if errno != EEXIST && errno != EINTR { throw SystemError("create", path) }
    }
}

private func syncDirectory(_ path: String) throws(SystemError) {
    let descriptor = Int32(
        try systemCall("open", path) { Int(Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) })
    defer { close(descriptor) }
    // Some network file systems know no such thing.
    if fsync(descriptor) != 0 && errno != EINVAL && errno != ENOTSUP { throw SystemError("sync", path) }
}

private func copy(
    _ body: Spool, to descriptor: Int32, _ path: String, _ cancellation: CancellationSignal
) throws {
    var offset = 0
    if let source = body.fileDescriptor {
        // The kernel copies without our memory. Where it can't or won't, the loop below goes on, and fails
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
