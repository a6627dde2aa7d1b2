import BlobStorage
import Snapshots

/// Hints: what others have stored, before a listing shows it.
extension SyncMachine {
    /// While all changes are announced the storage is listed less often by this factor.
    package static let announcedFactor = 10

    /// Handles a hint.
    ///
    /// - Parameters:
    ///   - name: the object; nil for any one of this database.
    ///   - version: its version, if known.
    mutating func hinted(_ name: SnapshotName?, _ version: String?, _ source: HintSource, at now: Duration) {
        guard let name else { return bringForwardListing(to: soonestListing(now)) }
        // A receiver has no objects of its own: those under its name are another host's.
        guard settings.receiveOnly || name.instance != settings.instance else { return }
        guard settings.deltas != nil || !name.isDelta else { return }
        let mayRead = hintLimit.hasRoom(at: now) && fence?.mayReadUnlisted(name) ?? true
        let result = receiver.hinted(name, version, mayRead: mayRead)
        switch result {
        case .nothing: return
        case .read: hintLimit.take()
        case .list: bringForwardListing(to: soonestListing(now))
        }
        hints.hinted(name, source, at: now)
    }

    /// The connection over which changes are announced is established or has ended. What happened before is not announced.
    mutating func feed(isUp: Bool, at now: Duration) {
        hints.feed(isUp: isUp)
        bringForwardListing(to: isUp ? soonestListing(now) : max(now, (lastListing ?? now) + listingInterval))
    }

    /// The time between two listings.
    var listingInterval: Duration {
        let interval = settings.storagePollInterval
        guard !hasSeenNamesake, hints.hearsAll(receiver.others) else { return interval }
        let longer = interval * Self.announcedFactor
        // A database that was not listed for longer counts as absent.
        return max(interval, fence.map { min(longer, $0.limits.recent / 2) } ?? longer)
    }

    /// Reports an object that is not in the storage.
    mutating func vanished(_ name: SnapshotName, at now: Duration) {
        if !receiver.hintWasWrong(name) {
            // A snapshot that stays in the listings counts as a failure.
            guard receiver.vanished(name, at: now) else { return }
            fence?.vanished()
        }
        bringForwardListing(to: soonestListing(now))
    }

    /// Reports a download that failed for a temporary reason.
    mutating func downloadFailed(_ name: SnapshotName, at now: Duration) {
        // A hint told of it, and the last listing is older. The next one shows it.
        if !receiver.isKnown(name) { bringForwardListing(to: now + settings.receiver.retryInterval) }
        receiver.failed(name, at: now)
    }

    /// Reports a merged object.
    mutating func noteMerge(_ name: SnapshotName, from before: SnapshotName?, at now: Duration) {
        hints.merged(name, isNews: receiver.position(of: name) != before, at: now)
        // What announces changes may have missed this one.
        if hearing.feedIsUp, !hearing.feedIsComplete {
            bringForwardListing(to: max(now, (lastListing ?? now) + listingInterval))
        }
    }

    func soonestListing(_ now: Duration) -> Duration {
        lastListing.map { max(now, $0 + Self.shortestListingInterval) } ?? now
    }

    /// By which way changes of others become known.
    package var hearing: Hearing { hints.hearing }

    /// What the last merge was owed to, and how long after the hint it ended; nil if it was not owed to a hint.
    var lastHintedMerge: (source: HintSource, delay: Duration)? { hints.lastMerge }
}
