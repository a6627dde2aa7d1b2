import BlobStorage
import Support

/// A storage whose errors say what to do, with the names of this program's options.
struct AdvisedStore: BlobStore {
    /// The storage itself.
    let base: any BlobStore
    /// Adds the cure to an error.
    let advise: @Sendable (BlobStoreError) -> BlobStoreError

    func list(prefix: String) async throws -> [Blob] { try await advised { try await base.list(prefix: prefix) } }

    func load(_ name: String, atMost limit: Int) async throws -> Spool {
        try await advised { try await base.load(name, atMost: limit) }
    }

    func loadVersion(_ name: String, atMost limit: Int) async throws -> (body: Spool, version: String?) {
        try await advised { try await base.loadVersion(name, atMost: limit) }
    }

    func store(_ name: String, _ body: Spool) async throws -> String? {
        try await advised { try await base.store(name, body) }
    }

    func delete(_ name: String) async throws { try await advised { try await base.delete(name) } }

    func removeLeftovers(olderThan age: Duration) async throws -> Int {
        try await advised { try await base.removeLeftovers(olderThan: age) }
    }

    func changes(prefix: String) -> AsyncStream<StorageChange>? { base.changes(prefix: prefix) }

    func announcesChanges() async throws -> Bool? { try await advised { try await base.announcesChanges() } }

    var stagingDirectory: String? { base.stagingDirectory }

    var credentials: CredentialState? { base.credentials }

    var clockOffset: Duration? { base.clockOffset }

    private func advised<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as BlobStoreError {
            throw advise(error)
        }
    }
}
