import Glibc

/// Prevents two daemons from syncing one LMDB: a lock on a file beside it, `{data file}-lightningstream`.
///
/// The lock belongs to the open file (an OFD lock, fcntl), so the kernel releases it however the process ends. The file
/// stays. It names the holder and contains a secret that identifies it. Only users who may write the LMDB may read and
/// lock the file, because others could block the daemon.
package final class DaemonLock: Sendable {
    /// The result of an attempt to lock.
    package enum Outcome: Sendable {
        /// The lock is held as long as the object lives.
        case locked(DaemonLock)
        /// Another process holds it: a phrase that names it.
        case taken(by: String)
        /// There is no LMDB yet.
        case noDatabase
        /// Locking is impossible: a phrase with the reason.
        case unavailable(String)
    }

    /// The state of an LMDB's lock.
    package enum Standing: Sendable, Equatable {
        /// There is no file, or it cannot be read.
        case unknown
        /// No process holds it.
        case free
        /// A daemon holds it: a phrase that names it, and its secret.
        case held(by: String, token: String?)
    }

    private let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// The lock file, beside the data file with symbolic links resolved.
    package static func path(dataFile: String) -> String {
        guard let resolved = realpath(dataFile, nil) else { return dataFile + "-lightningstream" }
        defer { free(resolved) }
        return String(cString: resolved) + "-lightningstream"
    }

    /// Takes the lock.
    ///
    /// - Parameters:
    ///   - dataFile: the LMDB's data file.
    ///   - hostname: this host's name, for processes that find the lock taken.
    ///   - token: the secret of this process; one word.
    package static func take(dataFile: String, hostname: String, token: String) -> Outcome {
        let path = path(dataFile: dataFile)
        var data = stat()
        guard stat(dataFile, &data) == 0 else { return .noDatabase }
        guard data.st_nlink == 1 else {
            return .unavailable(
                "\(dataFile) has \(data.st_nlink) names (hard links), and each would have a lock of its own")
        }
        var descriptor = openFile(path, O_RDWR)
        if descriptor < 0, errno == ENOENT {
            makeFile(path, like: dataFile)
            descriptor = openFile(path, O_RDWR)
        }
        guard descriptor >= 0 else { return .unavailable("cannot open \(path): \(errorText())") }
        var request = wholeFile()
        guard isRegular(descriptor) else {
            close(descriptor)
            return .unavailable("\(path) is not a regular file")
        }
        guard fcntl(descriptor, setLock, &request) == 0 else {
            let code = errno
            defer { close(descriptor) }
            guard code == EAGAIN || code == EACCES else {
                return .unavailable("cannot lock \(path): \(errorText(code))")
            }
            return .taken(by: read(descriptor).holder)
        }
        let text = Array("pid \(getpid())\nhost \(hostname.filter { !$0.isNewline })\ntoken \(token)\n".utf8)
        guard pwrite(descriptor, text, text.count, 0) == text.count, ftruncate(descriptor, text.count) == 0 else {
            defer { close(descriptor) }
            return .unavailable("cannot write \(path): \(errorText())")
        }
        return .locked(DaemonLock(descriptor))
    }

    /// Reads the state of the lock without taking it.
    package static func look(dataFile: String) -> Standing {
        let descriptor = openFile(path(dataFile: dataFile), O_RDONLY)
        guard descriptor >= 0 else { return .unknown }
        defer { close(descriptor) }
        var request = wholeFile()
        guard isRegular(descriptor), fcntl(descriptor, getLock, &request) == 0 else { return .unknown }
        if request.l_type == Int16(F_UNLCK) { return .free }
        let (holder, token) = read(descriptor)
        return .held(by: holder, token: token)
    }

    // The values of F_OFD_GETLK and F_OFD_SETLK, which some headers lack; the same on all architectures.
    private static let getLock: Int32 = 36
    private static let setLock: Int32 = 37

    private static func wholeFile() -> flock {
        var request = flock()
        request.l_type = Int16(F_WRLCK)
        request.l_whence = Int16(SEEK_SET)
        return request
    }

    private static func openFile(_ path: String, _ access: Int32) -> Int32 {
        open(path, access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
    }

    private static func isRegular(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Creates the file with the owner and group of the LMDB, if permitted; readable for users who may write
    /// the LMDB.
    private static func makeFile(_ path: String, like dataFile: String) {
        var status = stat()
        guard stat(dataFile, &status) == 0 else { return }
        var mode: mode_t = 0o600
        if status.st_mode & 0o020 != 0 { mode |= 0o060 }
        if status.st_mode & 0o002 != 0 { mode |= 0o006 }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        if fchown(descriptor, status.st_uid, status.st_gid) != 0, fchown(descriptor, uid_t.max, status.st_gid) != 0 {
            // A group other than the LMDB's gets no access.
            mode &= ~0o060
        }
        _ = fchmod(descriptor, mode)
        close(descriptor)
    }

    private static func read(_ descriptor: Int32) -> (holder: String, token: String?) {
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        var fields: [Substring: Substring] = [:]
        for line in String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            if parts.count == 2 { fields[parts[0]] = parts[1] }
        }
        guard let pid = fields["pid"].flatMap({ Int32($0) }) else { return ("another process", nil) }
        let host = (fields["host"] ?? "").filter { $0.isASCII && ($0.isLetter || $0.isNumber || ".-_".contains($0)) }
        return ("process \(pid)" + (host.isEmpty ? "" : " on \(host)"), fields["token"].map(String.init))
    }

    private static func errorText(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
}
