/// What one process knows of the update marker: which listings are still valid, and which change the marker lacks.
///
/// A pure value: it decides when the marker is written and when the bucket is listed. ``UpdateMarkerStore`` performs that with a
/// bucket, the simulation in simulated time.
package struct UpdateMarker: Sendable {
    /// A local change of the bucket.
    package struct Change: Sendable, Equatable {
        /// The name of the object.
        package var name: String
        /// The ETag of a stored object.
        package var etag: String
        /// Whether the object was removed.
        package var isDeletion: Bool

        /// See the properties of the same names.
        package init(name: String, etag: String, isDeletion: Bool) {
            (self.name, self.etag, self.isDeletion) = (name, etag, isDeletion)
        }
    }

    /// A listing, and the marker before it.
    private struct Listing {
        var marker: [UInt8]
        var start: ContinuousClock.Instant
        var blobs: [Blob]
    }

    /// Minimum time after a failure before a listing tries to write the marker.
    private static let pauseAfterFailure = Duration.seconds(5)

    private let forceListInterval: Duration
    /// Listings by prefix.
    private var listings: [String: Listing] = [:]
    /// When the last local change was made.
    private var changedAt: ContinuousClock.Instant?
    /// The last local change that is not in the marker yet.
    private var unwritten: Change?
    /// The time of the last failure to write the marker.
    private var failedAt: ContinuousClock.Instant?

    /// - Parameter forceListInterval: the maximum age of a listing.
    package init(forceListInterval: Duration) { self.forceListInterval = forceListInterval }

    // MARK: The marker

    /// Reports a local change. Earlier listings are outdated, whether or not the marker can be written.
    package mutating func changed(_ change: Change, at now: ContinuousClock.Instant) {
        unwritten = change
        changedAt = now
        listings = [:]
    }

    /// The change to write to the marker now; nil for none. It counts as written until ``failed(_:at:)``.
    ///
    /// - Parameter isNew: whether the change was just made. Older changes wait for some time after the last failure.
    package mutating func takeUnwritten(isNew: Bool, at now: ContinuousClock.Instant) -> Change? {
        if !isNew, let failedAt, failedAt.duration(to: now) < Self.pauseAfterFailure { return nil }
        return unwritten.take()
    }

    /// Reports that the marker is written.
    package mutating func written() { failedAt = nil }

    /// Reports that the marker could not be written.
    package mutating func failed(_ change: Change, at now: ContinuousClock.Instant) {
        failedAt = now
        // A newer change replaces it, because any different text is enough.
        if unwritten == nil { unwritten = change }
    }

    // MARK: Listings

    /// The last listing if it is still valid.
    ///
    /// - Parameter marker: the contents of the marker; nil if it does not exist.
    package func listing(prefix: String, marker: [UInt8]?, at now: ContinuousClock.Instant) -> [Blob]? {
        guard let kept = listings[prefix], kept.marker == marker, kept.start.duration(to: now) < forceListInterval
        else { return nil }
        return kept.blobs
    }

    /// Reports a listing.
    ///
    /// - Parameters:
    ///   - marker: as it was read before the listing, so that any change that the listing has missed changes it.
    ///   - start: when the listing began.
    package mutating func listed(_ blobs: [Blob], prefix: String, marker: [UInt8]?, start: ContinuousClock.Instant) {
        // Of two concurrent listings, the later one stays valid longer.
        if let kept = listings[prefix], kept.start > start { return }
        if let changedAt, changedAt > start { return }
        listings[prefix] = marker.map { Listing(marker: $0, start: start, blobs: blobs) }
    }

    /// Reports that a listed object does not exist: the listings are outdated.
    package mutating func vanished() { listings = [:] }
}
