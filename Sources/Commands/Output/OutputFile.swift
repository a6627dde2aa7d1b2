import Daemon
import Glibc
import Support

/// An output file: it appears complete or not at all, and only its owner can read it.
///
/// It may contain private keys, and its directory may be writable by others, such as /tmp. It
/// is therefore written with a new name in the same directory and renamed; existing files are neither written to nor
/// followed.
enum OutputFile {
    /// Writes the bytes to a file of mode 0600, or of the mode of the user's own file that it replaces.
    ///
    /// `/dev/stdout`, `/dev/fd/N` and `/dev/null` are written to directly.
    static func write(_ spool: Spool, to path: String) throws {
        if let descriptor = openedDescriptor(path) {
            return try copy(spool) { try writeAll($0, to: descriptor, path) }
        }
        if path == "/dev/null" { return try copy(spool) { _ in } }
        let (place, name) = split(path)
        guard name != ".", name != ".." else {
            throw CommandFault.isDirectory(path)
        }
        let directory = try openDirectory(place, for: path)
        defer { close(directory) }
        let replaced = try statusOfReplaced(name, in: directory, path)
        let temporary = ".\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp"
        let descriptor = Int32(
            try systemCall("create", "a file beside \(path)") {
                Int(openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600))
            })
        do {
            defer { close(descriptor) }
            try copy(spool) { try writeAll($0, to: descriptor, path) }
            if let replaced {
                // A group without access before does not get access.
                let keepsGroup = fchown(descriptor, uid_t.max, replaced.st_gid) == 0
                let mode = replaced.st_mode & (keepsGroup ? 0o777 : 0o700)
                _ = try systemCall("set the mode of", path) { Int(fchmod(descriptor, mode)) }
            }
            _ = try systemCall("sync", path) { Int(fsync(descriptor)) }
            _ = try systemCall("rename to", path) { Int(renameat(directory, temporary, directory, name)) }
        } catch {
            unlinkat(directory, temporary, 0)
            throw error
        }
    }

    /// Passes all bytes in blocks.
    static func copy(_ spool: Spool, _ write: (UnsafeRawBufferPointer) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var offset = 0
        while offset < spool.count {
            let count = try spool.read(at: offset, into: buffer)
            guard count > 0 else { break }
            try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += count
        }
    }

    /// A descriptor opened by the caller: shells use such a path for a pipe.
    private static func openedDescriptor(_ path: String) -> Int32? {
        if path == "/dev/stdout" { return STDOUT_FILENO }
        for prefix in ["/dev/fd/", "/proc/self/fd/"] where path.hasPrefix(prefix) {
            return Int32(path.dropFirst(prefix.count))
        }
        return nil
    }

    private static func split(_ path: String) -> (directory: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let name = String(path[path.index(after: slash)...])
        return (slash == path.startIndex ? "/" : String(path[..<slash]), name.isEmpty ? "." : name)
    }

    /// - Returns: the status of the file to be replaced; nil if it does not exist.
    private static func statusOfReplaced(_ name: String, in directory: Int32, _ path: String) throws -> stat? {
        var status = stat()
        guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            guard errno == ENOENT else { throw SystemError("examine", path) }
            return nil
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw CommandFault.isDirectory(path)
        case S_IFLNK: throw CommandFault.isLink(path)
        default: throw CommandFault.isSpecial(path)
        }
        guard status.st_uid == geteuid() else {
            throw CommandFault.fileOfAnother(path, owner: status.st_uid, user: geteuid())
        }
        return status
    }

    /// Opens the directory of the file. Symbolic links in the path are followed only if they belong to this user or
    /// root, because anybody can create one in /tmp.
    private static func openDirectory(_ place: String, for path: String) throws -> Int32 {
        let flags = Self.pathOnly | O_CLOEXEC | O_NOFOLLOW
        func opened(_ name: String, in directory: Int32, _ more: Int32) throws(SystemError) -> Int32 {
            Int32(try systemCall("open the directory of", path) { Int(openat(directory, name, flags | more)) })
        }
        var current = try opened(place.hasPrefix("/") ? "/" : ".", in: AT_FDCWD, O_DIRECTORY)
        do {
            var rest = place.split(separator: "/").map(String.init)
            var links = 0
            while !rest.isEmpty {
                let name = rest.removeFirst()
                let next = try opened(name, in: current, 0)
                var status = stat()
                guard fstat(next, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else {
                    close(current)
                    current = next
                    continue
                }
                defer { close(next) }
                guard status.st_uid == 0 || status.st_uid == geteuid() else {
                    throw CommandFault.throughLink(path, owner: status.st_uid, link: name)
                }
                links += 1
                guard links <= 40 else { throw SystemError("open the directory of", path, code: ELOOP) }
                let target = try self.target(of: next, path)
                rest = target.split(separator: "/").map(String.init) + rest
                if target.hasPrefix("/") {
                    let root = try opened("/", in: AT_FDCWD, O_DIRECTORY)
                    close(current)
                    current = root
                }
            }
        } catch {
            close(current)
            throw error
        }
        return current
    }

    // O_PATH, whose macro Swift cannot import.
    private static let pathOnly: Int32 = 0o10_000_000

    private static func target(of link: Int32, _ path: String) throws(SystemError) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = try systemCall("read a symbolic link on the way to", path) {
            readlinkat(link, "", &buffer, buffer.count)
        }
        return String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
