import LMDB
import Snapshots
import Support
import Synchronization

/// Reads what has changed in an LMDB since the last reading.
///
/// It pins the transaction of the last reading, compares the pages of the newest one with it, and writes the changed entries as a
/// delta. Where that is impossible it reads everything.
///
/// ``read(_:changes:inspection:signal:)`` and ``readFull(signal:)`` block, and are called by one thread at a time, outside of any
/// transaction. ``release()``, ``check()``, ``stored()`` and ``state`` may be called by others meanwhile, and never wait for a
/// reading.
package final class ChangeTracker: Sendable {
    /// Compares two transactions: ``PageDiff/run(from:to:includes:_:)``.
    typealias Comparison =
        @Sendable (inout DiffBase, inout DiffBase, (Database) -> Bool, (PageDiff.Change) throws -> Void) throws ->
        PageDiff.Outcome

    let environment: Environment
    let source: SnapshotSource
    let clock: SyncClock
    let compare: Comparison
    let shared = Mutex(Shared())
    private let isEnabled: Bool

    /// - Parameters:
    ///   - environment: the LMDB.
    ///   - identity: the sender.
    ///   - schema: where the versions are stored.
    ///   - stagingDirectory: where to create the files of large snapshots.
    ///   - isEnabled: whether to read deltas. Otherwise everything is read each time, nothing is pinned, and snapshots do not
    ///     say that deltas are read.
    package convenience init(
        _ environment: Environment, identity: SenderIdentity, schema: Schema, stagingDirectory: String? = nil,
        isEnabled: Bool, clock: SyncClock = SyncClock()
    ) {
        let source = SnapshotSource(identity: identity, schema: schema, stagingDirectory: stagingDirectory)
        self.init(environment, source, isEnabled: isEnabled, clock: clock) {
            try PageDiff.run(from: &$0, to: &$1, includes: $2, $3)
        }
    }

    /// The same with another comparison, for tests.
    init(
        _ environment: Environment, _ source: SnapshotSource, isEnabled: Bool, clock: SyncClock,
        compare: @escaping Comparison
    ) {
        (self.environment, self.source, self.isEnabled) = (environment, source, isEnabled)
        (self.clock, self.compare) = (clock, compare)
    }

    /// Reads the newest transaction: what has changed since the beginning of a delta, or everything.
    ///
    /// Afterwards the transaction is pinned, and the delta is kept for the next order with the same beginning. If the contents
    /// cannot be sent, or the reading is cancelled, both are as before.
    ///
    /// - Parameters:
    ///   - changes: the state of local changes; read within the transaction. Entries of merges are left out of deltas, in native
    ///     mode; what the application has written is passed to `inspection`.
    ///   - signal: cancels the reading.
    /// - Throws: ``LocalContentError`` if something in the LMDB cannot be sent.
    package func read(
        _ order: Order, changes: () -> LocalChanges, inspection: (any SendInspection)? = nil,
        signal: CancellationSignal = CancellationSignal()
    ) throws -> Reading {
        let job = ReadJob(tracker: self, order: order, inspection: inspection, signal: signal)
        guard isEnabled else { return try job.scanUnpinned(positions: nil, changes, nil) }
        var pin = takePin()
        let reading = Result { try job.run(&pin, changes) }
        putBack(&pin, try? reading.get())
        return try reading.get()
    }

    /// Reads everything as of the last reading, at its position.
    ///
    /// - Returns: nil if nothing is pinned any more: order a full snapshot then.
    /// - Throws: as ``read(_:changes:inspection:signal:)``.
    package func readFull(signal: CancellationSignal = CancellationSignal()) throws -> Reading? {
        var pin = takePin()
        let reading = Result<Reading?, any Error> {
            do {
                return try pin.withValue { try scan(&$0, signal) }
            } catch let loss as PinnedReader.Loss {
                drop(&pin, Fallback.of(loss))
                return nil
            }
        }
        putBack(&pin, try? reading.get())
        return try reading.get()
    }

    private func scan(_ pin: inout Pin, _ signal: CancellationSignal) throws -> Reading {
        let (position, positions, source) = (pin.position, pin.positions, source)
        let snapshot = try pin.base.reader.read {
            try FullScan.run($0, source, positions: positions, signal: signal) { position }
        }
        return Reading(snapshot: snapshot, transaction: pin.base.reader.id, to: position)
    }
}

extension Optional where Wrapped: ~Copyable {
    /// Calls `body` with the value, nil if there is none.
    mutating func withValue<R>(_ body: (inout Wrapped) throws -> R) rethrows -> R? {
        guard var value = take() else { return nil }
        do {
            let result = try body(&value)
            self = consume value
            return result
        } catch {
            self = consume value
            throw error
        }
    }
}
