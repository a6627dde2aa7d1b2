import Foundation
import Support
import TestSupport
import Testing

@testable import BlobStorage

@Suite(.timeLimit(.minutes(1)))
struct FileSystemStoreTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func theDirectoryAndThoseAboveAreCreated() async throws {
        let store = try FileSystemStore(rootPath: directory.file("a/b/c/"))
        try await store.store("x", Spool("1"))
        #expect(try String(contentsOfFile: directory.file("a/b/c/x"), encoding: .utf8) == "1")
        // Again, now that it exists.
        #expect(try await FileSystemStore(rootPath: directory.file("a/b/c")).list(prefix: "").count == 1)
    }

    @Test(arguments: ["", "a/b", "../x", ".hidden", "x.tmp", ".tmp", "a\0b", String(repeating: "x", count: 256)])
    func namesThatAreNoObjectsAreRefused(_ name: String) async throws {
        let store = try FileSystemStore(rootPath: directory.path)
        for error in [
            await storageError { try await store.store(name, Spool("x")) },
            await storageError { _ = try await store.load(name) },
            await storageError { try await store.delete(name) },
        ] {
            #expect(error?.description.contains("an object name must not be") == true)
            #expect(error?.description.contains("\0") == false)
        }
        #expect(try directory.names == [])
    }

    @Test func onlyObjectsAreListed() async throws {
        let store = try FileSystemStore(rootPath: directory.path)
        try directory.write("object", "x")
        try directory.write(".8c1f.tmp", "stale")
        try directory.write("other.tmp", "stale")
        try directory.write(".hidden", "hidden")
        try FileManager.default.createDirectory(atPath: directory.file("folder"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: directory.file("dangling"), withDestinationPath: directory.file("nowhere"))
        try FileManager.default.createSymbolicLink(
            atPath: directory.file("link"), withDestinationPath: directory.file("object"))
        try directory.write(".ns1.8c1f.tmp", "stale")
        #expect(mkfifo(directory.file("pipe"), 0o600) == 0)
        #expect(try await store.list(prefix: "").undated == [Blob(name: "object", size: 1)])
        for name in ["folder", "pipe", "link", "dangling"] {
            #expect(
                await storageError { _ = try await store.load(name) }?.description
                    == "cannot load \(name) in \(directory.path): it is not a regular file")
        }
    }

    @Test(arguments: [0, 1, 5000, 3 << 20], [false, true])
    func bodiesFromMemoryAndFromFilesArriveWhole(_ count: Int, _ inFile: Bool) async throws {
        let store = try FileSystemStore(rootPath: directory.path)
        let body = try Spool.pattern(count, memoryLimit: inFile ? 0 : .max)
        #expect((body.fileDescriptor != nil) == (inFile && count > 0))
        try await store.store("x", body)
        #expect(try await store.load("x").bytes == body.bytes)
        #expect(try directory.names == ["x"])
    }

    // sendfile(2) can't write to a file opened for appending, nor read from some file systems: there, blocks are copied.
    @Test func aBodyTheKernelDoesNotCopyArrivesWhole() async throws {
        let store = try FileSystemStore(rootPath: directory.path)
        let descriptor = open("/proc/self/cmdline", O_RDONLY)
        var expected = [UInt8](repeating: 0, count: 4096)
        let count = pread(descriptor, &expected, expected.count, 0)
        try #require(count > 0)
        try await store.store("x", Spool(owning: descriptor, count: count))
        #expect(try await store.load("x").bytes == Array(expected[..<count]))
    }

    @Test func aBodyThatFailsToBeReadLeavesNothingBehind() async throws {
        let store = try FileSystemStore(rootPath: directory.path)
        try await store.store("x", Spool("old"))
        try directory.write(".body", "short")
        let broken = Spool(owning: open(directory.file(".body"), O_RDONLY), count: 1 << 20)
        let error = await storageError { try await store.store("x", broken) }
        #expect(error?.description.hasPrefix("cannot store x in \(directory.path): ") == true)
        #expect(try directory.names == [".body", "x"])
        #expect(try await store.load("x").bytes == Array("old".utf8))
    }

    // A full file system can't be made without root: its error code is put in by hand.
    @Test func aFullDiskIsSaidInOneLine() {
        let error = FileSystemStore.explain(
            SystemError("write to", "/srv/x/.1.tmp", code: ENOSPC), "store", "/srv/x", name: "a\nb")
        #expect(error.description == "cannot store a b in /srv/x: No space left on device")
    }

    @Test func whoOnlyLooksCreatesNothing() async throws {
        let store = try FileSystemStore(rootPath: directory.file("share/bucket"), create: false)
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(error?.kind == .notFound)
        #expect(await storageError { try await store.store("x", Spool("x")) }?.kind == .notFound)
        #expect(!FileManager.default.fileExists(atPath: directory.file("share")))
    }

    @Test func aRootPathThatIsAFileIsRefused() async throws {
        try directory.write("file", "x")
        for path in ["file", "file/below"] {
            let error = await storageError { _ = try FileSystemStore(rootPath: directory.file(path)) }
            #expect(
                error?.description
                    == "cannot open storage directory \(directory.file(path)): Not a directory"
            )
        }
        #expect(await storageError { _ = try FileSystemStore(rootPath: "") }?.kind == .other)
    }

    @Test func aDirectoryThatVanishesIsSaid() async throws {
        let store = try FileSystemStore(rootPath: directory.file("gone"))
        let stream = try #require(store.changes(prefix: ""))
        try FileManager.default.removeItem(atPath: directory.file("gone"))
        let error = await storageError { _ = try await store.list(prefix: "main__") }
        #expect(
            error?.description == "cannot list main__* in \(directory.file("gone")): No such file or directory")
        #expect(await storageError { try await store.store("x", Spool("x")) }?.kind == .notFound)
        // The stream ends, and with it the caller's wait for news that can't come any more.
        for await _ in stream {}
        #expect(store.changes(prefix: "") == nil)
    }

    @Test func aMissingPermissionIsSaid() async throws {
        let error = FileSystemStore.explain(
            SystemError("open", "/srv/x", code: EACCES), "list", "/srv/x", name: nil)
        #expect(error.kind == .accessDenied)
        #expect(error.description == "cannot list /srv/x: Permission denied")
    }

    @Test func writersInParallelDoNotDisturbEachOther() async throws {
        let store = try FileSystemStore(rootPath: directory.path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<100 {
                group.addTask { try await store.store("n\(number % 10)", Spool("\(number)")) }
            }
            try await group.waitForAll()
        }
        #expect(try await store.list(prefix: "").count == 10)
        #expect(try directory.names.count == 10)
    }
}
