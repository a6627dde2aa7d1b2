import BlobStorage
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Sealing

/// A storage below a ``SealedStore``.
enum Storage: String, CaseIterable, CustomTestStringConvertible {
    case memory
    case fileSystem
    var testDescription: String { rawValue }
}

/// What everything else sees of a sealed storage: the same as of one that is not.
@Suite(.timeLimit(.minutes(1))) struct SealedStoreTests {
    private let directory: TemporaryDirectory
    private let identity: AgeIdentity

    init() throws {
        directory = try TemporaryDirectory()
        identity = try AgeIdentity.generated()
    }

    private func open(_ storage: Storage) throws -> any BlobStore {
        switch storage {
        case .memory: MemoryStore()
        case .fileSystem: try FileSystemStore(rootPath: directory.file("bucket"), create: true)
        }
    }

    private func sealed(_ base: any BlobStore, acceptsUnsealed: Bool = false) -> SealedStore {
        SealedStore(base, Keyring([identity], acceptsUnsealed: acceptsUnsealed))
    }

    @Test(arguments: Storage.allCases, [true, false])
    func objectsComeAndGo(_ storage: Storage, isSealed: Bool) async throws {
        let base = try open(storage)
        let store = isSealed ? sealed(base) : SealedStore(base, nil)
        #expect(try await store.list(prefix: "") == [])
        try await store.store("main__a.state", Spool(Array("one".utf8)))
        try await store.store("main__b.state", Spool([]))
        try await store.store("other__a.state", Spool(Array("three".utf8)))
        #expect(try await store.list(prefix: "main__").map(\.name) == ["main__a.state", "main__b.state"])
        #expect(
            try await base.list(prefix: "main__").map(\.name)
                == (isSealed ? ["main__a.state.age", "main__b.state.age"] : ["main__a.state", "main__b.state"]))
        #expect(try await bytes(store.load("main__a.state")) == Array("one".utf8))
        #expect(try await bytes(store.load("main__b.state")) == [])
        try await store.store("main__a.state", Spool(Array("longer".utf8)))
        #expect(try await bytes(store.load("main__a.state")) == Array("longer".utf8))
        try await store.delete("main__a.state")
        try await store.delete("main__a.state")
        #expect(try await base.list(prefix: "").map(\.name).count == 2)
        #expect(await storageError { _ = try await store.load("main__a.state") }?.kind == .notFound)
    }

    @Test(arguments: Storage.allCases)
    func theVersionOfWhatWasStoredIsThatOfListings(_ storage: Storage) async throws {
        let store = sealed(try open(storage))
        var versions: Set<String> = []
        for number in 1...5 {
            let name = delta("main", "ns1", 5)
            let version = try await store.store(name, snapshot(from: 5, to: 5 + UInt64(number)))
            #expect(try await store.list(prefix: "main__").map(\.version) == [version])
            #expect(try await store.loadVersion(name, atMost: 1 << 20).version ?? version == version)
            versions.insert(try #require(version))
        }
        #expect(versions.count == 5)
    }

    @Test(arguments: Storage.allCases)
    func snapshotsGetTheProofAndComeBackWithTheirContents(_ storage: Storage) async throws {
        let base = try open(storage)
        let store = sealed(base)
        try await store.store(full("main", "ns1", 7), snapshot(to: 7, value: "whole"))
        try await store.store(delta("main", "ns1", 7), snapshot(from: 7, to: 9, value: "part"))
        let other = sealed(base)
        for (name, value) in [(full("main", "ns1", 7), "whole"), (delta("main", "ns1", 7), "part")] {
            let (found, meta) = try contents(try await other.load(name))
            #expect(found == value)
            #expect(try SenderProof.isValid(meta, identity))
            let raw = try await base.load(name + ".age")
            #expect(try AgeFile.isSealed(raw))
            // Again, with the proof that it has: nothing is added.
            let plain = try await other.load(name)
            try await other.store(name, plain)
            #expect(try await other.load(name).count == plain.count)
        }
        #expect(store.stagingDirectory == nil)
    }

    @Test func namesWithTheSuffixAreHintsOfTheOnesWithout() async throws {
        let base = MemoryStore()
        let store = sealed(base)
        let stream = try #require(store.changes(prefix: ""))
        try await store.store(full("main", "ns1", 7), snapshot(to: 7))
        var iterator = stream.makeAsyncIterator()
        guard case .hint(let hint)? = await iterator.next() else {
            Issue.record("no hint")
            return
        }
        #expect(hint.name == full("main", "ns1", 7))
        #expect(Hint("x.state.age", source: .webhook).name == "x.state")
        #expect(Hint(".age", source: .webhook).name == ".age")
    }

    @Test func whatWasNotListedIsFoundInEitherForm() async throws {
        let base = MemoryStore()
        try await sealed(base).store(full("main", "ns1", 7), snapshot(to: 7))
        try await base.store("main__b.state", Spool([1]))
        let store = sealed(base, acceptsUnsealed: true)
        #expect(try contents(try await store.load(full("main", "ns1", 7))).value == "value")
        #expect(try await bytes(store.load("main__b.state")) == [1])
        // Another process has replaced one form by the other since the listing.
        _ = try await store.list(prefix: "")
        try await base.delete("main__b.state")
        try await sealed(base).store("main__b.state", Spool([2]))
        #expect(try await bytes(store.load("main__b.state")) == [2])
    }

    @Test func twoWaysToOneStorageShareWhatTheyKnow() async throws {
        let base = MemoryStore()
        let keyring = Keyring([identity])
        let one = SealedStore(base, keyring)
        let other = SealedStore(base, keyring, beside: one)
        try await base.store("main__b.state", Spool([1]))
        _ = try await one.list(prefix: "")
        try await other.store("main__b.state", Spool([2]))
        #expect(try await base.list(prefix: "").map(\.name) == ["main__b.state.age"])
        #expect(try await bytes(one.load("main__b.state")) == [2])
        #expect(one.seal(of: "main__b.state") == .key(identity.keyID))
    }

    // MARK: Both forms of one object

    @Test(arguments: [true, false])
    func ofTwoFormsTheOneThatMayBeReadCounts(_ acceptsUnsealed: Bool) async throws {
        let time = Time()
        let base = MemoryStore(clock: { time.next() })
        try await sealed(base).store("main__b.state", Spool([1]))
        try await base.store("main__b.state", Spool([2, 2]))
        let store = sealed(base, acceptsUnsealed: acceptsUnsealed)
        #expect(try await store.list(prefix: "").map(\.name) == ["main__b.state"])
        // The later one where both may be read.
        #expect(try await bytes(store.load("main__b.state")) == (acceptsUnsealed ? [2, 2] : [1]))
        try await store.store("main__b.state", Spool([3]))
        #expect(try await base.list(prefix: "").map(\.name) == ["main__b.state.age"])
        try await base.store("main__b.state", Spool([4]))
        _ = try await store.list(prefix: "")
        try await store.delete("main__b.state")
        #expect(try await base.list(prefix: "") == [])
    }

    @Test func backToUnsealed() async throws {
        let base = MemoryStore()
        try await sealed(base).store("main__b.state", Spool([1]))
        let store = SealedStore(base, nil)
        #expect(try await store.list(prefix: "").map(\.name) == ["main__b.state"])
        try await store.store("main__b.state", Spool([2]))
        #expect(try await base.list(prefix: "").map(\.name) == ["main__b.state"])
        #expect(try await bytes(store.load("main__b.state")) == [2])
    }

    @Test func whoMayNotDeleteStoresAllTheSame() async throws {
        let base = NoDeletes(base: MemoryStore())
        try await base.store("main__b.state", Spool([1]))
        let store = sealed(base)
        _ = try await store.list(prefix: "")
        try await store.store("main__b.state", Spool([2]))
        #expect(try await bytes(store.load("main__b.state")) == [2])
    }

    // MARK: Without identities

    @Test func withoutAnIdentityItListsAndDeletesAndSaysWhyItReadsNothing() async throws {
        let base = MemoryStore()
        let name = full("main", "ns1", 7)
        try await sealed(base).store(name, snapshot(to: 7))
        let cleaner = SealedStore(base, nil)
        #expect(try await cleaner.list(prefix: "main__").map(\.name) == [name])
        #expect(cleaner.seal(of: name) == .unknownKey)
        let error = await storageError { _ = try await cleaner.load(name) }
        #expect(error?.kind == .refused)
        #expect(
            error?.description
                == "cannot use \(name).age: it is sealed: storage.sealing.identity_files must name the identity")
        try await cleaner.delete(name)
        #expect(try await base.list(prefix: "") == [])
    }

    // MARK: Rotation

    @Test func theSecondIdentityOpensAndTheFirstSeals() async throws {
        let base = MemoryStore()
        let (name, next) = (full("main", "ns1", 7), try AgeIdentity.generated())
        try await sealed(base).store(name, snapshot(to: 7))
        let store = SealedStore(base, Keyring([next, identity]))
        _ = try await store.list(prefix: "")
        #expect(store.seal(of: name) == .unknownKey && !store.isOutdated(name))
        let plain = try await store.load(name)
        #expect(store.seal(of: name) == .key(identity.keyID) && store.isOutdated(name))
        // What was proved with the old identity gets the proof of the new one.
        try await store.store(name, plain)
        #expect(store.seal(of: name) == .key(next.keyID) && !store.isOutdated(name))
        let last = SealedStore(base, Keyring([next]))
        #expect(try contents(try await last.load(name)).value == "value")
        let error = await storageError { _ = try await sealed(base).load(name) }
        #expect(error?.description.hasSuffix("does not name, or damaged") == true)
    }

    @Test func unsealedObjectsAreOutdatedToo() async throws {
        let base = MemoryStore()
        let name = full("main", "ns1", 7)
        try await base.store(name, snapshot(to: 7))
        let store = sealed(base, acceptsUnsealed: true)
        _ = try await store.list(prefix: "")
        #expect(store.seal(of: name) == SealedStore.Seal.none)
        _ = try await store.load(name)
        #expect(store.isOutdated(name))
        #expect(!SealedStore(base, nil).isOutdated(name))
    }
}

/// Times that go on with each call.
private final class Time: Sendable {
    private let now = Mutex<UInt64>(0)

    func next() -> UInt64 {
        now.withLock { now in
            now += 1
            return now
        }
    }
}

/// A storage that refuses to delete.
private struct NoDeletes: BlobStore {
    let base: any BlobStore

    func list(prefix: String) async throws -> [Blob] { try await base.list(prefix: prefix) }
    func load(_ name: String, atMost limit: Int) async throws -> Spool { try await base.load(name, atMost: limit) }
    @discardableResult func store(_ name: String, _ body: Spool) async throws -> String? {
        try await base.store(name, body)
    }
    func delete(_ name: String) async throws { throw BlobStoreError(.accessDenied, "not allowed") }
    func changes(prefix: String) -> AsyncStream<StorageChange>? { nil }
}
