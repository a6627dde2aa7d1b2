import Glibc

/// The status of a file.
struct FileStatus: Sendable, Equatable {
    var owner: UInt32
    var group: UInt32
    /// Permission bits.
    var mode: UInt32
    /// Whether this process may read it.
    var isReadable: Bool
    /// Whether this process may write to it.
    var isWritable: Bool
    /// Bits of ``mode`` that have no effect, because a parent directory denies access to the group, or to others.
    var shut: UInt32 = 0

    /// nil if it does not exist.
    static func read(_ path: String) -> FileStatus? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return FileStatus(
            owner: status.st_uid, group: status.st_gid, mode: status.st_mode & 0o7777,
            isReadable: faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0,
            isWritable: faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0, shut: shut(above: realPath(path)))
    }

    private static func shut(above path: String) -> UInt32 {
        var shut: UInt32 = 0
        var path = path
        while path != "/", path.hasPrefix("/") {
            path = FileChecks.directory(of: path)
            var status = stat()
            guard stat(path, &status) == 0 else { break }
            if status.st_mode & 0o001 == 0 { shut |= 0o007 }
            if status.st_mode & 0o011 == 0 { shut |= 0o070 }
        }
        return shut
    }

    var text: String { "uid \(owner), gid \(group), mode 0\(String(mode, radix: 8))" }

    /// Whether a user may read and write it.
    func allows(_ user: Account) -> Bool {
        if user.id == 0 { return true }
        let wanted: UInt32 = user.id == owner ? 0o600 : user.groups.contains(group) ? 0o060 : 0o006
        return mode & wanted == wanted
    }

    /// Whether a user may open files in this directory.
    func lets(_ user: Account) -> Bool {
        if user.id == 0 { return true }
        return mode & (user.id == owner ? 0o100 : user.groups.contains(group) ? 0o010 : 0o001) != 0
    }

    /// Who else has access.
    enum Exposure { case nobody, group, everybody }

    /// - Parameter user: a user whose process may read it through the group, which does not count as exposure.
    func exposure(to user: Account? = nil) -> Exposure {
        let open = mode & ~shut
        if open & 0o006 != 0 { return .everybody }
        if open & 0o060 == 0 { return .nobody }
        // A directory with the set-group-ID bit is intentionally shared with its group.
        if mode & 0o2000 != 0 { return .nobody }
        if let user, user.id != owner, user.groups.contains(group) { return .nobody }
        return .group
    }
}

/// Checks whether others on this host can read files that may contain private keys.
enum ExposureChecks {
    /// Checks a directory of snapshots that are readable only by their owner.
    static func check(directory path: String, _ status: FileStatus, _ name: String, _ findings: inout Findings) {
        let open = status.mode & ~status.shut
        let everybody = "\(path) is \(status.text): everybody on this host can"
        if open & 0o003 == 0o003 {
            findings.fail(
                name, "\(everybody) put snapshots there, which are merged", cure: "chmod o-rwx \(path)")
        } else if open & 0o004 != 0 {
            findings.warn(
                name, "\(everybody) see the names of the snapshots, which contain those of the instances",
                cure: "chmod o-rwx \(path)")
        } else if status.exposure() == .group {
            check(name, path, status, holds: "the snapshots in it", &findings)
        } else {
            findings.pass(name, status.text)
        }
    }

    /// Adds a finding if others have access to the file.
    ///
    /// - Returns: whether a finding was added.
    @discardableResult
    static func check(
        _ name: String, _ path: String, _ status: FileStatus, reader: Account? = nil, holds what: String,
        _ findings: inout Findings
    ) -> Bool {
        switch status.exposure(to: reader) {
        case .nobody: return false
        case .group:
            findings.warn(
                name, "\(path) is \(status.text): the group has access to \(what)",
                cure: "chmod g-rwx \(path), unless all members of gid \(status.group) should have access")
        case .everybody:
            findings.fail(
                name, "\(path) is \(status.text): everybody on this host has access to \(what)",
                cure: "chmod o-rwx \(path)")
        }
        return true
    }
}
