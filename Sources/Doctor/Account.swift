import Glibc

/// A user of this host, with its groups.
struct Account: Sendable, Equatable {
    var id: UInt32
    /// The primary group first.
    var groups: [UInt32]
    /// nil if it has none.
    var name: String?

    /// `pdns (uid 104)`, or `uid 104`.
    var text: String { name.map { "\($0) (uid \(id))" } ?? "uid \(id)" }
    /// For chown.
    var ownership: String { "\(id):\(groups.first ?? id)" }

    /// The user with a name or a number, as in PowerDNS's setting `setuid`; nil if it does not exist.
    static func named(_ name: String) -> Account? {
        if let id = UInt32(name) { return of(id) }
        return read { entry, buffer, found in
            getpwnam_r(name, entry, buffer, Self.bufferSize, found)
        }
    }

    /// The user with a number, which may have no name.
    ///
    /// - Parameter group: an additional group, known from its files.
    static func of(_ id: UInt32, group: UInt32? = nil) -> Account {
        let known = read { entry, buffer, found in getpwuid_r(id, entry, buffer, Self.bufferSize, found) }
        guard var account = known else { return Account(id: id, groups: [group ?? id], name: nil) }
        if let group { account.groups = [group] + account.groups.filter { $0 != group } }
        return account
    }

    private typealias Lookup = (
        UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>,
        UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
    ) -> Int32

    private static let bufferSize = 16 << 10

    private static func read(_ lookUp: Lookup) -> Account? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: bufferSize)
        return buffer.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, lookUp(&entry, base, &found) == 0, found != nil,
                let name = entry.pw_name
            else { return nil }
            var groups = [gid_t](repeating: 0, count: 256)
            var count = Int32(groups.count)
            guard getgrouplist(name, entry.pw_gid, &groups, &count) >= 0 else {
                return Account(id: entry.pw_uid, groups: [entry.pw_gid], name: String(cString: name))
            }
            return Account(id: entry.pw_uid, groups: Array(groups.prefix(Int(count))), name: String(cString: name))
        }
    }
}

/// The user of an application, who must be able to use its LMDBs.
struct ApplicationUser: Sendable, Equatable {
    var account: Account
    /// How the user was determined: a phrase.
    var reason: String

    /// Determines the user of each database, and records conflicts within a directory.
    ///
    /// - Parameters:
    ///   - powerDNS: the user in PowerDNS's configuration.
    ///   - isPowerDNS: whether a data file is PowerDNS's.
    static func assign(_ files: [FileFacts], powerDNS: Account?, isPowerDNS: (FileFacts) -> Bool) -> [FileFacts] {
        var assigned = files
        for (index, facts) in files.enumerated() {
            if let powerDNS, isPowerDNS(facts) {
                assigned[index].application = ApplicationUser(
                    account: powerDNS, reason: "the user in pdns.conf (setuid)")
                continue
            }
            let directory = FileChecks.directory(of: facts.dataFile)
            let beside = files.filter { FileChecks.directory(of: $0.dataFile) == directory }
            assigned[index].application = guess(beside)
            let owners = Set(beside.compactMap(\.data?.owner)).subtracting([0])
            guard assigned[index].application == nil, owners.count > 1 else { continue }
            assigned[index].rivals = owners.subtracting(facts.data.map { [$0.owner] } ?? []).sorted()
        }
        return assigned
    }

    /// The owner of the files of one directory; nil if they belong to root, or to several users.
    ///
    /// Files of root are ignored, unless all are root's.
    static func guess(_ files: [FileFacts]) -> ApplicationUser? {
        guard let directory = files.first?.directory else { return nil }
        func only(_ statuses: [FileStatus]) -> FileStatus? {
            let others = statuses.filter { $0.owner != 0 }
            guard let first = others.first, others.allSatisfy({ $0.owner == first.owner }) else { return nil }
            return first
        }
        func user(_ status: FileStatus, _ reason: String) -> ApplicationUser {
            ApplicationUser(account: Account.of(status.owner, group: status.group), reason: reason)
        }
        let data = files.compactMap(\.data)
        if let status = only(data) { return user(status, "the owner of the LMDBs there") }
        let owners = Set(data.map(\.owner)).subtracting([0])
        if directory.owner != 0, owners.isEmpty || owners.contains(directory.owner) {
            return user(directory, "the owner of the directory")
        }
        guard owners.isEmpty, let status = only(files.compactMap(\.lock)) else { return nil }
        return user(status, "the owner of the lock files there")
    }
}
