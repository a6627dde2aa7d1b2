import Glibc

/// Facts about the files of a database.
struct FileFacts: Sendable, Equatable {
    var dataFile: String
    var lockFile: String
    /// nil if it does not exist.
    var data: FileStatus?
    /// nil if it does not exist.
    var lock: FileStatus?
    /// The directory of both; nil if it does not exist.
    var directory: FileStatus?
    /// nil if unknown.
    var fileSystem: FileSystemKind?
    /// Whether a missing data file is created at start.
    var creates: Bool
    /// The effective user of this process.
    var user: UInt32
    /// The user of the application; nil if unknown, or root.
    var application: ApplicationUser?
    /// The owners of the directory's other LMDBs, if they differ and the right one is unknown.
    var rivals: [UInt32] = []
    /// Free space for the data file; nil if unknown.
    var space: FreeSpace?
}

/// Checks location, owners and modes of a database's files.
enum FileChecks {
    static func check(_ facts: FileFacts, _ findings: inout Findings) {
        checkFileSystem(facts, &findings)
        guard let data = facts.data else { return checkMissing(facts, &findings) }
        checkData(data, facts, &findings)
        checkLock(data, facts, &findings)
        if let space = facts.space {
            SpaceChecks.check("room", FileChecks.directory(of: facts.dataFile), space, &findings)
        }
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
                "file system", "\(kind.name): whether memory maps and locks work depends on the backing file system",
                cure: "keep the LMDB on a local file system such as ext4 or XFS")
        case .unsafe:
            findings.fail(
                "file system", "\(kind.name): LMDB's memory map and locks do not work across hosts; data will be lost",
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
                name, "there is no \(facts.dataFile), and it cannot be created: its directory is \(directory.text)",
                cure: "make the directory writable for this user (uid \(facts.user)), or run as the application's user")
        } else if facts.user == 0, let directory = facts.directory, directory.owner != 0 {
            findings.pass(
                name,
                "there is no \(facts.dataFile) yet; it is created at start (options.create) as uid \(directory.owner), "
                    + "the owner of the directory, and never as root")
        } else {
            findings.pass(name, "there is no \(facts.dataFile) yet; it is created at start (options.create)")
        }
    }

    private static func checkData(_ data: FileStatus, _ facts: FileFacts, _ findings: inout Findings) {
        let name = "owner and mode"
        if let application = facts.application, !data.allows(application.account) {
            return findings.fail(
                name,
                "\(facts.dataFile) is \(data.text), but \(application.account.text), \(application.reason), cannot use it",
                cure: "chown \(application.account.ownership) \(facts.dataFile)")
        }
        if let application = facts.application, let directory = facts.directory, !directory.lets(application.account) {
            let path = FileChecks.directory(of: facts.dataFile)
            return findings.fail(
                name,
                "\(path) is \(directory.text), but \(application.account.text), \(application.reason), cannot open files in it",
                cure: "chown \(application.account.ownership) \(path)")
        }
        guard data.isReadable, data.isWritable else {
            let user = facts.application?.account ?? Account.of(data.owner)
            return findings.fail(
                name,
                "\(facts.dataFile) is \(data.text): this user (uid \(facts.user)) may not "
                    + (data.isReadable ? "write to it" : "read it"),
                cure: "run lightningstream, and doctor, as the user of the application: \(user.text)")
        }
        if !facts.rivals.isEmpty {
            return findings.fail(
                name,
                "\(facts.dataFile) is \(data.text), but other LMDBs in its directory belong to "
                    + facts.rivals.map { "uid \($0)" }.joined(separator: ", "),
                cure: "chown all of them to the user of the application")
        }
        if ExposureChecks.check(
            name, facts.dataFile, data, reader: facts.application?.account, holds: "private keys in it", &findings)
        {
            return
        }
        if facts.user == 0, data.owner != 0 {
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
            return findings.pass(
                name, "it does not exist: no process has the LMDB open; it is created when the LMDB is opened")
        }
        // The owner of the data file may be the mistake, too.
        let owner = facts.application?.account ?? Account.of(data.owner, group: data.group)
        let reason = facts.application?.reason ?? "the owner of the data file"
        if !lock.allows(owner) {
            // Typically created by root, who opened the LMDB before the application did.
            findings.fail(
                name, "\(facts.lockFile) is \(lock.text), but \(owner.text), \(reason), cannot use it",
                cure: "chown \(owner.ownership) \(facts.lockFile)")
        } else if !lock.isReadable || !lock.isWritable {
            findings.fail(
                name, "\(facts.lockFile) is \(lock.text): this user (uid \(facts.user)) may not write to it",
                cure: "run lightningstream, and doctor, as the user of the application: \(owner.text)")
        } else if lock.owner != owner.id || lock.group != data.group && lock.group != owner.groups.first {
            findings.warn(
                name, "\(facts.lockFile) is \(lock.text), the data file \(data.text)",
                cure: "chown \(owner.ownership) \(facts.lockFile), unless the difference is intended")
        } else if lock.mode & ~lock.shut & 0o002 != 0 {
            findings.fail(
                name,
                "\(facts.lockFile) is \(lock.text): everybody on this host can block the application's access to its LMDB",
                cure: "chmod o-rwx \(facts.lockFile)")
        } else {
            findings.pass(name, "same owner as the data file, writable")
        }
    }
}
