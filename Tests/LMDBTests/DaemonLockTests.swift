import Glibc
import Testing

@testable import LMDB

private struct Unexpected: Error {}

@Suite struct DaemonLockTests {
    private let scratch: Scratch
    private var file: String { scratch.path + "/data.mdb" }
    private var lockFile: String { DaemonLock.path(dataFile: file) }

    init() throws {
        scratch = try Scratch()
        _ = try Environment(EnvironmentOptions(path: scratch.path, create: true, fileMode: 0o664, mapSize: 1 << 20))
    }

    private func take(token: String = "secret") -> DaemonLock.Outcome {
        DaemonLock.take(dataFile: file, hostname: "ns1.example", token: token)
    }

    @Test func onlyOneHasIt() throws {
        #expect(DaemonLock.look(dataFile: file) == .unknown)
        var first: DaemonLock?
        if case .locked(let lock) = take() { first = lock }
        #expect(first != nil)
        let holder = "process \(getpid()) on ns1.example"
        guard case .taken(holder) = take(token: "other") else { throw Unexpected() }
        #expect(DaemonLock.look(dataFile: file) == .held(by: holder, token: "secret"))
        first = nil
        #expect(DaemonLock.look(dataFile: file) == .free)
        guard case .locked = take(token: "other") else { throw Unexpected() }
    }

    /// A second daemon may have been given another path to the same file.
    @Test func aSymbolicLinkLeadsToTheSameLock() throws {
        guard case .locked(let lock) = take() else { throw Unexpected() }
        let other = scratch.path + "/link"
        #expect(symlink(file, other) == 0)
        guard case .taken = DaemonLock.take(dataFile: other, hostname: "", token: "") else { throw Unexpected() }
        guard case .held = DaemonLock.look(dataFile: other) else { throw Unexpected() }
        withExtendedLifetime(lock) {}
        #expect(link(file, scratch.path + "/hard") == 0)
        guard case .unavailable(let reason) = DaemonLock.take(dataFile: file, hostname: "", token: "") else {
            throw Unexpected()
        }
        #expect(reason.contains("has 2 names (hard links)"))
    }

    /// Others could keep the daemon from starting.
    @Test func whoMayNotWriteTheLMDBMayNotReadTheLock() throws {
        guard case .locked(let lock) = take() else { throw Unexpected() }
        var status = stat()
        #expect(stat(lockFile, &status) == 0 && status.st_mode & 0o777 == 0o660)
        withExtendedLifetime(lock) {}
    }

    @Test func withoutAnLMDBThereIsNoLock() {
        guard case .noDatabase = DaemonLock.take(dataFile: "/nowhere/x", hostname: "", token: "") else {
            Issue.record("locked")
            return
        }
    }

    @Test func whatIsNoFileOfOursIsLeftAlone() throws {
        #expect(symlink("/etc/passwd", lockFile) == 0)
        guard case .unavailable = take() else { throw Unexpected() }
        #expect(DaemonLock.look(dataFile: file) == .unknown)
    }
}
