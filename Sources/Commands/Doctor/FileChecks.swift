import Glibc

/// What the system says about a file.
struct FileStatus: Sendable, Equatable {
    var owner: UInt32
    var group: UInt32
    /// Permission bits.
    var mode: UInt32
    /// Whether this process may read it.
    var isReadable: Bool
    /// Whether this process may write to it.
    var isWritable: Bool

    /// nil when there is none.
    static func read(_ path: String) -> FileStatus? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return FileStatus(
            owner: status.st_uid, group: status.st_gid, mode: status.st_mode & 0o7777,
            isReadable: faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0,
            isWritable: faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0)
    }

    var text: String { "uid \(owner), gid \(group), mode 0\(String(mode, radix: 8))" }
}

/// What is known about the files of a database.
struct FileFacts: Sendable, Equatable {
    var dataFile: String
    var lockFile: String
    /// nil when there is none.
    var data: FileStatus?
    /// nil when there is none.
    var lock: FileStatus?
    /// The directory that holds both; nil when there is none.
    var directory: FileStatus?
    /// nil when it can't be told.
    var fileSystem: FileSystemKind?
    /// Whether a missing data file is made at start.
    var creates: Bool
    /// The effective user of this process.
    var user: UInt32
}

/// Whether the files of a database are where they can be used, by whom they must be.
enum FileChecks {
    static func check(_ facts: FileFacts, _ findings: inout Findings) {
        checkFileSystem(facts, &findings)
        guard let data = facts.data else { return checkMissing(facts, &findings) }
        checkData(data, facts, &findings)
        checkLock(data, facts, &findings)
    }

    /// The part of a path before its last slash.
    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func checkFileSystem(_ facts: FileFacts, _ findings: inout Findings) {
        guard let kind = facts.fileSystem else { return }
        switch kind.safety {
        case .safe: findings.pass("file system", kind.name)
        case .unknown:
            findings.warn(
                "file system", "\(kind.name): whether memory maps and locks work there depends on what is behind it",
                cure: "keep the LMDB on a local file system such as ext4 or XFS")
        case .unsafe:
            findings.fail(
                "file system", "\(kind.name): LMDB's memory map and locks don't work between its users; data gets lost",
                cure: "move the LMDB to a local file system such as ext4 or XFS; hosts share data through the storage")
        }
    }

    private static func checkMissing(_ facts: FileFacts, _ findings: inout Findings) {
        let name = "data file"
        guard facts.creates else {
            return findings.fail(
                name, "there is no \(facts.dataFile)",
                cure: "check path and options.no_subdir, start the application first, or set options.create: true")
        }
        if let directory = facts.directory, !directory.isWritable {
            findings.fail(
                name, "there is no \(facts.dataFile), and it can't be created: its directory is \(directory.text)",
                cure: "make the directory writable for this user (uid \(facts.user)), or run as the application's user")
        } else {
            findings.pass(name, "there is no \(facts.dataFile) yet; it is created at start (options.create)")
        }
    }

    private static func checkData(_ data: FileStatus, _ facts: FileFacts, _ findings: inout Findings) {
        let name = "owner and mode"
        guard data.isReadable, data.isWritable else {
            return findings.fail(
                name,
                "\(facts.dataFile) is \(data.text): this user (uid \(facts.user)) may not "
                    + (data.isReadable ? "write to it" : "read it"),
                cure: "run lightningstream, and doctor, as the user that the application runs as")
        }
        if data.mode & 0o002 != 0 {
            findings.warn(
                name, "\(facts.dataFile) is \(data.text): everybody on this host can change it",
                cure: "chmod o-w \(facts.dataFile)")
        } else if facts.user == 0, data.owner != 0 {
            findings.pass(name, "\(data.text); doctor runs as root, so run it as uid \(data.owner) to be sure")
        } else {
            findings.pass(name, data.text)
        }
    }

    private static func checkLock(_ data: FileStatus, _ facts: FileFacts, _ findings: inout Findings) {
        let name = "lock file"
        guard let lock = facts.lock else {
            if let directory = facts.directory, !directory.isWritable {
                return findings.fail(
                    name, "there is no \(facts.lockFile), and this user may not create it",
                    cure: "make the directory writable for this user (uid \(facts.user))")
            }
            return findings.pass(name, "there is none: nobody has the LMDB open; it is made when somebody opens it")
        }
        if !lock.isReadable || !lock.isWritable {
            findings.fail(
                name, "\(facts.lockFile) is \(lock.text): this user (uid \(facts.user)) may not write to it",
                cure:
                    "run as the user that the application runs as, or chown \(data.owner):\(data.group) \(facts.lockFile)"
            )
        } else if lock.owner != data.owner, lock.mode & 0o002 == 0, lock.mode & 0o020 == 0 || lock.group != data.group {
            // Typically made by root, who looked at the LMDB before the application did.
            findings.fail(
                name,
                "\(facts.lockFile) is \(lock.text), but the data file belongs to uid \(data.owner), who can't use it",
                cure: "chown \(data.owner):\(data.group) \(facts.lockFile)")
        } else if lock.owner != data.owner || lock.group != data.group {
            findings.warn(
                name, "\(facts.lockFile) is \(lock.text), the data file \(data.text)",
                cure: "chown \(data.owner):\(data.group) \(facts.lockFile), unless they are meant to differ")
        } else {
            findings.pass(name, "same owner as the data file, writable")
        }
    }
}
