import Snapshots

/// Listings, and what is stored.
extension SyncMachine {
    mutating func listed(_ listing: Listing, at now: Duration) {
        isListing = false
        failures.listing = 0
        if !receiver.hasListing { receiver.forgetPositions(after: listing.ceiling) }
        let deltas = settings.deltas == nil ? [] : listing.deltas
        let loadable =
            fence?.listed(
                listing.names, deltas: deltas.map(\.name), began: listing.began, ceiling: listing.ceiling,
                at: lastListing ?? now) ?? listing.names
        receiver.listed(
            loadable, deltas: deltas.filter { !isOutdated($0.name) && !isOurs($0.name) },
            sizes: listing.sizes, strangers: listing.strangers,
            horizon: SnapshotHorizon(now: max(listing.began, listing.ceiling)))
        replaceWhatHasGone(listing.names)
        hasNamesake = listing.hasNamesake
        let objects = hearing.feedIsUp ? othersObjects(listing) : [:]
        hints.listed(receiver.others, objects)
        let interval = listingInterval * (1 - Self.pollTolerance)
        bringForwardListing(to: max(now + interval / 2, (lastListing ?? now) + interval))
        let own = deltas.filter { $0.name.instance == settings.instance }
        switch chain.listed(Dictionary(own.map { ($0.name, $0.tag) }) { $1 }, began: lastListing ?? now) {
        case .none: break
        case .delta: sender.requestAgain()
        case .full: sender.requestInitial()
        }
    }

    private func othersObjects(_ listing: Listing) -> [SnapshotName: String] {
        var objects: [SnapshotName: String] = [:]
        for name in listing.names where name.instance != settings.instance { objects[name] = "" }
        for delta in listing.deltas where delta.name.instance != settings.instance { objects[delta.name] = delta.tag }
        return objects
    }

    private func isOutdated(_ name: SnapshotName) -> Bool { fence?.outdated.contains(name) ?? false }

    /// Whether a delta is one of this process. An upload of an earlier one may land late, and others merge it.
    private func isOurs(_ name: SnapshotName) -> Bool { name.instance == settings.instance && chain.hasWritten(name) }

    /// Sends again if our snapshots were removed: changes that only they contained would be missing until the next
    /// change.
    private mutating func replaceWhatHasGone(_ names: [SnapshotName]) {
        let newest = names.filter { $0.instance == settings.instance }.max()
        defer { newestOwn = newest }
        guard let storedAt, let lastListing else { return }
        // A snapshot that has been listed stays listed. Before that, listings may lag.
        let hasGone = newestOwn.map { shown in newest.map { $0 < shown } ?? true } ?? false
        let isMissing = newest == nil && lastListing > storedAt + Self.patienceWithListings
        if hasGone || isMissing { sender.requestInitial() }
    }

    mutating func beginSend(at now: Duration) -> OwnChain.Send {
        let wantsFull = sender.wantsFull(at: now)
        let isFullDue = fullDue.map { $0 <= now } ?? false
        let send = chain.begin(
            // Who reads nothing else does not wait.
            wantsFull: wantsFull || isFullDue || receiver.hasReadersOfFullOnly,
            mayUseDeltas: settings.deltas != nil && !hasNamesake,
            // A snapshot that shows that this instance exists needs a new time.
            isUnchanged: sender.isUnchanged && !wantsFull)
        mergesSinceSend = 0
        sender.started(at: now, isRepetition: send == .fullBehindDelta)
        // A full snapshot behind a delta has what that one's transaction had.
        if send != .fullBehindDelta { covering = progress.merged }
        if send.isFull { cover.answered() }
        return send
    }

    /// When the next send is due; nil if there is nothing to send, or a send is in progress.
    var sendDue: Duration? { sender.due(full: fullDue, isContinued: chain.fullFollows) }

    private var fullDue: Duration? { chain.fullDue(isReadByFullOnly: receiver.hasReadersOfFullOnly) }
}
