import Snapshots

/// What events change, one function each where that takes more than a line.
extension SyncMachine {
    // MARK: The storage

    mutating func listingFailed(at now: Duration) {
        isListing = false
        failures.listing += 1
        bringForwardListing(to: now + max(settings.storagePollInterval, settings.receiver.retryInterval))
    }

    // MARK: The LMDB

    mutating func observed(_ transaction: UInt64, isOurs: Bool, at now: Duration) {
        if isOurs { ownCommitted(transaction, at: now) } else { sender.observed(transaction, at: now) }
        capture?.observed(transaction, at: now)
    }

    /// Reports a transaction of our own, which does not trigger a send.
    private mutating func ownCommitted(_ transaction: UInt64, at now: Duration) {
        sender.merged(as: transaction, at: now)
        capture?.ownCommitted(transaction)
    }

    mutating func captured(through: UInt64, _ transaction: UInt64?, at now: Duration) {
        let isFirst = !isCaptured
        work.wrote(.capturing)
        failures.capture = 0
        capture?.captured(through: through, at: now)
        // Contents from before the start are part of the first send, whatever their transactions.
        guard let transaction else { return }
        if isFirst { sender.merged(as: transaction, at: now) } else { sender.observed(transaction, at: now) }
    }

    mutating func captureFailed(at now: Duration) {
        work.wrote(.capturing)
        capture?.failed(at: now)
        failures.capture += 1
    }

    mutating func swept(_ transaction: UInt64?, _ lock: SweepLock?, isLast: Bool, at now: Duration) {
        work.wrote(.sweeping)
        sweeper?.ended(lock, isLast: isLast, at: now)
        if let transaction { ownCommitted(transaction, at: now) }
    }

    mutating func sweepFailed(at now: Duration) {
        work.wrote(.sweeping)
        sweeper?.failed(at: now)
    }

    mutating func foundRecord(_ record: SyncRecord) {
        guard fence?.found(record) == true else { return }
        // Snapshots merged before may be missing from the rebuilt database.
        receiver.forgetMerged()
        chain.restart()
    }

    mutating func recorded(_ record: SyncRecord, _ transaction: UInt64, at now: Duration) {
        work.wrote(.recording)
        failures.record = 0
        fence?.recorded(record)
        ownCommitted(transaction, at: now)
    }

    mutating func recordFailed(at now: Duration) {
        work.wrote(.recording)
        failures.record += 1
        fence?.recordFailed(retryAt: now + settings.receiver.retryInterval)
    }

    /// - Parameter transaction: nil if they were recorded before, or could not be.
    mutating func recordedPositions(_ transaction: UInt64?, at now: Duration) {
        hasRecorded = true
        if let transaction { ownCommitted(transaction, at: now) }
    }

    // MARK: Merges

    mutating func merged(_ name: SnapshotName, _ merged: Merged, at now: Duration) {
        work.merged(name)
        let before = receiver.position(of: name)
        defer { noteMerge(name, from: before, at: now) }
        receiver.merged(
            name, to: merged.position, others: settings.deltas == nil ? [:] : merged.others,
            isWhole: merged.isWhole, readsDeltas: merged.readsDeltas)
        if name.isDelta, let end = merged.position { fence?.reached(name.at(end)) }
        if name.instance == settings.instance, hasRequestedInitial {
            cover.merged(hasNews: merged.transaction != nil, at: now)
        }
        if let transaction = merged.transaction { ownCommitted(transaction, at: now) }
    }

    mutating func refused(_ name: SnapshotName, isOpened: Bool) {
        work.merged(name)
        receiver.refused(name, isOpened: isOpened)
    }

    mutating func mergeFailed(_ name: SnapshotName, at now: Duration) {
        work.merged(name)
        receiver.failed(name, at: now)
    }

    // MARK: Sends

    mutating func read(_ transaction: UInt64) {
        work.scanned()
        sender.read(transaction)
    }

    mutating func foundNothing(_ transaction: UInt64) {
        work.scanned()
        sender.foundNothing(transaction)
        chain.restart()
    }

    mutating func stored(_ object: OwnChain.Stored, at now: Duration) {
        sender.stored(isFull: !object.name.isDelta)
        chain.stored(object, at: now)
        guard !object.name.isDelta else { return receiver.reached(object.name.at(object.position)) }
        storedAt = now
        receiver.stored(object.name, covering: covering)
    }

    /// - Parameter counts: whether it counts towards the limit of failures.
    mutating func sendFailed(counts: Bool = true, at now: Duration) {
        work.scanned()
        chain.failed()
        sender.failed(at: now, counts: counts)
    }
}
