import LMDB
import Snapshots
import Support

/// One reading of a ``ChangeTracker``.
struct ReadJob {
    let tracker: ChangeTracker
    let order: ChangeTracker.Order
    let inspection: (any SendInspection)?
    let signal: CancellationSignal

    private typealias Reading = ChangeTracker.Reading
    private typealias Fallback = ChangeTracker.Fallback
    /// Why a full snapshot is read instead of a delta, with details.
    typealias Reason = (reason: ChangeTracker.Fallback, cause: String?)

    /// Reads what was ordered, and replaces what is pinned.
    func run(_ pin: inout Pin?, _ changes: () -> LocalChanges) throws -> ChangeTracker.Reading {
        let environment = tracker.environment
        if tracker.state.isBroken { return try scanUnpinned(positions: order.positions, changes, (.broken, nil)) }
        if PinRules.isMapNearlyFull(environment, pinned: environment.info.lastTransactionID) {
            tracker.drop(&pin, .mapNearlyFull)
            return try scanUnpinned(positions: order.positions, changes, (.mapNearlyFull, nil))
        }
        do {
            return try readPinned(&pin, changes)
        } catch {
            guard let problem = Fallback.of(error) else { throw error }
            tracker.drop(&pin, problem.reason)
            return try scanUnpinned(positions: order.positions, changes, problem)
        }
    }

    /// Reads everything without pinning anything.
    ///
    /// - Parameter positions: nil for a snapshot without them.
    func scanUnpinned(
        positions: [String: UInt64]?, _ changes: () -> LocalChanges, _ fallback: Reason?
    ) throws -> ChangeTracker.Reading {
        let (clock, floor) = (tracker.clock, order.floor)
        return try tracker.environment.read { transaction in
            let snapshot = try FullScan.run(
                transaction, tracker.source, positions: positions, changes: changes, inspection: inspection,
                signal: signal, timestamp: { max(clock.wall(), floor) })
            return Reading(
                snapshot: snapshot, transaction: transaction.id, to: snapshot?.name.timestamp ?? floor,
                fallback: order.from == nil ? nil : fallback?.reason, cause: order.from == nil ? nil : fallback?.cause)
        }
    }

    private func readPinned(_ pin: inout Pin?, _ changes: () -> LocalChanges) throws -> ChangeTracker.Reading {
        let known = pin.withValue { pin in (position: pin.position, from: order.from.flatMap { pin.beginning(of: $0) })
        }
        var later = try DiffBase(tracker.environment)
        let sent = try later.reader.read { transaction in
            let sent = try SentDatabases(transaction, tracker.source.schema)
            if known?.from != nil, !sent.isEmpty { try inspection?.begins(transaction) }
            return sent
        }
        // Taken within the transaction.
        let to = max(tracker.clock.wall(), order.floor, (known?.position ?? 0).nextTimestamp)
        let transaction = later.reader.id
        guard !sent.isEmpty else {
            tracker.drop(&pin, .start)
            return Reading(snapshot: nil, transaction: transaction, to: to)
        }
        var fallback: Reason?
        if order.from != nil {
            guard let from = known?.from else {
                fallback = (pin == nil ? tracker.shared.withLock { $0.reason } : .otherPosition, nil)
                return try scan(&pin, later, sent, to, changes, fallback)
            }
            let target = DeltaTarget(beginning: from, sent: sent, to: to, local: changes())
            switch try readDelta(&pin, &later, target) {
            case .delta(let reading, let open):
                pin = Pin(base: later, position: to, positions: order.positions, sent: sent, open: open)
                return reading
            case .fallback(let reason): fallback = reason
            }
        }
        return try scan(&pin, later, sent, to, changes, fallback)
    }

    /// Reads everything in the transaction that is to be pinned.
    private func scan(
        _ pin: inout Pin?, _ later: consuming DiffBase, _ sent: SentDatabases, _ to: UInt64,
        _ changes: () -> LocalChanges, _ fallback: Reason?
    ) throws -> ChangeTracker.Reading {
        let snapshot = try later.reader.read {
            try FullScan.run(
                $0, tracker.source, positions: order.positions, changes: changes, inspection: inspection, signal: signal
            ) { to }
        }
        let transaction = later.reader.id
        pin = Pin(base: later, position: to, positions: order.positions, sent: sent, open: nil)
        return Reading(
            snapshot: snapshot, transaction: transaction, to: to, fallback: fallback?.reason, cause: fallback?.cause)
    }
}

/// A delta to be read.
private struct DeltaTarget {
    let beginning: Pin.Beginning
    /// The DBIs of the later transaction.
    let sent: SentDatabases
    /// The position of the later transaction.
    let to: UInt64
    let local: LocalChanges
}

extension ReadJob {
    private enum Attempt {
        case delta(ChangeTracker.Reading, OpenDelta)
        case fallback(Reason)
    }

    /// Compares the pinned transaction with the later one.
    private func readDelta(_ pin: inout Pin?, _ later: inout DiffBase, _ target: DeltaTarget) throws -> Attempt {
        var twin = tracker.wantsProof ? try? tracker.environment.pin() : nil
        if twin.withValue({ $0.id }) != later.reader.id { twin = nil }
        var digest = twin == nil ? nil : DifferenceDigest()
        let attempt: Attempt?
        do {
            attempt = try pin.withValue { try compare(&$0, &later, target, &digest) }
        } catch {
            guard let problem = Fallback.of(error) else { throw error }
            attempt = .fallback(problem)
        }
        if case .delta(let reading, _) = attempt, let changes = reading.changes, changes.pages > 0 {
            tracker.shared.withLock { $0.comparisonsUntilProof -= 1 }
            if let digest, let earlier = pin.take(), let twin = twin.take() {
                tracker.keep(
                    PendingProof(
                        earlier: earlier.base, later: twin, expected: digest,
                        databases: target.sent.databases.map(\.versions)))
            }
        }
        return attempt ?? .fallback((.start, nil))
    }

    private func compare(
        _ earlier: inout Pin, _ later: inout DiffBase, _ target: DeltaTarget, _ digest: inout DifferenceDigest?
    ) throws -> Attempt {
        let (begin, source) = (tracker.clock.uptime(), tracker.source)
        let relations = earlier.sent.relations(of: target.sent)
        if let index = relations.firstIndex(of: .reappeared) {
            return .fallback((.recreated, "DBI \(target.sent.databases[index].name)"))
        }
        let meta = meta(earlier.base.reader.id, later.reader.id, target)
        var writer = try DeltaWriter(
            meta, target.sent.databases, isNew: relations.map { $0 == .new },
            DeltaWriter.Rules(
                schema: source.schema, earlier: earlier.base.reader.id, later: later.reader.id, local: target.local,
                inspection: inspection, signal: signal), stagingDirectory: source.stagingDirectory)
        let names = Set(target.sent.databases.map(\.versions.name))
        let isSent = { (database: Database) in names.contains(database.name) }
        let outcome = try tracker.compare(&earlier.base, &later, isSent) { change in
            digest?.add(change.database.name, change.key, old: change.old, new: change.new)
            try writer.add(change)
        }
        guard outcome.uncompared.isEmpty else {
            return .fallback((.severalValues, outcome.uncompared.joined(separator: ", ")))
        }
        var changes = writer.changes
        changes.pages = outcome.pages
        changes.lost += earlier.sent.count(missingIn: target.sent)
        let body = try writer.finish()
        changes.time = tracker.clock.uptime() - begin
        return try finish(body, changes, meta, target, later.reader.id)
    }

    /// The metadata of the whole delta.
    private func meta(_ earlier: UInt64, _ later: UInt64, _ target: DeltaTarget) -> SnapshotMeta {
        var meta = tracker.source.meta(transaction: later, timestamp: target.to, positions: order.positions)
        switch target.beginning {
        case .new: meta.fromTransactionID = Int64(clamping: earlier)
        case .continued(let open): meta.fromTransactionID = Int64(clamping: open.transaction)
        }
        meta.from = order.from ?? 0
        return meta
    }

    /// Joins the changes with those that the delta contains already.
    private func finish(
        _ body: Spool, _ changes: ChangeTracker.Changes, _ meta: SnapshotMeta, _ target: DeltaTarget,
        _ transaction: UInt64
    ) throws -> Attempt {
        var (whole, entries) = (body, changes.written)
        if case .continued(let open) = target.beginning {
            do {
                (whole, entries) = try DeltaJoin.run(
                    [open.body, body], meta: meta, schema: tracker.source.schema,
                    stagingDirectory: tracker.source.stagingDirectory, signal: signal)
            } catch let error as DeltaJoin.Failure {
                return .fallback((.damagedDelta, "\(error)"))
            }
        }
        let reading = Reading(
            snapshot: FullScan.Result(
                name: tracker.source.deltaName(from: meta.from), body: whole, entries: entries),
            transaction: transaction, from: meta.from, to: target.to, changes: changes)
        return .delta(
            reading, OpenDelta(from: meta.from, transaction: UInt64(clamping: meta.fromTransactionID), body: whole))
    }
}
