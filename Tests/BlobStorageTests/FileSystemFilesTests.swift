import Foundation
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// The files that a storage in a directory makes: who may read them, and what is left of those that were not finished.
@Suite(.timeLimit(.minutes(1)))
struct FileSystemFilesTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func mode(_ name: String) -> mode_t {
        var status = stat()
        return stat(directory.file(name), &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    private func touch(_ name: String, age: Int) throws {
        try directory.write(name, "x")
        let then = timespec(tv_sec: time(nil) - age, tv_nsec: 0)
        #expect(utimensat(AT_FDCWD, directory.file(name), [then, then], 0) == 0)
    }

    /// A small one, a large one that is copied, and one that was made in the directory.
    private func bodies(_ store: FileSystemStore) throws -> [(String, Spool)] {
        var staged = SpoolWriter(memoryLimit: 0, stagingDirectory: store.stagingDirectory)
        try Array("staged".utf8).withUnsafeBytes { try staged.write($0) }
        return [
            ("small", Spool("x")), ("copied", try .pattern(3 << 20, memoryLimit: 0)), ("staged", try staged.finish()),
        ]
    }

    // Private DNSSEC keys are in them.
    @Test func objectsAreForTheirOwnerOnly() async throws {
        let store = try FileSystemStore(rootPath: directory.file("storage"))
        for (name, body) in try bodies(store) {
            try await store.store(name, body)
            #expect(mode("storage/\(name)") == 0o600)
        }
        #expect(mode("storage") == 0o700)
    }

    @Test func theVersionIsInodeSizeAndTimeHoweverTheFileIsMade() async throws {
        let store = try FileSystemStore(rootPath: directory.file("storage"))
        for (name, body) in try bodies(store) {
            // A staged one is linked the first time and copied the second time.
            for _ in 0..<2 {
                let version = try await store.store(name, body)
                var status = stat()
                #expect(stat(directory.file("storage/\(name)"), &status) == 0)
                let time = status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
                #expect(version == "\(status.st_ino)-\(status.st_size)-\(time)")
                #expect(try await store.list(prefix: name).first?.version == version)
                // The time is that of the file system's clock.
                #expect(abs(time - Int(systemWallClock())) < 60_000_000_000)
            }
        }
    }

    @Test func aDirectoryThatIsSharedByAGroupSharesItsObjects() async throws {
        #expect(chmod(directory.path, 0o2770) == 0)
        let store = try FileSystemStore(rootPath: directory.path)
        for (name, body) in try bodies(store) {
            try await store.store(name, body)
            #expect(mode(name) == 0o640)
        }
    }

    @Test func theirOwnerRemovesWhatWasLeftBehind() async throws {
        for name in [
            ".ns1.1f.tmp", ".ns1.0.tmp", ".ns10.1f.tmp", ".ns1.x.1f.tmp", ".1f.tmp", ".ns1.keep", "ns1.1f.tmp",
        ] {
            try directory.write(name, "x")
        }
        _ = try FileSystemStore(rootPath: directory.path)
        #expect(try directory.names.count == 7)
        let store = try FileSystemStore(rootPath: directory.path, owner: "ns1")
        #expect(
            try directory.names.sorted() == [".1f.tmp", ".ns1.keep", ".ns1.x.1f.tmp", ".ns10.1f.tmp", "ns1.1f.tmp"])
        #expect(try await store.list(prefix: "").isEmpty)
    }

    @Test func temporaryNamesTellWhoseTheyAre() async throws {
        for (owner, prefix) in [("ns1", ".ns1."), (nil, ".")] as [(String?, String)] {
            let seen = Mutex<[String]>([])
            let files = TemporaryFiles(directory: directory.path, owner: owner)
            let rootPath = directory.path
            let pool = BlockingPool(label: "test", width: 1)
            try await pool.run { signal in
                // Reading the body is what happens between making the file and naming it.
                let body = Spool(Spool("x")) { _ in
                    seen.withLock { $0 += (try? FileManager.default.contentsOfDirectory(atPath: rootPath)) ?? [] }
                }
                try files.place(body, at: "\(rootPath)/x", signal)
            }
            let name = try #require(seen.withLock { $0.first { $0.hasSuffix(".tmp") } })
            #expect(name.hasPrefix(prefix))
            if owner == nil { #expect(name.contains("-\(getpid()).")) }
        }
    }

    @Test func oldOnesAreRemovedWhoseverTheyAre() async throws {
        for name in [".ns1.1f.tmp", ".1f.tmp", ".ns2-host.ff.tmp", ".other.tmp", "object", "x.1f.tmp"] {
            try touch(name, age: 3700)
        }
        try touch(".ns2.aa.tmp", age: 3500)
        let store = try FileSystemStore(rootPath: directory.path)
        #expect(try await store.removeLeftovers(olderThan: .seconds(3600)) == 3)
        #expect(try directory.names.sorted() == [".ns2.aa.tmp", ".other.tmp", "object", "x.1f.tmp"])
        #expect(try await MemoryStore().removeLeftovers(olderThan: .zero) == 0)
    }

    /// As another daemon of the same instance may do when it starts.
    @Test func aFileThatIsTakenAwayIsMadeAgain() async throws {
        let store = try FileSystemStore(rootPath: directory.path, owner: "ns1")
        let path = directory.path
        let times = Mutex(0)
        let body = Spool(Spool("body")) { _ in
            let isFirst = times.withLock { times in
                times += 1
                return times == 1
            }
            if isFirst { _ = try? FileSystemStore(rootPath: path, owner: "ns1") }
        }
        try await store.store("x", body)
        #expect(try await store.load("x").bytes == Array("body".utf8))
        #expect(try directory.names == ["x"])
    }

    // A file system that can't sync directories can't be made here: its error codes are put in.
    @Test(arguments: [EINVAL, ENOTSUP, EOPNOTSUPP, EBADF, ENOSYS])
    func aDirectoryThatCannotBeSyncedIsNoFault(_ code: Int32) async throws {
        let store = try FileSystemStore(rootPath: directory.path, syncDirectory: { _ in code })
        try await store.store("x", Spool("x"))
        #expect(try directory.names == ["x"])
    }

    @Test func whatCouldNotBeStoredForSureIsNotLeftBehind() async throws {
        let code = Mutex(EIO)
        let store = try FileSystemStore(rootPath: directory.path, syncDirectory: { _ in code.withLock(\.self) })
        let error = await storageError { try await store.store("x", Spool("new")) }
        #expect(error?.description == "cannot store x in \(directory.path): Input/output error")
        #expect(try directory.names == [])
        // One that was there is not taken away.
        code.withLock { $0 = 0 }
        try await store.store("x", Spool("1"))
        code.withLock { $0 = EIO }
        #expect(await storageError { try await store.store("x", Spool("2")) } != nil)
        #expect(try directory.names == ["x"])
    }
}
