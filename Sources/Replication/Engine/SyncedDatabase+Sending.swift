import LMDB
import Snapshots
import Support

/// Reading for sends.
extension SyncedDatabase {
    /// Reads the LMDB for a snapshot.
    package func scan(
        _ order: SyncCore.ScanOrder, signal: CancellationSignal = CancellationSignal(), _ post: Post
    ) {
        let isContinued = order.kind == .fullBehindDelta
        let inspection = isContinued ? nil : inspector?.inspectSend(of: settings.identity.database)
        do {
            let captured = isContinued ? nil : try captureNow(signal, post)
            let reading = try read(order, inspection, signal)
            // Changes after the capture are not in the snapshot.
            let transaction = captured ?? reading.transaction
            if let snapshot = reading.snapshot {
                return post(
                    .scanned(
                        .init(
                            snapshot: snapshot, position: reading.to, transaction: transaction, inspection: inspection,
                            changes: reading.changes, fallback: reading.fallback, cause: reading.cause,
                            needsProof: tracker.needsProof)))
            }
            post(.foundNothing(transaction: transaction))
        } catch {
            post(.scanFailed(error))
        }
        inspection?.ended(nil)
    }

    private func read(
        _ order: SyncCore.ScanOrder, _ inspection: (any SendInspection)?, _ signal: CancellationSignal
    ) throws -> ChangeTracker.Reading {
        var from: UInt64?
        switch order.kind {
        case .delta(let position): from = position
        case .full: break
        case .fullBehindDelta: if let reading = try tracker.readFull(signal: signal) { return reading }
        }
        return try tracker.read(
            ChangeTracker.Order(floor: order.floor, from: from, positions: order.positions),
            changes: { own.changes }, inspection: inspection, signal: signal)
    }

    /// Compares the last comparison of pages with one of all entries.
    package func prove(signal: CancellationSignal = CancellationSignal()) -> SyncCore.Event {
        do {
            return .proved(try tracker.prove(signal: signal))
        } catch {
            return .notProved(error)
        }
    }

    /// Gives up what costs too much.
    func checkPins() {
        tracker.check()
        captureTracker?.check()
    }

    /// The transactions since the oldest pinned one; 0 if there is none.
    var pinAge: UInt64 { max(tracker.state.age, captureTracker?.state.age ?? 0) }
}
