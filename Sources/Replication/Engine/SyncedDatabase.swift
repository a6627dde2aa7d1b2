import LMDB
import Snapshots
import Support
import Synchronization

/// The LMDB of one database and what this process knows of it. Performs the effects of ``SyncCore`` that read or write
/// it.
///
/// Each function blocks until its work is done, and reports the result as an event. The daemon calls them on threads
/// that may block, the simulation within simulated time. ``LMDBWork`` decides what may run concurrently.
package final class SyncedDatabase: Sendable {
    /// The configuration.
    let settings: SyncSettings
    /// The LMDB.
    package let environment: Environment
    /// Our own transactions since the last send. All others are the application's.
    let own = OwnTransactions()
    private let clock: SyncClock
    private let inspector: (any ChangeInspector)?
    private let stagingDirectory: String?
    /// The state of the shadows; nil if there are none.
    private let shadows: Mutex<Capture?>

    /// Receives the result of some work.
    package typealias Post = (SyncCore.Event) -> Void

    /// - Parameters:
    ///   - inspector: inspects changes.
    ///   - stagingDirectory: where to create the files of large snapshots.
    package init(
        settings: SyncSettings, environment: Environment, clock: SyncClock, inspector: (any ChangeInspector)? = nil,
        stagingDirectory: String? = nil
    ) {
        self.settings = settings
        self.environment = environment
        self.clock = clock
        self.inspector = inspector
        self.stagingDirectory = stagingDirectory
        shadows = Mutex(
            settings.schema.hasShadows
                ? Capture(schema: settings.schema, retention: settings.machine.sweeper?.retention) : nil)
    }

    /// The newest transaction of the LMDB. Never blocks.
    package var observation: SyncCore.Event {
        let transaction = environment.info.lastTransactionID
        return .observed(transaction: transaction, isOurs: own.contains(transaction))
    }

    /// Measures the map: whether it has grown, or can.
    package func measureMap(for name: SnapshotName) -> SyncCore.Event {
        // An error here recurs with the merge, and is reported then.
        let grows = (try? environment.growsMap()) ?? false
        return .measuredMap(name, size: environment.info.mapSize, grows: grows)
    }

    /// Reports that everything up to this transaction is stored.
    package func noteSent(through transaction: UInt64) { own.sent(through: transaction) }

    // MARK: The record

    /// The record in the LMDB at start.
    ///
    /// Without a sweeper nothing updates it. It would be wrong later, so it is removed.
    package func recordAtStart() throws -> SyncRecord {
        if settings.machine.sweeper != nil { return try SyncRecord.read(environment) }
        try SyncRecord.forget(environment)
        return SyncRecord()
    }

    /// Reads the record.
    package func readRecord() -> SyncCore.Event {
        do {
            return .foundRecord(try SyncRecord.read(environment))
        } catch {
            return .recordNotRead("\(error)")
        }
    }

    /// Writes the record.
    package func write(_ record: SyncRecord) -> SyncCore.Event {
        do {
            let transaction = try own.noting { try record.write(to: environment, willCommit: $0) }
            ownCommitted(transaction)
            return .recorded(record, transaction: transaction)
        } catch {
            return .recordFailed(error)
        }
    }

    // MARK: Sending

    /// Copies the application's changes to the shadows.
    package func capture(signal: CancellationSignal = CancellationSignal(), _ post: Post) {
        do {
            try captureNow(signal, post)
        } catch {
            post(.captureFailed(error))
        }
    }

    /// - Returns: the newest captured transaction; nil if there are no shadows.
    @discardableResult
    private func captureNow(_ signal: CancellationSignal, _ post: Post) throws -> UInt64? {
        guard var capture = shadows.withLock(\.self) else { return nil }
        let begin = clock.uptime()
        let outcome = try capture.run(
            environment, paddingBlock: settings.paddingBlock, clock: clock.wall, uptime: clock.uptime, signal: signal)
        shadows.withLock { [capture] in $0 = capture }
        post(.captured(outcome, time: clock.uptime() - begin))
        return outcome.through
    }

    /// Reads the LMDB for a snapshot.
    ///
    /// - Parameter floor: the lowest timestamp of the snapshot, so that a clock that has stepped back does not make it
    ///   look older than the one before.
    package func scan(floor: UInt64, signal: CancellationSignal = CancellationSignal(), _ post: Post) {
        let inspection = inspector?.inspectSend(of: settings.identity.database)
        do {
            let captured = try captureNow(signal, post)
            let (found, scanned) = try FullScan.run(
                environment, identity: settings.identity, schema: settings.schema, changes: { own.changes },
                inspection: inspection, stagingDirectory: stagingDirectory, signal: signal,
                timestamp: { max(clock.wall(), floor) })
            // Changes after the capture are not in the snapshot.
            let transaction = captured ?? scanned
            if let snapshot = found {
                return post(.scanned(.init(snapshot: snapshot, transaction: transaction, inspection: inspection)))
            }
            post(.foundNothing(transaction: transaction))
        } catch {
            post(.scanFailed(error))
        }
        inspection?.ended(nil)
    }

    // MARK: Sweeping

    /// Runs a slice of the sweeper.
    package func sweep(
        _ run: Sweep, deletionTime: Duration, signal: CancellationSignal = CancellationSignal()
    ) -> SyncCore.Event {
        var next = run
        do {
            let (transaction, lock) = try own.noting {
                try next.slice(
                    environment, deletionTime: deletionTime, uptime: clock.uptime, signal: signal, willCommit: $0)
            }
            if let transaction { ownCommitted(transaction) }
            return .swept(next, transaction: transaction, lock: lock)
        } catch {
            return .sweepFailed(error)
        }
    }

    /// Reports a transaction of our own that kept the shadows up to date.
    private func ownCommitted(_ transaction: UInt64) { shadows.withLock { $0?.ownCommitted(transaction) } }
}

// MARK: Merging

extension SyncedDatabase {
    /// Compares a downloaded snapshot with the LMDB: the first half of a merge, and the last if there is nothing to
    /// write.
    package func compare(_ order: MergeOrder, signal: CancellationSignal = CancellationSignal(), _ post: Post) {
        let inspection = inspector?.inspectMerge(of: order.name, into: settings.identity.database)
        let cutoff = order.leavesOutOldDeletions ? settings.deletedCutoff.timestamp(at: clock.wall()) : 0
        var merge = MergeInHand(
            order: order, inspection: inspection, mapSize: environment.info.mapSize,
            rules: MergePlanner.Rules(
                deletedCutoff: cutoff, creationFlags: settings.creationFlags, schema: settings.schema,
                inspection: inspection),
            begin: clock.uptime())
        do {
            do {
                merge.result = try merge.compare(environment)
            } catch is ShadowIsMissing {
                // The application has just created a DBI.
                try captureNow(signal, post)
                merge.result = try merge.compare(environment)
            }
            merge.compareTime = clock.uptime() - merge.begin
            if let result = merge.result, !result.plan.isEmpty { return post(.compared(merge)) }
            finish(merge, Merge.Outcome(), post)
        } catch {
            fail(merge, error, post)
        }
    }

    /// Writes the result of the comparison: the second half of a merge.
    ///
    /// - Parameter isOutdated: whether to compare again first.
    package func apply(_ merge: MergeInHand, isOutdated: Bool, _ post: Post) {
        var merge = merge
        do {
            let result = try isOutdated ? merge.compare(environment) : merge.result ?? merge.compare(environment)
            merge.result = result
            let through = shadows.withLock { $0?.through }
            let outcome = try own.noting { willCommit in
                try Merge.apply(
                    result.plan, to: environment, paddingBlock: settings.paddingBlock, capturedThrough: through,
                    inspection: merge.inspection, willCommit: willCommit, clock: clock.wall, uptime: clock.uptime)
            }
            if let transaction = outcome.transaction { ownCommitted(transaction) }
            finish(merge, outcome, post)
        } catch {
            fail(merge, error, post)
        }
    }

    private func finish(_ merge: MergeInHand, _ outcome: Merge.Outcome, _ post: Post) {
        let report = MergeReport(
            name: merge.name, size: merge.order.body.count, written: outcome.written,
            kept: (merge.result?.plan.kept ?? 0) + outcome.lost, held: merge.inspection?.heldBack(),
            transaction: outcome.transaction, ages: outcome.ages, compareTime: merge.compareTime,
            lockTime: outcome.lockTime, totalTime: clock.uptime() - merge.begin)
        post(.merged(merge, report, newestTransaction: environment.info.lastTransactionID))
    }

    private func fail(_ merge: MergeInHand, _ error: any Error, _ post: Post) {
        defer { merge.inspection?.ended(nil) }
        let kind: MergeFailure.Kind =
            switch error {
            case let refusal as RefusedSnapshot: .refused(merge.inspection?.refused(refusal) ?? refusal)
            // The map may grow, and a temporary file may be readable the next time.
            case let error as SnapshotError where error.kind != .unreadable && error.kind != .tooLarge: .damaged(error)
            default: .failed(error)
            }
        post(
            .mergeFailed(
                merge.name,
                MergeFailure(
                    kind: kind, entriesRead: merge.entriesRead, time: clock.uptime() - merge.begin,
                    mapSize: merge.mapSize)))
    }
}
