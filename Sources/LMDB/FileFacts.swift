import Glibc

/// A failed system call on a file.
struct FileFailure: Error {
    /// The value of `errno`.
    var code: Int32
    /// The operation, as a verb phrase.
    var operation: String
}

/// Device and inode, which distinguish a file from a replacement with the same name.
package struct FileIdentity: Hashable, Sendable {
    /// The device.
    package var device: UInt
    /// The inode on it.
    package var inode: UInt

    /// The identity of the file at a path, nil if it does not exist or is not accessible.
    init?(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
    }
}

/// File system queries, and the few changes that opening an LMDB makes.
enum FileFacts {
    /// Whether the file system of a file is nearly full.
    static func isDiskFull(_ path: String) -> Bool {
        var status = statvfs()
        // Too little for a small write of many pages by LMDB.
        return statvfs(path, &status) == 0 && status.f_bavail * UInt(status.f_frsize) < 1 << 20
    }

    enum Kind: Equatable {
        case missing
        case directory
        case file(size: Int)
        case other
    }

    static func kind(of path: String) throws(FileFailure) -> Kind {
        var status = stat()
        guard stat(path, &status) == 0 else {
            let code = errno
            if code == ENOENT || code == ENOTDIR { return .missing }
            throw FileFailure(code: code, operation: "open the file")
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return .directory
        case S_IFREG: return .file(size: Int(status.st_size))
        default: return .other
        }
    }

    /// The part of a path before its last slash.
    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static let defaultDirectoryMode: mode_t = 0o775
    static let defaultFileMode: mode_t = 0o664

    /// Creates a directory and its missing parents; each new one gets exactly `mode`, whatever the umask, or the
    /// default less the umask.
    static func makeDirectories(_ path: String, mode: mode_t?) throws(FileFailure) {
        if try kind(of: path) == .directory { return }
        let parent = directory(of: path)
        if parent != path { try makeDirectories(parent, mode: mode) }
        guard mkdir(path, mode ?? defaultDirectoryMode) == 0 else {
            let code = errno
            if code == EEXIST { return }
            throw FileFailure(code: code, operation: "create the directory \(path)")
        }
        guard let mode else { return }
        // A new directory inherits the set-group-ID bit.
        var status = stat()
        let inherited = stat(path, &status) == 0 ? status.st_mode & S_ISGID : 0
        _ = chmod(path, mode | inherited)
    }

    /// Creates an empty file with exactly `mode`, whatever the umask, or the default less the umask, unless it
    /// exists.
    static func makeFile(_ path: String, mode: mode_t?) throws(FileFailure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode ?? defaultFileMode)
        guard descriptor >= 0 else {
            let code = errno
            if code == EEXIST { return }
            throw FileFailure(code: code, operation: "create the file")
        }
        if let mode { _ = fchmod(descriptor, mode) }
        close(descriptor)
    }

    /// Creates an empty file with the mode of `model` and, if permitted, its owner and group, unless
    /// it exists.
    static func makeFile(_ path: String, like model: String) {
        var status = stat()
        guard stat(model, &status) == 0 else { return }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode & 0o777)
        guard descriptor >= 0 else { return }
        // Changing the owner requires root; changing the group requires membership.
        if fchown(descriptor, status.st_uid, status.st_gid) != 0 { _ = fchown(descriptor, uid_t.max, status.st_gid) }
        _ = fchmod(descriptor, status.st_mode & 0o777)
        close(descriptor)
    }

    /// The user in whose directory root would create a file: the owner of the nearest existing directory; nil if
    /// this process is not root's, or the directory is.
    static func foreignOwner(ofDirectoryFor path: String) -> (directory: String, owner: uid_t)? {
        guard geteuid() == 0 else { return nil }
        var status = stat()
        var above = directory(of: path)
        while stat(above, &status) != 0, above != directory(of: above) { above = directory(of: above) }
        return status.st_uid == 0 ? nil : (above, status.st_uid)
    }

    /// The user for `sudo -u`: the name, or `#` and the number if it has none.
    static func userName(_ user: uid_t) -> String {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        return buffer.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, getpwuid_r(user, &entry, base, buffer.count, &found) == 0,
                found != nil, let name = entry.pw_name
            else { return "'#\(user)'" }
            return String(cString: name)
        }
    }

    /// The reason why this process may not use an LMDB, for an error: the inaccessible file and its owner.
    static func obstacles(_ options: EnvironmentOptions) -> String {
        let wanted = options.readOnly ? R_OK : R_OK | W_OK
        var candidates: [(path: String, access: Int32)] = []
        var above = directory(of: options.dataFile)
        while access(above, F_OK) != 0, above != directory(of: above) { above = directory(of: above) }
        let isComplete = access(options.dataFile, F_OK) == 0 && access(options.lockFile, F_OK) == 0
        candidates.append((above, isComplete || options.readOnly ? X_OK : W_OK | X_OK))
        candidates.append((options.dataFile, wanted))
        candidates.append((options.lockFile, R_OK | W_OK))
        let refused = candidates.filter { candidate in
            faccessat(AT_FDCWD, candidate.path, candidate.access, AT_EACCESS) != 0 && errno != ENOENT
        }
        let names = refused.compactMap { candidate -> String? in
            var status = stat()
            guard stat(candidate.path, &status) == 0 else { return nil }
            let mode = String(status.st_mode & 0o7777, radix: 8)
            return "\(candidate.path) belongs to uid \(status.st_uid) gid \(status.st_gid), mode 0\(mode)"
        }
        let who = "this process runs as uid \(geteuid()) gid \(getegid())"
        guard !names.isEmpty else {
            return "\(who), and the file modes allow it; check the mount options, SELinux or AppArmor"
        }
        let what =
            options.readOnly ? "the data file must be readable and its lock file" : "data file and lock file must be"
        return "\(names.joined(separator: ", ")), \(who); \(what) writable for it"
    }
}
