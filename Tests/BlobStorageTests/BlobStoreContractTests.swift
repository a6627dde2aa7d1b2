import Support
import TestSupport
import Testing

@testable import BlobStorage

/// What every storage promises, run against each that needs no server.
@Suite(.timeLimit(.minutes(1)))
struct BlobStoreContractTests {
    enum Storage: String, CaseIterable, CustomTestStringConvertible {
        case memory
        case fileSystem
        var testDescription: String { rawValue }
    }

    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open(_ storage: Storage) throws -> any BlobStore {
        switch storage {
        case .memory: MemoryStore()
        case .fileSystem: try FileSystemStore(rootPath: directory.file("bucket"))
        }
    }

    @Test(arguments: Storage.allCases)
    func whatWasStoredIsLoadedListedReplacedAndDeleted(_ storage: Storage) async throws {
        let store = try open(storage)
        try await expectObjectsToComeAndGo(in: store)
        #expect(await storageError { _ = try await store.load("main__a__1.pb.gz") }?.kind == .notFound)
    }

    @Test(arguments: Storage.allCases)
    func theVersionOfWhatWasStoredIsThatOfListings(_ storage: Storage) async throws {
        try await expectVersionsToBeThoseOfListings(in: try open(storage))
    }

    // Also when the clock of files stands still between two, and an inode comes back.
    @Test(arguments: Storage.allCases)
    func everyOverwriteChangesTheVersionEvenWithTheSameBytes(_ storage: Storage) async throws {
        let store = try open(storage)
        var versions: Set<String> = []
        for _ in 0..<200 { versions.insert(try #require(try await store.store("x", Spool("same")))) }
        #expect(versions.count == 200)
        let last = try await store.store("x", Spool("same"))
        try await store.store("y", Spool("same"))
        #expect(try await store.list(prefix: "x").map(\.version) == [last])
    }

    @Test(arguments: Storage.allCases)
    func anObjectThatIsLeftAloneKeepsItsVersion(_ storage: Storage) async throws {
        let store = try open(storage)
        let version = try await store.store("x", Spool("x"))
        try await store.store("y", Spool("y"))
        _ = try await store.load("x")
        try await store.delete("y")
        #expect(try await store.list(prefix: "").map(\.version) == [version])
    }

    @Test(arguments: Storage.allCases)
    func listingsAreSortedByTheBytesOfTheNames(_ storage: Storage) async throws {
        let store = try open(storage)
        // Unicode would sort and match these differently: a combining accent, capitals, a prefix of another.
        let names = [
            "Z", "a", "a-", "a\u{301}", "ab", "b", "main__", "main__\u{301}x", "\u{e1}", "\u{10000}", "\u{fffd}",
        ]
        for name in names.shuffled() { try await store.store(name, Spool(name)) }
        let sorted = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(try await store.list(prefix: "").map { Array($0.name.utf8) } == sorted.map { Array($0.utf8) })
        #expect(try await store.list(prefix: "main__").map(\.name) == ["main__", "main__\u{301}x"])
        #expect(try await store.list(prefix: "a").map(\.name) == ["a", "a-", "ab", "a\u{301}"])
        for name in names { #expect(try await store.load(name).bytes == Array(name.utf8)) }
    }

    @Test(arguments: Storage.allCases)
    func aLoadedObjectStaysWhatItWasWhenItIsReplacedOrDeleted(_ storage: Storage) async throws {
        let store = try open(storage)
        try await store.store("x", Spool("first"))
        let loaded = try await store.load("x")
        try await store.store("x", Spool("second, longer"))
        try await store.delete("x")
        #expect(try loaded.bytes == Array("first".utf8))
        #expect(loaded.count == 5)
    }

    @Test(arguments: Storage.allCases)
    func newObjectsAreAnnouncedByNameUntilTheStreamIsDropped(_ storage: Storage) async throws {
        let store = try open(storage)
        var stream = store.changes(prefix: "main__")
        var iterator = stream?.makeAsyncIterator()
        try await store.store("other__1", Spool("x"))
        try await store.store("main__1", Spool("x"))
        try await store.delete("main__1")
        try await store.store("main__2", Spool("x"))
        #expect(await iterator?.next()?.name == "main__1")
        #expect(await iterator?.next()?.name == "main__2")
        stream = nil
        iterator = nil
        try await store.store("main__3", Spool("x"))
    }

    @Test(arguments: Storage.allCases)
    func aReaderWhoMissedAnnouncementsIsToldToLook(_ storage: Storage) async throws {
        let store = try open(storage)
        let stream = try #require(store.changes(prefix: ""))
        for number in 0..<600 { try await store.store("n\(number)", Spool("")) }
        try await store.store("last", Spool(""))
        let seen = try await within(.seconds(30)) {
            var seen: [String] = []
            for await change in stream {
                guard let name = change.name else { continue }
                seen.append(name)
                if name == "last" { break }
            }
            return seen
        }
        // The file storage's reader keeps up or doesn't, as the machine pleases; no news may be lost silently.
        #expect(seen.count == 601 || seen.contains(""))
        #expect(seen.count <= 601)
    }

    @Test(arguments: Storage.allCases)
    func aCancelledCallEndsWithCancellationError(_ storage: Storage) async throws {
        let store = try open(storage)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await store.store("x", Spool("x"))
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await store.list(prefix: "") == [])
    }
}

extension StorageChange {
    /// The name in a hint.
    fileprivate var name: String? { if case .hint(let hint) = self { hint.name } else { nil } }
}
