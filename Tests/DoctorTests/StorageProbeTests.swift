import BlobStorage
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Doctor

/// Trying a storage that allows only some things, or fails on the way.
@Suite struct StorageProbeTests {
    /// A storage in memory that refuses or fails what it is told to.
    private final class Picky: BlobStore {
        let memory = MemoryStore()
        let errors: [String: BlobStoreError.Kind]
        /// What arrives although the answer is an error.
        let storesAllTheSame: Bool

        init(_ errors: [String: BlobStoreError.Kind] = [:], storesAllTheSame: Bool = false) {
            self.errors = errors
            self.storesAllTheSame = storesAllTheSame
        }

        private func check(_ call: String) throws(BlobStoreError) {
            if let kind = errors[call] { throw BlobStoreError(kind, "cannot \(call)") }
        }

        func list(prefix: String) async throws -> [Blob] {
            try check("list")
            return try await memory.list(prefix: prefix)
        }

        func load(_ name: String, atMost limit: Int) async throws -> Spool {
            try check("load")
            return try await memory.load(name, atMost: limit)
        }

        @discardableResult
        func store(_ name: String, _ body: Spool) async throws -> String? {
            if storesAllTheSame { try await memory.store(name, body) }
            try check("store")
            return try await memory.store(name, body)
        }

        func delete(_ name: String) async throws {
            try check("delete")
            try await memory.delete(name)
        }

        func changes(prefix: String) -> AsyncStream<StorageChange>? { nil }
    }

    private func run(_ store: Picky) async throws -> StorageFacts {
        try await StorageProbe(store: store, databases: ["main", "shard"], instance: "ns1", probeName: "probe")
            .run(StorageFacts(cleans: false, clockTolerance: .seconds(5))).0
    }

    @Test func leavesNothingBehind() async throws {
        let store = Picky()
        try await store.memory.store("main__x", Spool([]))
        let facts = try await run(store)
        #expect([facts.list, facts.put, facts.get, facts.delete] == [.works, .works, .works, .works])
        #expect(facts.objects == 1)
        #expect(try await store.memory.list(prefix: "").map(\.name) == ["main__x"])
    }

    /// Small, and newer than the full snapshot before it.
    @Test func theLastDeltaSaysWhoWroteLast() async throws {
        let store = Picky()
        let names = [10, 20].map { SnapshotName(database: "main", instance: "ns1", timestamp: $0) }
        func put(_ name: SnapshotName, from: UInt64 = 0, to end: UInt64, host: String) async throws {
            let meta = SnapshotMeta(
                instanceID: "ns1", hostname: host, timestamp: end, databaseName: "main", from: from)
            let writer = try SnapshotWriter(meta)
            try await store.memory.store(name.description, writer.finish())
        }
        func lastWriter() async throws -> InstanceFacts.Source {
            try await StorageProbe(store: store, databases: ["main"], instance: "ns1")
                .lastWriter("main", try await store.list(prefix: ""), now: 1000)
        }
        let delta = SnapshotName(
            database: "main", instance: "ns1", timestamp: 10, fileExtension: SnapshotName.deltaExtension)
        try await put(names[0], to: 10, host: "one")
        try await put(delta, from: 10, to: 15, host: "two")
        #expect(
            try await lastWriter() == .object(name: "\(delta)", hostname: "two", age: .nanoseconds(985)))
        #expect(try await run(store).deltas == 1)
        try await put(names[1], to: 20, host: "three")
        #expect(
            try await lastWriter() == .object(name: "\(names[1])", hostname: "three", age: .nanoseconds(980)))
        try await store.memory.store(delta.description, Spool([1]))
        #expect(
            try await lastWriter() == .object(name: "\(names[1])", hostname: "three", age: .nanoseconds(980)))
    }

    @Test func whoMayOnlyRead() async throws {
        let facts = try await run(Picky(["store": .accessDenied, "delete": .accessDenied]))
        #expect(facts.list == .works && facts.get == .works)
        #expect(facts.put == .denied("cannot store") && facts.delete == .denied("cannot delete"))
        #expect(facts.leftover == nil)
    }

    @Test func whoMayNotRead() async throws {
        let store = Picky(["load": .accessDenied])
        let facts = try await run(store)
        #expect(facts.get == .denied("cannot load") && facts.delete == .works)
        #expect(try await store.memory.list(prefix: "").isEmpty, "it is removed although a step between failed")
    }

    @Test func anAnswerThatIsLost() async throws {
        let store = Picky(["store": .timeout], storesAllTheSame: true)
        let facts = try await run(store)
        #expect(facts.put == .failed("cannot store"))
        #expect(try await store.memory.list(prefix: "").isEmpty)
    }

    @Test func aProbeThatStays() async throws {
        #expect(try await run(Picky(["delete": .accessDenied])).leftover == "probe")
    }

    @Test func nothingIsWrittenWhereNothingCanBeListed() async throws {
        let store = Picky(["list": .timeout])
        let facts = try await run(store)
        #expect(facts.list == .failed("cannot list") && facts.put == .notTried && facts.delete == .notTried)
    }
}

/// Trying a server.
@Suite struct StorageProbeLiveTests {
    /// A wrong secret or clock is one fault of the storage, and no missing permission of each step.
    @Test(arguments: ["SignatureDoesNotMatch", "RequestTimeTooSkewed", "NoSuchBucket"])
    func oneFaultIsSaidOnce(_ code: String) async throws {
        let server = try FaultServer { _, _ in
            .answer(
                code == "NoSuchBucket" ? 404 : 403, ["Date": "Sun, 06 Nov 1994 08:49:37 GMT"],
                "<Error><Code>\(code)</Code></Error>")
        }
        defer { server.stop() }
        let store = try await S3Store.open(
            S3Options(bucket: "b", accessKey: "a", secretKey: "s", endpointURL: server.endpoint))
        let facts = try await StorageProbe(store: store, databases: ["main"], instance: "ns1")
            .run(StorageFacts(cleans: true, clockTolerance: .seconds(5))).0
        guard case .failed = facts.list else {
            Issue.record("\(facts.list)")
            return
        }
        #expect(facts.get == .notTried && facts.put == .notTried && facts.delete == .notTried)
        // The answer has told the time.
        #expect(facts.clockOffset.map { $0 < .zero } == true)
        #expect(server.requests.count == 1)
    }
}
