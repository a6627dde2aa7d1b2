import CLMDB
import Foundation
import Testing

@testable import LMDB

/// Modes and owners: of what is made, and of what can't be used.
///
/// What depends on the user or the umask happens in child processes, as both belong to the process.
@Suite struct PermissionTests {
    private static let whatever: [(mode_t, UInt32, UInt32)] = [
        (0o077, 0o775, 0o664), (0o000, 0o700, 0o600), (0o777, 0o755, 0o640), (0o022, 0o750, 0o666),
    ]

    @Test(arguments: whatever)
    func createdFilesHaveTheirModes(_ umask: mode_t, _ directoryMode: UInt32, _ fileMode: UInt32) async throws {
        let scratch = try Scratch()
        await #expect(processExitsWith: .success) {
            [
                path = scratch.path as String, umask = umask as UInt32, directoryMode = directoryMode as UInt32,
                fileMode = fileMode as UInt32
            ] in
            _ = Glibc.umask(umask)
            for (name, noSubdirectory) in [("one/two", false), ("three/pdns.lmdb", true)] {
                let options = EnvironmentOptions(
                    path: path + "/" + name, noSubdirectory: noSubdirectory, create: true,
                    directoryMode: directoryMode, fileMode: fileMode)
                try LMDB.Environment(options).put([("k", "v")])
            }
        }
        for name in ["one", "one/two", "three"] {
            #expect(try FileState(scratch.path + "/" + name).mode == directoryMode, "\(name)")
        }
        for name in ["one/two/data.mdb", "one/two/lock.mdb", "three/pdns.lmdb", "three/pdns.lmdb-lock"] {
            #expect(try FileState(scratch.path + "/" + name).mode == fileMode, "\(name)")
        }
        // The parent that was there keeps its own.
        #expect(try FileState(scratch.path).mode == 0o755)
    }

    @Test(arguments: [0o077, 0o027, 0o022] as [mode_t])
    func theUmaskLimitsTheDefaults(_ umask: mode_t) async throws {
        let scratch = try Scratch()
        await #expect(processExitsWith: .success) { [path = scratch.path as String, umask = umask as UInt32] in
            _ = Glibc.umask(umask)
            try LMDB.Environment(EnvironmentOptions(path: path + "/one/two", create: true)).put([("k", "v")])
        }
        for name in ["one", "one/two"] {
            #expect(try FileState(scratch.path + "/" + name).mode == 0o775 & ~umask, "\(name)")
        }
        for name in ["one/two/data.mdb", "one/two/lock.mdb"] {
            #expect(try FileState(scratch.path + "/" + name).mode == 0o664 & ~umask, "\(name)")
        }
    }

    @Test(.enabled(if: geteuid() == 0), arguments: ["pdns.lmdb", "one/two/pdns.lmdb"])
    func rootMakesNothingInTheDirectoryOfAnotherUser(_ name: String) throws {
        let scratch = try Scratch()
        #expect(chown(scratch.path, 65534, 65534) == 0)
        let options = EnvironmentOptions(path: scratch.path + "/" + name, noSubdirectory: true, create: true)
        let error = lmdbError { _ = try LMDB.Environment(options) }
        #expect(error?.code == .noPermission)
        let text = error?.description ?? ""
        #expect(text.contains("\(scratch.path) belongs to uid 65534") && text.contains("sudo -u nobody"), "\(text)")
        #expect(try scratch.snapshot().isEmpty)
        // What is there is opened, and its lock file is its owner's.
        #expect(chown(scratch.path, 0, 0) == 0)
        try scratch.fill()
        unlink(scratch.lockFile)
        #expect(chown(scratch.path, 65534, 65534) == 0 && chown(scratch.file, 65534, 65534) == 0)
        try scratch.open().put([("k", "v")])
        #expect(try FileState(scratch.lockFile).owner == 65534)
    }

    @Test func createdDirectoriesHandDownTheGroupAsTheirParentDoes() throws {
        let scratch = try Scratch()
        #expect(chmod(scratch.path, 0o2755) == 0)
        _ = try LMDB.Environment(EnvironmentOptions(path: scratch.path + "/a", create: true, directoryMode: 0o770))
        #expect(try FileState(scratch.path + "/a").mode == 0o2770)
    }

    @Test func existingFilesKeepTheirModes() throws {
        let scratch = try Scratch()
        try scratch.fill()
        for file in [scratch.file, scratch.lockFile] { #expect(chmod(file, 0o604) == 0) }
        try scratch.open().put([("k", "v")])
        for file in [scratch.file, scratch.lockFile] { #expect(try FileState(file).mode == 0o604) }
    }

    @Test(arguments: [0o600, 0o660, 0o604] as [mode_t])
    func aNewLockFileIsLikeTheDataFile(_ mode: mode_t) throws {
        let scratch = try Scratch()
        try scratch.fill()
        unlink(scratch.lockFile)
        #expect(chmod(scratch.file, mode) == 0)
        // Only root can give files away; for others the owner is the same anyway.
        if geteuid() == 0 { #expect(chown(scratch.file, 65534, 65533) == 0) }
        let data = try FileState(scratch.file)
        try scratch.open().put([("k", "v")])
        let lock = try FileState(scratch.lockFile)
        #expect([lock.mode, lock.owner, lock.group] == [mode, data.owner, data.group])
        #expect(try FileState(scratch.file).mode == mode)
    }

    @Test func aNewLockFileHasTheGroupOfTheDataFileWhereTheOwnerCannotBeHad() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        unlink(scratch.lockFile)
        #expect(chmod(scratch.path, 0o777) == 0)
        #expect(chmod(scratch.file, 0o660) == 0)
        if geteuid() == 0 { #expect(chown(scratch.file, 0, 12345) == 0) }
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            giveUpPrivileges(groups: [12345])
            try LMDB.Environment(EnvironmentOptions(path: file, noSubdirectory: true)).put([("k", "v")])
        }
        let (data, lock) = (try FileState(scratch.file), try FileState(scratch.lockFile))
        #expect([lock.mode, lock.group] == [0o660, data.group])
    }

    // MARK: What can't be used

    /// What the child process finds: which modes, and what the error must name.
    private static let refusals: [(data: mode_t, lock: mode_t?, directory: mode_t, readOnly: Bool, names: String)] = [
        (0o000, 0o666, 0o755, false, "pdns.lmdb"), (0o000, 0o666, 0o755, true, "pdns.lmdb"),
        (0o444, 0o666, 0o755, false, "pdns.lmdb"), (0o666, 0o000, 0o755, false, "pdns.lmdb-lock"),
        (0o666, 0o444, 0o755, true, "pdns.lmdb-lock"), (0o666, nil, 0o555, false, ""),
        (0o666, 0o666, 0o000, false, ""), (0o666, nil, 0o000, true, ""),
    ]

    @Test(arguments: refusals)
    func whatCannotBeUsedIsNamedAndLeftAlone(
        _ data: mode_t, _ lock: mode_t?, _ directory: mode_t, _ readOnly: Bool, _ name: String
    ) async throws {
        let scratch = try Scratch()
        try scratch.fill()
        #expect(chmod(scratch.file, data) == 0)
        if let lock { #expect(chmod(scratch.lockFile, lock) == 0) } else { unlink(scratch.lockFile) }
        let before = try scratch.snapshot()
        #expect(chmod(scratch.path, directory) == 0)
        defer { chmod(scratch.path, 0o755) }
        let culprit = scratch.path + (name.isEmpty ? "" : "/" + name)
        await #expect(processExitsWith: .success) {
            [file = scratch.file as String, readOnly = readOnly as Bool, culprit = culprit as String] in
            giveUpPrivileges()
            let options = EnvironmentOptions(
                path: file, noSubdirectory: true, readOnly: readOnly, create: true, mapSize: 1 << 20)
            let error = lmdbError { _ = try LMDB.Environment(options) }
            must(error?.code == .noPermission, "\(String(describing: error))")
            let text = error?.description ?? ""
            must(text.contains("(\(culprit) belongs to uid "), text)
            must(text.contains("runs as uid \(geteuid()) gid \(getegid())"), text)
        }
        chmod(scratch.path, 0o755)
        #expect(try scratch.snapshot() == before)
    }

    @Test func aDirectoryThatCannotBeMadeIsNamed() async throws {
        let scratch = try Scratch()
        #expect(chmod(scratch.path, 0o555) == 0)
        defer { chmod(scratch.path, 0o755) }
        await #expect(processExitsWith: .success) { [path = scratch.path as String] in
            giveUpPrivileges()
            let options = EnvironmentOptions(path: path + "/one/two", create: true)
            let error = lmdbError { _ = try LMDB.Environment(options) }
            must(error?.code == .noPermission, "\(String(describing: error))")
            let text = error?.description ?? ""
            must(text.contains("create the directory \(path)/one ") && text.contains("(\(path) belongs to"), text)
        }
        chmod(scratch.path, 0o755)
        #expect(try scratch.snapshot().isEmpty)
    }

    @Test func aFileWithoutLockFileCanBeReadInADirectoryThatCannotBeWritten() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        unlink(scratch.lockFile)
        #expect(chmod(scratch.file, 0o444) == 0)
        #expect(chmod(scratch.path, 0o555) == 0)
        defer { chmod(scratch.path, 0o755) }
        let before = try scratch.snapshot()
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            giveUpPrivileges()
            let options = EnvironmentOptions(path: file, noSubdirectory: true, readOnly: true)
            must(try LMDB.Environment(options).entries()?.count == 3)
        }
        #expect(try scratch.snapshot() == before)
    }
}
