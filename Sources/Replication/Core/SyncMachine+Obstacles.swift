/// What keeps changes from being sent, and the database from being in sync.
extension SyncMachine {
    /// The obstacle to sending local changes, once it has lasted for ``SendObstacle/reportedAfter``.
    package func sendObstacle(at now: Duration) -> SendObstacle? {
        obstacle.flatMap { now - $0.since >= SendObstacle.reportedAfter ? $0.what : nil }
    }

    mutating func noteObstacle(at now: Duration) {
        guard let what = currentObstacle(at: now) else {
            obstacle = nil
            return
        }
        obstacle = (what, obstacle?.since ?? now)
    }

    private func currentObstacle(at now: Duration) -> SendObstacle? {
        guard !settings.receiveOnly, !isFenced, !isShuttingDown else { return nil }
        // Also while a retry is in progress.
        guard sender.isWaiting else { return sender.isFailing ? .sendFails : nil }
        if !receiver.hasListing { return .notListed }
        if !isCaptured { return .notCaptured }
        if !receiver.isOwnLoaded { return .ownNotLoaded }
        guard let fence, !fenceIsOpen else { return sender.isFailing ? .sendFails : nil }
        if fence.isListingOld(at: now) { return .listingIsOld }
        let unsettled = receiver.unsettled
        return .catchingUp(waiting: unsettled.count, failing: unsettled.filter(\.isFailing).map(\.instance))
    }

    /// The instances because of which the database is not in sync; nil if it is, or if sending is blocked already.
    package func lag(at now: Duration) -> SyncLag? {
        guard let fence, !isShuttingDown,
            case .failing(let time) = receiver.progress(
                of: settings.instance, patience: SendObstacle.reportedAfter, at: now),
            let (lastSync, fencedFrom) = fence.pendingBlock(loadedThrough: time)
        else { return nil }
        let failing = receiver.unsettled.map(\.instance)
        return SyncLag(failing: failing, since: lastSync, fencedFrom: fencedFrom)
    }
}
