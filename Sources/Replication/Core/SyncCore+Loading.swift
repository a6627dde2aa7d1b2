import BlobStorage
import LMDB
import Logging
import Snapshots
import Support

/// Listings, downloads and merges.
extension SyncCore {
    mutating func listed(_ listing: Listing) {
        let catalog = listing.catalog(of: settings.identity.database)
        let names = catalog.names
        unfit.listed(names)
        let news = listings.listed(
            catalog, began: listing.began, clockOffset: listing.clockOffset, isFenced: fenceText != nil, at: now)
        for notice in news { report(notice) }
        if !vanished.isEmpty { vanished.formIntersection(names) }
        if !suspects.isEmpty { suspects.formIntersection(names) }
        observe(.listed(catalog))
        step(
            .listed(
                names, began: listing.beganInStorage,
                ceiling: RejoinFence.time(listing.began, after: settings.clockSkewTolerance),
                strangers: listings.namesakes.strangers))
    }

    mutating func listingFailed(_ text: String) {
        log(.warning, "cannot list the snapshots", ["error": "\(text)"])
        errors.load = text
        observe(.listFailed(text))
        step(.listingFailed)
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

    mutating func downloaded(_ name: SnapshotName, _ body: Spool, _ time: Duration) {
        downloaded[name] = (body, time, since: now)
        observe(.downloaded(name, bytes: body.count, time: time))
        observe(.mergesWaiting(downloaded.count))
        log(
            .debug, "downloaded a snapshot",
            [
                "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)",
                "snapshot_size": .stringConvertible(body.count), "time_total": "\(logText(time))",
            ])
        step(.downloaded(name))
    }

    mutating func downloadFailed(_ name: SnapshotName, _ error: any Error, _ time: Duration) {
        if (error as? BlobStoreError)?.kind == .notFound, vanished.insert(name).inserted {
            log(.debug, "the snapshot is no longer in the storage", ["snapshot_name": "\(name)"])
            observe(.downloadVanished(name, time: time))
            return step(.vanished(name))
        }
        let text = settings.text(of: error)
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
                    leavesOutOldDeletions: machine.fence?.mayLeaveOutDeletions ?? false)))
    }

    mutating func applyMerge(_ name: SnapshotName) {
        guard let merge = planned.removeValue(forKey: name) else { return step(.mergeFailed(name)) }
        // The write transaction compares changed entries again in any case. But an inspection has to see the entries of
        // a concurrent merge: two snapshots may be valid individually, but not together.
        let isOutdated = merge.inspection != nil && (merge.result?.plan.comparedWith ?? 0) < lastMerge
        emit(.apply(merge, isOutdated: isOutdated))
    }

    /// Everything in the snapshot is in the LMDB, except held entries.
    mutating func merged(_ merge: MergeInHand, _ report: MergeReport, _ newestTransaction: UInt64) {
        let name = merge.name
        if let transaction = report.transaction { lastMerge = max(lastMerge, transaction) }
        if let claim = merge.result?.claim {
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
        step(.merged(name, transaction: report.transaction, isWhole: report.held == nil))
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
        case .refused(let refusal): reject(name, refusal, failure)
        // The transfer may have damaged it. Rejecting our own would lose changes that only it contains.
        case .damaged(let error) where suspects.insert(name).inserted: mergeFailed(name, error, failure)
        case .damaged(let error): reject(name, RefusedSnapshot("\(error)"), failure)
        case .failed(let error): mergeFailed(name, error, failure)
        }
    }

    private mutating func reject(_ name: SnapshotName, _ refusal: RefusedSnapshot, _ failure: MergeFailure) {
        var metadata = Logger.Metadata(refusal.facts.map { ($0, "\($1)") }) { first, _ in first }
        metadata["snapshot_instance"] = "\(name.instance)"
        metadata["snapshot_name"] = "\(name)"
        let text = settings.text(of: refusal)
        metadata["error"] = "\(text)"
        log(
            .error, "snapshot rejected; using the previous one of that instance, if any, until a newer one arrives",
            metadata)
        observe(.refused(name, entries: failure.entriesRead, text, time: failure.time))
        step(.refused(name))
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
