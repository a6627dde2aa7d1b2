import Glibc

/// What the file system says about a path.
enum FileFacts {
    enum Kind { case missing, directory, file(size: Int), other }

    static func kind(of path: String) throws(LMDBError) -> Kind {
        var status = stat()
        guard stat(path, &status) == 0 else {
            let code = errno
            if code == ENOENT || code == ENOTDIR { return .missing }
            throw LMDBError(code, "open the file", path: path)
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return .directory
        case S_IFREG: return .file(size: Int(status.st_size))
        default: return .other
        }
    }

    /// Device and inode, which tell a file from another that took its name.
    static func identity(of path: String) -> (device: UInt, inode: UInt)? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return (UInt(status.st_dev), UInt(status.st_ino))
    }

    /// Owner and mode of the file, or of the nearest directory above it that exists, for an error message.
    static func ownership(of path: String) -> String {
        var candidate = path
        var status = stat()
        while stat(candidate, &status) != 0 {
            let parent = directory(of: candidate)
            guard parent != candidate else { return "owner unknown" }
            candidate = parent
        }
        let mode = String(status.st_mode & 0o7777, radix: 8)
        return "\(candidate) belongs to uid \(status.st_uid) gid \(status.st_gid), mode 0\(mode)"
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Gives a file that this process has just made the owner and mode of `model`, as far as it may.
    static func copyOwnership(from model: String, to path: String) {
        var status = stat()
        guard stat(model, &status) == 0 else { return }
        _ = chown(path, status.st_uid, status.st_gid)
        _ = chmod(path, status.st_mode & 0o777)
    }

    /// Makes a directory and all missing ones above it; each new one gets exactly `mode`, whatever the umask.
    static func makeDirectories(_ path: String, mode: mode_t) throws(LMDBError) {
        if case .directory = try kind(of: path) { return }
        let parent = directory(of: path)
        if parent != path { try makeDirectories(parent, mode: mode) }
        guard mkdir(path, mode) == 0 else {
            let code = errno
            if code == EEXIST { return }
            throw LMDBError(code, "create the directory \(path)", path: path)
        }
        _ = chmod(path, mode)
    }
}
