import BlobStorage
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

        func store(_ name: String, _ body: Spool) async throws {
            if storesAllTheSame { try await memory.store(name, body) }
            try check("store")
            try await memory.store(name, body)
        }

        func delete(_ name: String) async throws {
            try check("delete")
            try await memory.delete(name)
        }

        func changes(prefix: String) -> AsyncStream<String>? { nil }
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
