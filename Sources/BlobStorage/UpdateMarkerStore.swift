import HTTP
import Support
import Synchronization

/// A bucket with an object that changes whenever any other does, so that a reader can poll that
/// object instead of listing all of them.
///
/// Every writer of the bucket must maintain the marker. Changes by others, and those through ``unmarked``, are
/// noticed with the next marked change, or after the force interval at the latest.
package final class UpdateMarkerStore: BlobStore {
    /// The name of the marker after the global prefix. It is never listed.
    package static let markerName = "update-marker"
    /// The maximum size of a valid marker.
    private static let longestMarker = 16 << 10
    /// The pauses between attempts to write the marker.
    private static let pauses: [Duration] = [.milliseconds(200), .seconds(1)]
    /// After this time without success a change counts as made, and the marker is written with the next call.
    private static let longestWrite = Duration.seconds(10)

    /// The bucket without the marker: writes through it do not make other instances list the bucket.
    package let unmarked: any MarkableStore
    private let namesObjects: Bool
    private let now: @Sendable () -> ContinuousClock.Instant
    private let markerFailed: @Sendable (BlobStoreError) -> Void
    private let marker: Mutex<UpdateMarker>

    /// - Parameters:
    ///   - store: the bucket.
    ///   - forceListInterval: the maximum age of a listing.
    ///   - namesObjects: whether the marker says which object has changed. Readers only compare it, so that a random text does as well.
    ///   - markerFailed: called if the marker could not be written after a change; it is retried with the
    ///     next call.
    ///   - now: the current time.
    package init(
        _ store: any MarkableStore, forceListInterval: Duration, namesObjects: Bool = true,
        markerFailed: @escaping @Sendable (BlobStoreError) -> Void = { _ in },
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        unmarked = store
        marker = Mutex(UpdateMarker(forceListInterval: forceListInterval))
        self.namesObjects = namesObjects
        self.markerFailed = markerFailed
        self.now = now
    }

    /// The last listing of this prefix if the marker is unchanged; otherwise a new one.
    package func list(prefix: String) async throws -> [Blob] {
        await writeMarkerIfNeeded(isNew: false)
        let text = try await readMarker()
        let start = now()
        if let kept = marker.withLock({ $0.listing(prefix: prefix, marker: text, at: start) }) { return kept }
        let blobs = try await unmarked.list(prefix: prefix)
        marker.withLock { $0.listed(blobs, prefix: prefix, marker: text, start: start) }
        return blobs
    }

    /// See ``BlobStore/load(_:atMost:)``.
    package func load(_ name: String, atMost limit: Int) async throws -> Spool {
        try await loadVersion(name, atMost: limit).body
    }

    /// See ``BlobStore/loadVersion(_:atMost:)``.
    package func loadVersion(_ name: String, atMost limit: Int) async throws -> (body: Spool, version: String?) {
        do {
            return try await unmarked.loadVersion(name, atMost: limit)
        } catch let error as BlobStoreError where error.kind == .notFound {
            marker.withLock { $0.vanished() }
            throw error
        }
    }

    /// Stores an object, then the marker.
    ///
    /// Succeeds when the object is stored: if the marker cannot be written now, it is written with the next call, and
    /// other instances notice the object after their force interval.
    @discardableResult
    package func store(_ name: String, _ body: Spool) async throws -> String? {
        let version = try await unmarked.store(name, body)
        await announce(.init(name: name, etag: version ?? "", isDeletion: false))
        return version
    }

    /// Removes an object, then writes the marker; see ``store(_:_:)``.
    package func delete(_ name: String) async throws {
        try await unmarked.delete(name)
        await announce(.init(name: name, etag: "", isDeletion: true))
    }

    /// See ``BlobStore/changes(prefix:)``.
    package func changes(prefix: String) -> AsyncStream<StorageChange>? { unmarked.changes(prefix: prefix) }

    /// See ``BlobStore/announcesChanges()``.
    package func announcesChanges() async throws -> Bool? { try await unmarked.announcesChanges() }

    /// See ``BlobStore/credentials``.
    package var credentials: CredentialState? { unmarked.credentials }

    /// See ``BlobStore/clockOffset``.
    package var clockOffset: Duration? { unmarked.clockOffset }

    // MARK: The marker

    /// The contents of the marker; nil if it does not exist.
    private func readMarker() async throws -> [UInt8]? {
        let spool: Spool
        do {
            spool = try await unmarked.load(Self.markerName, atMost: Self.longestMarker)
        } catch let error as BlobStoreError where error.code == BlobStoreError.tooLarge {
            return nil
        } catch let error as BlobStoreError where error.kind == .notFound && !error.isPlaceMissing {
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: spool.count)
        do {
            let count = try bytes.withUnsafeMutableBytes { buffer throws(SystemError) in
                try spool.read(at: 0, into: buffer)
            }
            return Array(bytes[..<count])
        } catch let error as SystemError {
            throw BlobStoreError(.other, attempt("load"), .system(error, isPlace: false))
        }
    }

    private func announce(_ change: UpdateMarker.Change) async {
        let time = now()
        marker.withLock { $0.changed(change, at: time) }
        await writeMarkerIfNeeded(isNew: true)
    }

    /// Writes the marker if it does not contain the last change yet.
    ///
    /// - Parameter isNew: whether the change was just made. Older changes wait for some time after the last failure.
    private func writeMarkerIfNeeded(isNew: Bool) async {
        let time = now()
        guard let change = marker.withLock({ $0.takeUnwritten(isNew: isNew, at: time) }) else { return }
        // Runs even if the task is cancelled, as at the end of the process: the object is stored.
        let write = Task.detached { [self] in try await writeMarker(change) }
        let limit = Task.detached {
            try await Task.sleep(for: Self.longestWrite)
            write.cancel()
        }
        defer { limit.cancel() }
        do {
            try await write.value
            marker.withLock { $0.written() }
        } catch {
            let failedAt = now()
            marker.withLock { $0.failed(change, at: failedAt) }
            markerFailed(
                error as? BlobStoreError
                    ?? BlobStoreError(.timeout, attempt("store"), .notWritten(after: Self.longestWrite)))
        }
    }

    private func attempt(_ operation: String) -> BlobStoreError.Attempt {
        .init(operation: operation, object: Self.markerName, place: unmarked.place)
    }

    private func writeMarker(_ change: UpdateMarker.Change) async throws {
        // Each attempt has a unique text: a delayed repetition must not restore one that others have seen before.
        var pauses = Self.pauses[...]
        while true {
            let text =
                namesObjects
                ? "\(unmarked.globalPrefix)\(change.name):\(change.etag):\(systemWallClock()):\(change.isDeletion)"
                : "\(UInt64.random(in: .min ... .max)):\(UInt64.random(in: .min ... .max))"
            do {
                try await unmarked.storeOnce(Self.markerName, Spool(Array(text.utf8)))
                return
            } catch let error as BlobStoreError {
                guard let pause = pauses.popFirst(), error.kind != .accessDenied else { throw error }
                try await Task.sleep(for: pause)
            }
        }
    }
}
