import HTTP
import Support
import Synchronization

/// An S3 bucket with an object that changes whenever any other does, so that who waits for changes can read that
/// one instead of listing all of them.
///
/// Everybody who writes to the bucket has to keep the marker. Who doesn't, and who writes through ``unmarked``, is
/// noticed with the next change of somebody else, at the latest after the force interval.
package final class UpdateMarkerStore: BlobStore {
    /// The name of the marker, behind the global prefix. It is never listed.
    package static let markerName = "update-marker"
    /// A marker that is longer is none.
    private static let longestMarker = 16 << 10
    /// The pauses between the tries to write the marker.
    private static let pauses: [Duration] = [.milliseconds(200), .seconds(1)]
    /// After this long without success a change is reported as made, and the marker is written with the next call.
    private static let longestWrite = Duration.seconds(10)

    /// How long listings wait after a failure before they try to write the marker.
    private static let pauseAfterFailure = Duration.seconds(5)

    /// A listing, and what the marker said before it.
    private struct Listing {
        var marker: [UInt8]
        var start: ContinuousClock.Instant
        var blobs: [Blob]
    }

    /// A change that the marker has to tell of.
    private struct Change {
        var name: String
        var etag: String
        var isDeletion: Bool
    }

    private struct State {
        /// By prefix.
        var listings: [String: Listing] = [:]
        /// The last change of ours that the marker does not tell of yet.
        var untold: Change?
        /// When the marker could not be written.
        var failedAt: ContinuousClock.Instant?
    }

    /// The bucket without the marker: what is written here does not wake up others.
    package let unmarked: S3Store
    private let forceListInterval: Duration
    private let now: @Sendable () -> ContinuousClock.Instant
    private let markerFailed: @Sendable (BlobStoreError) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - store: the bucket.
    ///   - forceListInterval: a listing is used for this long at most.
    ///   - markerFailed: is told when the marker could not be written after a change; it is tried again with the
    ///     next call.
    ///   - now: the time.
    package init(
        _ store: S3Store, forceListInterval: Duration,
        markerFailed: @escaping @Sendable (BlobStoreError) -> Void = { _ in },
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        unmarked = store
        self.forceListInterval = forceListInterval
        self.markerFailed = markerFailed
        self.now = now
    }

    /// The last listing of this prefix, where the marker says that nothing has changed since; otherwise a new one.
    package func list(prefix: String) async throws -> [Blob] {
        await tellOfChange(isNew: false)
        let marker = try await readMarker()
        let start = now()
        let kept = state.withLock { state -> Listing? in
            guard let kept = state.listings[prefix], kept.marker == marker,
                kept.start.duration(to: start) < forceListInterval
            else { return nil }
            return kept
        }
        if let kept { return kept.blobs }
        let blobs = try await unmarked.list(prefix: prefix)
        state.withLock { state in
            // Of two listings at the same time, the one that began later is right for longer.
            if let kept = state.listings[prefix], kept.start > start { return }
            // The marker was read before: whatever the listing has missed will have changed it.
            state.listings[prefix] = marker.map { Listing(marker: $0, start: start, blobs: blobs) }
        }
        return blobs
    }

    /// See ``BlobStore/load(_:atMost:)``.
    package func load(_ name: String, atMost limit: Int) async throws -> Spool {
        try await unmarked.load(name, atMost: limit)
    }

    /// Stores an object, then the marker.
    ///
    /// Succeeds when the object is stored: a marker that can't be written now is written with the next call, and
    /// until then others learn of the object by their force interval.
    package func store(_ name: String, _ body: Spool) async throws {
        let etag = try await unmarked.put(name, body)
        await tell(Change(name: name, etag: etag, isDeletion: false))
    }

    /// Removes an object, then stores the marker; see ``store(_:_:)``.
    package func delete(_ name: String) async throws {
        try await unmarked.delete(name)
        await tell(Change(name: name, etag: "", isDeletion: true))
    }

    /// None: an S3 server does not tell of changes.
    package func changes(prefix: String) -> AsyncStream<String>? { nil }

    /// See ``BlobStore/clockOffset``.
    package var clockOffset: Duration? { unmarked.clockOffset }

    // MARK: The marker

    /// What it says; nil when there is none.
    private func readMarker() async throws -> [UInt8]? {
        let spool: Spool
        do {
            spool = try await unmarked.load(Self.markerName, atMost: Self.longestMarker)
        } catch let error as BlobStoreError where error.code == BlobStoreError.tooLarge {
            return nil
        } catch let error as BlobStoreError where error.kind == .notFound && error.code != "NoSuchBucket" {
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: spool.count)
        do {
            let count = try bytes.withUnsafeMutableBytes { buffer throws(SystemError) in
                try spool.read(at: 0, into: buffer)
            }
            return Array(bytes[..<count])
        } catch {
            throw BlobStoreError(.other, "cannot load \(Self.markerName): \(error)".oneLine())
        }
    }

    private func tell(_ change: Change) async {
        state.withLock { $0.untold = change }
        await tellOfChange(isNew: true)
    }

    /// Writes the marker, where the last change is not told of yet.
    ///
    /// - Parameter isNew: whether it has just been made. An old one waits until some time after the last failure.
    private func tellOfChange(isNew: Bool) async {
        let time = now()
        let change = state.withLock { state -> Change? in
            if !isNew, let failedAt = state.failedAt, failedAt.duration(to: time) < Self.pauseAfterFailure {
                return nil
            }
            return state.untold.take()
        }
        guard let change else { return }
        // Also when the task is cancelled, as at the end of the process: the object is stored.
        let write = Task.detached { [self] in try await writeMarker(change) }
        let limit = Task.detached {
            try await Task.sleep(for: Self.longestWrite)
            write.cancel()
        }
        defer { limit.cancel() }
        do {
            try await write.value
            state.withLock { $0.failedAt = nil }
        } catch {
            let failedAt = now()
            state.withLock { state in
                state.failedAt = failedAt
                // One that came meanwhile serves as well: any other text will do.
                if state.untold == nil { state.untold = change }
            }
            markerFailed(
                error as? BlobStoreError
                    ?? BlobStoreError(
                        .timeout, "cannot store \(Self.markerName): not done after \(Self.longestWrite)"))
        }
    }

    private func writeMarker(_ change: Change) async throws {
        // Each try has a text of its own: a late repetition must not bring back one that others have seen before.
        let once = RetryPolicy(attempts: 1)
        var pauses = Self.pauses[...]
        while true {
            let text =
                "\(unmarked.options.globalPrefix)\(change.name):\(change.etag):\(systemWallClock()):\(change.isDeletion)"
            do {
                _ = try await unmarked.put(Self.markerName, Spool(Array(text.utf8)), retry: once)
                return
            } catch let error as BlobStoreError {
                guard let pause = pauses.popFirst(), error.kind != .accessDenied else { throw error }
                try await Task.sleep(for: pause)
            }
        }
    }
}
