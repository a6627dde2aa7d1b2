import BlobStorage
import Bytes
import LMDB
import Logging
import Snapshots
import Synchronization

/// The two halves of a merge. In between its snapshot waits for whatever else writes.
extension DatabaseSyncer {
    /// Compares a downloaded snapshot with the LMDB.
    func compare(_ name: SnapshotName, _ environment: Environment) async {
        guard let download = downloaded.removeValue(forKey: name) else {
            post.yield(.mergeFailed(name))
            return
        }
        observe(.mergesWaiting(downloaded.count))
        observe(.mergeStarted(name, waited: .now - download.end))
        let inspection = inspector?.inspectMerge(of: name, into: settings.identity.database)
        var merge = MergeInHand(
            name: name, download: download, inspection: inspection, mapSize: environment.info.mapSize,
            rules: MergePlanner.Rules(
                deletedCutoff: mayLeaveOutDeletions ? settings.deletedCutoff.timestamp(at: wallClock()) : 0,
                creationFlags: settings.creationFlags, schema: settings.schema, inspection: inspection))
        do {
            merge.result = try await comparison(merge, environment)
        } catch {
            return await failed(merge, error)
        }
        merge.compareTime = .now - merge.begin
        if let result = merge.result, !result.plan.isEmpty {
            planned[name] = merge
            post.yield(.compared(name))
        } else {
            await finished(merge, Merge.Outcome(), environment)
        }
    }

    private func comparison(
        _ merge: MergeInHand, _ environment: Environment
    ) async throws -> MergeInHand.Comparison {
        let work = { @Sendable (_: CancellationSignal) in try merge.compare(environment) }
        do {
            return try await lmdb.run(work)
        } catch is ShadowIsMissing {
            // The application has made a DBI just now.
            try await capture(environment)
            return try await lmdb.run(work)
        }
    }

    /// Writes what the comparison has found.
    func apply(_ name: SnapshotName, _ environment: Environment) async {
        guard var merge = planned.removeValue(forKey: name) else {
            post.yield(.mergeFailed(name))
            return
        }
        // An entry that has changed since is looked at again under the lock in any case. But who looks into the changes has to
        // see what a merge beside the comparison has brought: two snapshots may be right by themselves, and not together.
        let isOutdated = merge.inspection != nil && (merge.result?.plan.comparedWith ?? 0) < lastMerge
        let (paddingBlock, clock, own, through) = (settings.paddingBlock, wallClock, own, capture?.through)
        do {
            let (result, outcome) = try await lmdb.run { [merge] _ in
                let result = try isOutdated ? merge.compare(environment) : merge.result ?? merge.compare(environment)
                let outcome = try own.noting { willCommit in
                    try Merge.apply(
                        result.plan, to: environment, paddingBlock: paddingBlock, capturedThrough: through,
                        inspection: merge.inspection, willCommit: willCommit, clock: clock)
                }
                return (result, outcome)
            }
            merge.result = result
            if let transaction = outcome.transaction {
                capture?.noteOwn(transaction)
                lastMerge = transaction
            }
            await finished(merge, outcome, environment)
        } catch {
            await failed(merge, error)
        }
    }

    /// Everything in the snapshot is in the LMDB.
    private func finished(_ merge: MergeInHand, _ outcome: Merge.Outcome, _ environment: Environment) async {
        guard let result = merge.result else { return }
        let name = merge.name
        if let claim = result.claim {
            logger.warning(
                "a snapshot says otherwise than its name, by which it is merged: it was copied or renamed",
                metadata: [
                    "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)", "snapshot_meta": "\(claim)",
                ])
        }
        warnOfFutureEntries(outcome.ages, name)
        for database in result.skipped.sorted() {
            logger.warning(
                "the snapshot holds a private DBI, which is ignored",
                metadata: ["snapshot_name": "\(name)", "dbi": "\(database)"])
        }
        let held = await merge.inspection?.heldBack()
        let report = MergeReport(
            name: name, size: merge.download.spool.count, written: outcome.written,
            kept: result.plan.kept + outcome.lost, held: held, transaction: outcome.transaction, ages: outcome.ages,
            compareTime: merge.compareTime, lockTime: outcome.lockTime, totalTime: .now - merge.begin)
        logger.info(
            "merged a snapshot",
            metadata: [
                "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)",
                "snapshot_size": .stringConvertible(report.size), "merged": .stringConvertible(report.written),
                "kept": .stringConvertible(report.kept),
                "txnID": .stringConvertible(report.transaction ?? environment.info.lastTransactionID),
                "time_download": "\(logText(merge.download.time))", "time_compare": "\(logText(report.compareTime))",
                "time_write_lock": "\(logText(report.lockTime))", "time_total": "\(logText(report.totalTime))",
            ])
        // What is not here must not be taken for sent on either.
        if held == nil { listings.namesakes.merged(name) }
        errors.byInstance[name.instance] = nil
        observe(.merged(report))
        post.yield(.merged(name, transaction: outcome.transaction, isWhole: held == nil))
        merge.inspection?.ended(report)
    }

    /// No later change wins over an entry from the future until that time has come.
    private func warnOfFutureEntries(_ ages: EntryAges, _ name: SnapshotName) {
        let ahead = Duration.nanoseconds(Int64(clamping: ages.ahead))
        guard ahead > settings.clockSkewTolerance else { return }
        logger.warning(
            "the snapshot has brought entries from the future: until their time has come, they win over every later change",
            metadata: [
                "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)", "ahead": "\(logText(ahead))",
            ])
    }

    /// Nothing of the snapshot is written.
    private func failed(_ merge: MergeInHand, _ error: any Error) async {
        defer { merge.inspection?.ended(nil) }
        let name = merge.name
        if Self.isRefusal(error) {
            var refusal = error as? RefusedSnapshot ?? RefusedSnapshot("\(error)")
            if let inspection = merge.inspection { refusal = await inspection.refused(refusal) }
            var metadata = Logger.Metadata(refusal.facts.map { ($0, "\($1)") }) { first, _ in first }
            metadata["snapshot_instance"] = "\(name.instance)"
            metadata["snapshot_name"] = "\(name)"
            metadata["error"] = "\(refusal)"
            logger.error(
                "the snapshot is refused and not tried again; an older one of that instance is used if there is one, and its next",
                metadata: metadata)
            observe(.refused(name, entries: merge.entriesRead, "\(refusal)", time: .now - merge.begin))
            post.yield(.refused(name))
            return
        }
        guard !Task.isCancelled else { return }
        unfit.failed(name, error, mapSize: merge.mapSize, at: now)
        report(error, "cannot merge a snapshot; it is tried again", ["snapshot_name": "\(name)"])
        errors.load = "cannot merge \(name): \(error)"
        errors.byInstance[name.instance] = "\(error)"
        observe(.mergeFailed(name, "\(error)", time: .now - merge.begin))
        post.yield(.mergeFailed(name))
    }

    /// Whether the same snapshot would come to the same end, however often it is tried.
    private static func isRefusal(_ error: any Error) -> Bool {
        if let error = error as? SnapshotError {
            // The map may grow, and a file of our own may be readable the next time.
            return error.kind != .unreadable && error.kind != .tooLarge
        }
        return error is RefusedSnapshot
    }
}

/// A merge that is under way.
struct MergeInHand: Sendable {
    /// What the comparison has found.
    struct Comparison: Sendable {
        var plan: MergePlan
        /// Where the snapshot says otherwise than its name.
        var claim: String?
        /// Private DBIs in it.
        var skipped: Set<String>
    }

    private final class Counter: Sendable { let count = Mutex(0) }

    let name: SnapshotName
    let download: Download
    let inspection: (any MergeInspection)?
    /// The size of the map when it began.
    let mapSize: Int
    let rules: MergePlanner.Rules
    let begin = ContinuousClock.now
    var compareTime = Duration.zero
    var result: Comparison?
    private let counter = Counter()

    init(
        name: SnapshotName, download: Download, inspection: (any MergeInspection)?, mapSize: Int,
        rules: MergePlanner.Rules
    ) {
        self.name = name
        self.download = download
        self.inspection = inspection
        self.mapSize = mapSize
        self.rules = rules
    }

    /// How many entries were read, whatever came of them.
    var entriesRead: Int { counter.count.withLock(\.self) }

    func compare(_ environment: Environment) throws -> Comparison {
        let (plan, meta, skipped) = try MergePlanner.plan(download.spool, for: environment, rules: rules) { count in
            counter.count.withLock { $0 = count }
        }
        return Comparison(plan: plan, claim: meta.disagreement(with: name), skipped: skipped)
    }
}
