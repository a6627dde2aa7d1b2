import BlobStorage
import Dispatch
import Snapshots
import Support

/// The simulated storage, as `resync` sees it at one moment.
final class ResyncStore: BlobStore, @unchecked Sendable {
    private let bucket: Bucket
    private let fails: Bool
    let clockOffset: Duration?
    /// What was stored.
    private(set) var stored: [(SnapshotName, Spool)] = []

    init(_ bucket: Bucket, fails: Bool, clockOffset: Duration?) {
        (self.bucket, self.fails, self.clockOffset) = (bucket, fails, clockOffset)
    }

    func list(prefix: String) async throws -> [Blob] { bucket.listing(to: "") }

    func load(_ name: String, atMost limit: Int) async throws -> Spool {
        guard let name = SnapshotName(name), let object = bucket.objects[name] else {
            throw BlobStoreError(.notFound, "not found")
        }
        return object.body
    }

    func store(_ name: String, _ body: Spool) async throws -> String? {
        guard !fails, let name = SnapshotName(name) else { throw BlobStoreError(.timeout, "no answer") }
        stored.append((name, body))
        return nil
    }

    func delete(_ name: String) async throws {}
    func changes(prefix: String) -> AsyncStream<StorageChange>? { nil }
}

/// Waits for what another thread does.
func runBlocking<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) throws -> R {
    let done = DispatchSemaphore(value: 0)
    nonisolated(unsafe) var result: Result<R, any Error>?
    Task.detached {
        do { result = .success(try await body()) } catch { result = .failure(error) }
        done.signal()
    }
    done.wait()
    guard let result else { throw CancellationError() }
    return try result.get()
}
