import BlobStorage
import LMDB
import Logging
import Snapshots
import Support

/// Listings, downloads and merges.
extension SyncCore {
    mutating func listed(_ listing: Listing) {
        let catalog = listing.catalog(of: settings.identity.database, previous: listings.catalog)
        let names = catalog.names
        unfit.listed(names + catalog.deltas.map(\.name))
        let news = listings.listed(
            catalog, positions: Array(machine.progress.read.values), began: listing.began,
            clockOffset: listing.clockOffset, isFenced: fenceText != nil, at: now)
        for notice in news { report(notice) }
        if !vanished.isEmpty || !suspects.isEmpty {
            let listed = Set(names).union(catalog.deltas.map(\.name))
            vanished.formIntersection(listed)
            suspects.formIntersection(listed)
        }
        observe(.listed(catalog))
        let ceiling = RejoinFence.time(listing.began, after: settings.clockSkewTolerance)
        step(
            .listed(
                SyncMachine.Listing(
                    names, deltas: catalog.deltas,
                    sizes: Dictionary(catalog.snapshots.map { ($0.name, $0.size) }) { $1 },
                    began: listing.beganInStorage, ceiling: ceiling,
                    strangers: listings.namesakes.strangers, hasNamesake: listings.hasNamesake)))
    }

    mutating func listingFailed(_ text: String) {
        log(.warning, "cannot list the snapshots", ["error": "\(text)"])
        errors.load = text
        observe(.listFailed(text))
        step(.listingFailed)
    }

    /// Handles a hint. What is not about a snapshot of this database says nothing.
    mutating func hinted(_ hint: Hint) {
        let kind = ObjectName(hint.name, database: settings.identity.database)
        if hint.name.isEmpty || kind != .foreign { observe(.hinted(hint.source)) }
        switch kind {
        case .full(let name), .delta(let name): step(.hint(name, version: hint.version, source: hint.source))
        case .foreign where hint.name.isEmpty: step(.hint(nil, source: hint.source))
        case .state(let name): step(.stateHint(name.instance, source: hint.source))
        // Time has passed: the machine asks for its next tick.
        case .unknownKind, .foreign: step(.tick)
        }
    }

    // MARK: Downloads

    mutating func beginDownload(_ name: SnapshotName) {
        observe(.downloadStarted(name, waited: waited(for: name)))
        // Do not download a snapshot again that the map could not hold.
        emit(unfit.knows(name) ? .measureMap(name) : .download(name, atMost: sizeLimit(name)))
    }

    private func sizeLimit(_ name: SnapshotName) -> Int { listings.size(of: name) ?? Blob.largestUnlisted }

    mutating func measured(_ name: SnapshotName, _ size: Int, _ grows: Bool) {
        if !grows && unfit.holds(name, mapSize: size, at: now) {
            // The previous error still applies.
            step(.downloadFailed(name))
        } else {
            emit(.download(name, atMost: sizeLimit(name)))
        }
    }

    mutating func downloaded(_ name: SnapshotName, _ body: Spool, _ version: String?, _ time: Duration) {
        downloaded[name] = (body, time, since: now)
        observe(.downloaded(name, bytes: body.count, time: time))
        observe(.mergesWaiting(downloaded.count))
        log(
            .debug, "downloaded a snapshot",
            [
                "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)",
                "snapshot_size": .stringConvertible(body.count), "time_total": "\(logText(time))",
            ])
        step(.downloaded(name, version: version))
    }

    mutating func downloadFailed(_ name: SnapshotName, _ error: any Error, _ time: Duration) {
        if (error as? BlobStoreError)?.kind == .notFound, vanished.insert(name).inserted {
            log(.debug, "the snapshot is no longer in the storage", ["snapshot_name": "\(name)"])
            observe(.downloadVanished(name, time: time))
            return step(.vanished(name))
        }
        let text = settings.text(of: error)
        // The transfer may have damaged it, as with those that can't be read.
        if (error as? BlobStoreError)?.kind == .refused, !suspects.insert(name).inserted {
            return reject(name, RefusedSnapshot(text), entries: nil, time, isOpened: false)
        }
        log(.error, "cannot download a snapshot; will retry", ["snapshot_name": "\(name)", "error": "\(text)"])
        errors.load = text
        errors.byInstance[name.instance] = text
        observe(.downloadFailed(name, text, time: time))
        step(.downloadFailed(name))
    }

    // MARK: Merges

    mutating func beginMerge(_ name: SnapshotName) {
        guard let waiting = downloaded.removeValue(forKey: name) else { return step(.mergeFailed(name)) }
        observe(.mergesWaiting(downloaded.count))
        observe(.mergeStarted(name, waited: now - waiting.since))
        emit(
            .compare(
                MergeOrder(
                    name: name, body: waiting.body, downloadTime: waiting.time,
                    leavesOutOldDeletions: machine.fence?.mayLeaveOutDeletions ?? false,
                    behind: machine.work.planned.compactMap { planned[$0] })))
    }

    mutating func applyMerges(_ names: [SnapshotName]) {
        let merges = names.compactMap { planned.removeValue(forKey: $0) }
        // The write transaction compares changed entries again in any case. But an inspection has to see the entries of
        // a concurrent merge: two snapshots may be valid individually, but not together.
        let isOutdated = merges.contains { $0.inspection != nil && ($0.result?.plan.comparedWith ?? 0) < lastMerge }
        emit(.apply(merges, isOutdated: isOutdated, positions: positions(after: merges)))
    }

    /// The positions to record with merges; nil if none are.
    private func positions(after merges: [MergeInHand]) -> RecordedPositions? {
        guard settings.machine.deltas != nil else { return nil }
        var receiver = machine.receiver
        for merge in merges {
            receiver.merged(
                merge.name, to: merge.position, others: merge.result?.meta.positions ?? [:],
                isWhole: merge.result.map { $0.plan.held == 0 } ?? true, readsDeltas: merge.readsDeltas)
        }
        return positions(of: receiver)
    }

    func positions(of receiver: Receiver) -> RecordedPositions {
        RecordedPositions(receiver, own: settings.machine.receiveOnly ? nil : settings.machine.instance)
    }

    /// Everything in the snapshot is in the LMDB, except held entries.
    mutating func merged(_ merge: MergeInHand, _ report: MergeReport, _ newestTransaction: UInt64) {
        let name = merge.name
        if let transaction = report.transaction { lastMerge = max(lastMerge, transaction) }
        if let claim = merge.claim {
            log(
                .warning,
                "the metadata of a snapshot differs from its name, which takes precedence: it was copied or renamed",
                [
                    "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)", "snapshot_meta": "\(claim)",
                ])
        }
        warnOfFutureEntries(report.ages, name)
        for database in (merge.result?.skipped ?? []).sorted() {
            log(
                .warning, "ignored a private DBI in the snapshot",
                ["snapshot_name": "\(name)", "dbi": "\(database)"])
        }
        log(
            .info, "merged a snapshot",
            [
                "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)",
                "snapshot_size": .stringConvertible(report.size), "merged": .stringConvertible(report.written),
                "kept": .stringConvertible(report.kept),
                "txnID": .stringConvertible(report.transaction ?? newestTransaction),
                "time_download": "\(logText(merge.order.downloadTime))",
                "time_compare": "\(logText(report.compareTime))",
                "time_write_lock": "\(logText(report.lockTime))", "time_total": "\(logText(report.totalTime))",
            ])
        // Entries that are missing here must not count as sent on.
        if report.held == nil { listings.namesakes.merged(name) }
        errors.byInstance[name.instance] = nil
        observe(.merged(report))
        // Before the step: a single run may end with it.
        if let inspection = merge.inspection { emit(.endInspection(inspection, report)) }
        step(
            .merged(
                name,
                .init(
                    transaction: report.transaction, isWhole: report.held == nil, position: merge.position,
                    others: merge.result?.meta.positions ?? [:], readsDeltas: merge.readsDeltas)))
        if let (source, delay) = machine.lastHintedMerge { observe(.hintMerged(source, after: delay)) }
    }

    /// Warns of entries from the future: until that time, they win over every later change.
    private mutating func warnOfFutureEntries(_ ages: EntryAges, _ name: SnapshotName) {
        let ahead = Duration.nanoseconds(Int64(clamping: ages.ahead))
        guard ahead > settings.clockSkewTolerance else { return }
        log(
            .warning,
            "the snapshot contains entries from the future: until that time, they win over every later change",
            [
                "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)", "ahead": "\(logText(ahead))",
            ])
    }

    mutating func mergeFailed(_ name: SnapshotName, _ failure: MergeFailure) {
        switch failure.kind {
        case .refused(let refusal): reject(name, refusal, entries: failure.entriesRead, failure.time)
        // The transfer may have damaged it. Rejecting our own would lose changes that only it contains.
        case .damaged(let error) where suspects.insert(name).inserted: mergeFailed(name, error, failure)
        case .damaged(let error): reject(name, RefusedSnapshot("\(error)"), entries: failure.entriesRead, failure.time)
        case .failed(let error): mergeFailed(name, error, failure)
        }
    }

    /// - Parameters:
    ///   - entries: the number of entries read; nil if it was not downloaded.
    ///   - isOpened: whether its contents were seen.
    private mutating func reject(
        _ name: SnapshotName, _ refusal: RefusedSnapshot, entries: Int?, _ time: Duration, isOpened: Bool = true
    ) {
        var metadata = Logger.Metadata(refusal.facts.map { ($0, "\($1)") }) { first, _ in first }
        metadata["snapshot_instance"] = "\(name.instance)"
        metadata["snapshot_name"] = "\(name)"
        let text = settings.text(of: refusal)
        metadata["error"] = "\(text)"
        if name.isDelta {
            log(.error, "delta rejected; a full snapshot takes its place", metadata)
        } else {
            log(
                .error, "snapshot rejected; using the previous one of that instance, if any, until a newer one arrives",
                metadata)
        }
        listings.namesakes.refused(name)
        observe(.refused(name, entries: entries, text, time: time))
        step(.refused(name, isOpened: isOpened))
    }

    private mutating func mergeFailed(_ name: SnapshotName, _ error: any Error, _ failure: MergeFailure) {
        unfit.failed(name, error, mapSize: failure.mapSize, at: now)
        report(error, "cannot merge a snapshot; will retry", ["snapshot_name": "\(name)"])
        let text = settings.text(of: error)
        errors.load = "cannot merge \(name): \(text)"
        errors.byInstance[name.instance] = text
        observe(.mergeFailed(name, text, time: failure.time))
        step(.mergeFailed(name))
    }
}
