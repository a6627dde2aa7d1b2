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
    package let settings: SyncSettings
    /// The LMDB.
    package let environment: Environment
    /// Our own transactions since the last send. All others are the application's.
    let own = OwnTransactions()
    /// Reads what has changed since the last send.
    let tracker: ChangeTracker
    let clock: SyncClock
    let inspector: (any ChangeInspector)?
    let stagingDirectory: String?
    /// Finds what the application has changed since the last capture; nil without shadows, and if pages are not compared.
    let captureTracker: CaptureTracker?
    /// The state of the shadows; nil if there are none.
    let shadows: Mutex<Capture?>
    /// The positions that this process has recorded last.
    let recorded = Mutex<RecordedPositions?>(nil)

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
        tracker = ChangeTracker(
            environment, identity: settings.identity, schema: settings.schema, stagingDirectory: stagingDirectory,
            isEnabled: settings.machine.deltas != nil && !settings.machine.receiveOnly, clock: clock)
        let hasShadows = settings.schema.hasShadows
        // Receivers capture, too.
        captureTracker = hasShadows && settings.machine.deltas != nil ? CaptureTracker(environment) : nil
        shadows = Mutex(
            hasShadows
                ? Capture(
                    schema: settings.schema, retention: settings.machine.sweeper?.retention, tracker: captureTracker)
                : nil)
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
    package func noteSent(through transaction: UInt64) {
        own.sent(through: transaction)
        tracker.stored()
    }

    // MARK: The record

    /// The record in the LMDB at start.
    ///
    /// Without a sweeper nothing updates it. It would be wrong later, so it is removed.
    package func recordAtStart() throws -> SyncRecord {
        if settings.machine.sweeper != nil { return try SyncRecord.read(environment) }
        try SyncRecord.forget(environment)
        return SyncRecord()
    }

    /// The positions in the LMDB at start.
    ///
    /// Without deltas nothing updates them. They would be wrong later, so they are removed, as are those that don't count: they must not
    /// do so later, when the LMDB looks as before.
    package func positionsAtStart() throws -> RecordedPositions {
        if settings.machine.deltas != nil {
            let positions = try RecordedPositions.read(environment)
            if positions != RecordedPositions() { return positions }
        }
        try RecordedPositions.forget(environment)
        return RecordedPositions()
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

    /// Records positions that no merge has recorded.
    package func record(_ positions: RecordedPositions) -> SyncCore.Event {
        do {
            guard try !positions.areRecorded(in: environment) else { return .recordedPositions(transaction: nil) }
            let now = clock.wall()
            let transaction = try own.noting { willCommit in
                try environment.write { transaction in
                    try positions.write(to: transaction, at: now)
                    willCommit(transaction.id)
                    return .commit(transaction.id)
                }
            }
            ownCommitted(transaction)
            return .recordedPositions(transaction: transaction)
        } catch {
            return .positionsNotRecorded("\(error)")
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
    func captureNow(_ signal: CancellationSignal, _ post: Post) throws -> UInt64? {
        guard var capture = shadows.withLock(\.self) else { return nil }
        // One method, so what is wrong for sends is wrong here, and the other way round.
        if tracker.state.isBroken { captureTracker?.distrust() }
        let begin = clock.uptime()
        let outcome = try capture.run(
            environment, paddingBlock: settings.paddingBlock, clock: clock.wall, uptime: clock.uptime, signal: signal)
        shadows.withLock { [capture] in $0 = capture }
        if outcome.comparison?.proof?.isSound == false { tracker.distrust() }
        post(.captured(outcome, time: clock.uptime() - begin))
        return outcome.through
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
    func ownCommitted(_ transaction: UInt64) {
        // Captures and merges exclude each other.
        guard var capture = shadows.withLock(\.self) else { return }
        capture.ownCommitted(transaction)
        shadows.withLock { [capture] in $0 = capture }
    }
}
