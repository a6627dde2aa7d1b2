import Glibc
import Support

/// A directory as a storage: one file per object, with the same name.
///
/// A file is written under a temporary name ending in `.tmp`, fsynced and renamed. So readers, also on other
/// machines, see it complete or not at all, and it survives a power failure after ``store(_:_:)`` has returned.
/// Names that contain `/`, start with `.` or end in `.tmp` are rejected. Files with such names, and everything
/// that is not a regular file, including symbolic links, are never listed.
package final class FileSystemStore: BlobStore {
    /// The directory.
    package let rootPath: String

    private let pool = BlockingPool(label: "storage-fs", width: 8)
    private let temporaries: TemporaryFiles
    private let syncDirectory: @Sendable (Int32) -> Int32

    /// Opens the directory.
    ///
    /// - Parameters:
    ///   - create: whether it and its parents are created if missing. Only for the process that starts to
    ///     write: otherwise a missing directory may be an unmounted share, and an empty directory in its place would
    ///     look like a working storage.
    ///   - owner: the name of the instance whose daemon opens it. Its temporary files carry that name, and those of an
    ///     earlier daemon are removed. Commands omit it.
    /// - Throws: ``BlobStoreError`` if it cannot be created or is not a directory.
    package convenience init(rootPath: String, create: Bool = true, owner: String? = nil) throws(BlobStoreError) {
        try self.init(rootPath: rootPath, create: create, owner: owner, syncDirectory: { fsync($0) == 0 ? 0 : errno })
    }

    /// - Parameter syncDirectory: fsync(2) of an open directory; returns 0 or an error code.
    init(
        rootPath: String, create: Bool = true, owner: String? = nil,
        syncDirectory: @escaping @Sendable (Int32) -> Int32
    ) throws(BlobStoreError) {
        self.rootPath = rootPath
        self.syncDirectory = syncDirectory
        temporaries = TemporaryFiles(directory: rootPath, owner: owner)
        guard !rootPath.isEmpty, !rootPath.utf8.contains(0) else {
            throw BlobStoreError(.other, nil, .noDirectory)
        }
        guard create else { return }
        do {
            try Self.createDirectories(rootPath)
        } catch {
            throw Self.explain(error, Self.opening, rootPath, name: nil)
        }
        if owner != nil { temporaries.removeOwn() }
    }

    /// See ``BlobStore/list(prefix:)``.
    package func list(prefix: String) async throws -> [Blob] {
        try await call("list", prefix.isEmpty ? nil : "\(prefix)*") { [rootPath] cancellation in
            var blobs: [Blob] = []
            // Other files need not be examined.
            let isWanted = { (name: String) in Self.isObjectName(name) && name.startsBytewise(with: prefix) }
            try forEachFile(in: rootPath, where: isWanted) { name, status in
                try cancellation.check()
                blobs.append(
                    Blob(
                        name: name, size: Int(status.st_size), modified: nanoseconds(status.st_mtim),
                        version: fileVersion(status)))
            }
            return blobs.sorted { $0.name.precedesBytewise($1.name) }
        }
    }

    /// Reads from the open file: concurrent replacement or deletion does not affect the contents.
    package func load(_ name: String, atMost limit: Int) async throws -> Spool {
        try await loadVersion(name, atMost: limit).body
    }

    /// See ``load(_:atMost:)``.
    package func loadVersion(_ name: String, atMost limit: Int) async throws -> (body: Spool, version: String?) {
        try refuse(name, "load")
        return try await call("load", name) { [rootPath] _ in
            let path = "\(rootPath)/\(name)"
            // A pipe with this name must not block, and a link may refer to any file of the host.
            let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW
            let descriptor = Glibc.open(path, flags)
            guard descriptor >= 0 || errno != ELOOP else { throw Self.noFile(name, rootPath) }
            guard descriptor >= 0 else { throw SystemError("open", path) }
            var status = stat()
            do {
                _ = try systemCall("examine", path) { Int(fstat(descriptor, &status)) }
                guard status.st_mode & S_IFMT == S_IFREG else { throw Self.noFile(name, rootPath) }
                guard status.st_size <= limit else { throw BlobStoreError.tooLarge(name, .directory(rootPath), limit) }
            } catch {
                close(descriptor)
                throw error
            }
            return (Spool(owning: descriptor, count: Int(status.st_size)), fileVersion(status))
        }
    }

    /// A spool's file created in this directory is linked to its name; other contents are copied.
    package var stagingDirectory: String? { rootPath }

    /// See ``BlobStore/store(_:_:)``.
    @discardableResult
    package func store(_ name: String, _ body: Spool) async throws -> String? {
        try refuse(name, "store")
        return try await call("store", name) { [rootPath, temporaries, syncDirectory] cancellation in
            // First, because a directory that cannot be opened must not get an object.
            let directory = Int32(
                try systemCall("open", rootPath) { Int(Glibc.open(rootPath, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) })
            defer { close(directory) }
            let path = "\(rootPath)/\(name)"
            let replaces = access(path, F_OK) == 0
            let status: stat
            do {
                status = try temporaries.place(body, at: path, cancellation)
            } catch let error as SystemError where error.code == ENOENT {
                // Another daemon of this instance removed the temporary file at its start.
                status = try temporaries.place(body, at: path, cancellation)
            }
            let code = syncDirectory(directory)
            guard code == 0 || isUnsupportedSync(code) else {
                // The next attempt uses a new name, so this file would stay for ever.
                if !replaces { unlink(path) }
                throw SystemError("sync", rootPath, code: code)
            }
            return fileVersion(status)
        }
    }

    /// See ``BlobStore/removeLeftovers(olderThan:)``.
    package func removeLeftovers(olderThan age: Duration) async throws -> Int {
        try await call("clean up", nil) { [temporaries] _ in try temporaries.remove(olderThan: age) }
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
    package func changes(prefix: String) -> AsyncStream<StorageChange>? {
        watchDirectory(rootPath) { Self.isObjectName($0) && $0.startsBytewise(with: prefix) }
    }

    /// Whether a file of this name is an object.
    static func isObjectName(_ name: String) -> Bool {
        let bytes = name.utf8
        return !bytes.isEmpty && bytes.count <= 255 && bytes.first != UInt8(ascii: ".")
            && !bytes.contains(UInt8(ascii: "/")) && !bytes.contains(0) && !name.hasSuffix(".tmp")
    }

    private static func noFile(_ name: String, _ directory: String) -> BlobStoreError {
        BlobStoreError(.other, .init(operation: "load", object: name, place: .directory(directory)), .noRegularFile)
    }

    private func refuse(_ name: String, _ operation: String) throws(BlobStoreError) {
        guard !Self.isObjectName(name) else { return }
        throw BlobStoreError(
            .other, .init(operation: operation, object: name, place: .directory(rootPath)), .badFileName)
    }

    /// Runs `body` on a blocking thread, and converts its errors.
    private func call<Result: Sendable>(
        _ operation: String, _ name: String?, _ body: @escaping @Sendable (CancellationSignal) throws -> Result
    ) async throws -> Result {
        do {
            return try await pool.run(body)
        } catch let error as SystemError {
            throw Self.explain(error, operation, rootPath, name: name)
        }
    }

    /// The operation of an error of ``init(rootPath:create:owner:)``.
    private static let opening = "open storage directory"

    static func explain(
        _ error: SystemError, _ operation: String, _ directory: String, name: String?
    ) -> BlobStoreError {
        let kind: BlobStoreError.Kind =
            switch error.code {
            case EACCES, EPERM, EROFS: .accessDenied
            case ENOENT: .notFound
            default: .other
            }
        // The temporary directory of a spool may be on another file system.
        return BlobStoreError(
            kind, .init(operation: operation, object: name, place: .directory(directory)),
            .system(error, isPlace: error.subject.hasPrefix(directory)))
    }

    private static func createDirectories(_ path: String) throws(SystemError) {
        if mkdir(path, 0o700) == 0 { return }
        let code = errno
        if code == ENOENT, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash > path.startIndex {
            try createDirectories(String(path[..<slash]))
            if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
            throw SystemError("create", path)
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw SystemError("create", path, code: code) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw SystemError("open", path, code: ENOTDIR) }
    }
}

/// Since the UNIX epoch; nil for earlier times.
private func nanoseconds(_ time: timespec) -> UInt64? {
    guard let seconds = UInt64(exactly: time.tv_sec), let rest = UInt64(exactly: time.tv_nsec) else { return nil }
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? nil : scaled.addingReportingOverflow(rest).partialValue
}

/// Inode, size in bytes, and time of the last change of the contents in nanoseconds since the UNIX epoch.
private func fileVersion(_ status: stat) -> String {
    "\(status.st_ino)-\(status.st_size)-\(nanoseconds(status.st_mtim) ?? 0)"
}

/// Calls `body` with the name and status of each regular file with a wanted name. Links are not followed.
func forEachFile(
    in path: String, where isWanted: (String) -> Bool, _ body: (String, stat) throws -> Void
) throws {
    guard let directory = opendir(path) else { throw SystemError("open", path) }
    defer { closedir(directory) }
    while let name = try nextName(in: directory, path) {
        guard isWanted(name) else { continue }
        var status = stat()
        // It may have been deleted in the meantime.
        guard fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFREG
        else { continue }
        try body(name, status)
    }
}

/// Whether an error of fsync(2) means that the file system does not support it, as some network file systems.
func isUnsupportedSync(_ code: Int32) -> Bool { [EINVAL, ENOTSUP, EOPNOTSUPP, EBADF, ENOSYS].contains(code) }

/// The next name that is valid text; other names are not objects.
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
