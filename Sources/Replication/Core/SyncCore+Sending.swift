import Logging
import Snapshots
import Support

/// Captures, sends, the sweeper and the record.
extension SyncCore {
    mutating func captured(_ outcome: Capture.Outcome, _ time: Duration) {
        report(outcome, time)
        if let comparison = outcome.comparison { report(comparison) }
        if !outcome.dropped.isEmpty { step(.entriesLost) }
        step(.captured(through: outcome.through, transaction: outcome.transaction))
    }

    private mutating func report(_ outcome: Capture.Outcome, _ time: Duration) {
        for name in outcome.dropped {
            log(
                .warning,
                "the application has dropped a DBI: its entries count as deleted, but other instances delete them only when the DBI is created again",
                ["dbi": "\(name)"])
        }
        for name in outcome.lost {
            log(
                .warning,
                "the shadow of a DBI was dropped: entries deleted here since the last send may be restored; stop the daemon before shadows are dropped",
                ["dbi": "\(name)"])
        }
        guard let transaction = outcome.transaction else { return }
        log(
            .debug, "captured the application's changes",
            [
                "entries": .stringConvertible(outcome.written), "txnID": .stringConvertible(transaction),
                "time_write_lock": "\(logText(outcome.lockTime))", "time_total": "\(logText(time))",
            ])
    }

    private mutating func report(_ comparison: Capture.Comparison) {
        if comparison.pages != nil { observe(.compared(comparison)) }
        // Of a wrong comparison health tells.
        if let fallback = comparison.fallback, fallback != .start, fallback != .broken {
            report(fallback, comparison.cause, "everything is compared with the shadows")
        }
        if let proof = comparison.proof { proved(proof) }
    }

    mutating func captureFailed(_ error: any Error) {
        report(error, "cannot capture the application's changes; will retry")
        errors.load = "cannot capture the application's changes: \(settings.text(of: error))"
        step(.captureFailed)
    }

    // MARK: Sends

    mutating func beginSend(_ kind: OwnChain.Send) {
        // Later merges need not be in this snapshot.
        let strangers = kind == .fullBehindDelta ? [] : listings.namesakes.merged
        send = SendInHand(kind: kind, begin: now, strangers: strangers)
        emit(
            .scan(
                ScanOrder(
                    kind: kind, floor: nextTimestamp, positions: machine.receiver.listedPositions)))
    }

    /// The lowest timestamp of the next snapshot. If our clock is behind the newest one, another host with our name may have to
    /// choose one, too, and must not choose the same.
    private var nextTimestamp: UInt64 {
        let next = max(listings.newestOwn, machine.receiver.ownPosition).nextTimestamp
        guard next > wallTime else { return next }
        let (sum, overflows) = next.addingReportingOverflow(UInt64(random() * 1_000_000))
        return overflows ? next : sum
    }

    mutating func scanned(_ scan: Scan) {
        send?.scan = scan
        send?.readAt = now
        listings.willStore(scan.snapshot.name, position: scan.position)
        step(.read(transaction: scan.transaction))
        observe(.storing(scan.snapshot.name, bytes: scan.snapshot.body.count))
        if let fallback = scan.fallback, fallback != .start { report(fallback, scan.cause, "a full snapshot follows") }
        emit(.store(scan.snapshot))
        if scan.needsProof { emit(.prove) }
        if let changes = scan.changes, changes.lost > 0 { step(.entriesLost) }
    }

    private static let mostCarried = 64

    private mutating func dropCarried() {
        for inspection in carried { emit(.endSendInspection(inspection, nil)) }
        carried = []
    }

    private mutating func report(_ fallback: ChangeTracker.Fallback, _ cause: String?, _ consequence: String) {
        var metadata: Logger.Metadata = ["reason": "\(fallback.label)"]
        if let cause { metadata["error"] = "\(cause)" }
        log(
            fallback.isExpected ? .info : .warning,
            "what has changed cannot be found by comparing pages; \(consequence)", metadata)
    }

    mutating func proved(_ proof: ChangeTracker.Proof?) {
        guard let proof else { return }
        observe(.proved(proof))
        guard !proof.isSound else {
            return log(
                .debug, "a comparison of pages is right", ["entries": .stringConvertible(proof.expected)])
        }
        log(
            .error,
            "a comparison of pages was wrong: only full snapshots are sent until the next start; report this with the version of liblmdb",
            [
                "found": .stringConvertible(proof.found), "expected": .stringConvertible(proof.expected),
                "txnID": .stringConvertible(proof.later),
            ])
        // What the deltas since then lack.
        step(.deltasAreWrong)
    }

    mutating func stored(_ version: String?) {
        guard let send, let scan = send.scan else { return }
        self.send = nil
        let snapshot = scan.snapshot
        let report = SendReport(
            name: snapshot.name, position: snapshot.name.at(scan.position), size: snapshot.body.count,
            entries: snapshot.entries, transaction: scan.transaction, changes: scan.changes, fallback: scan.fallback,
            dumpTime: send.readAt - send.begin,
            storeTime: now - send.readAt, totalTime: now - send.begin)
        log(report)
        if !snapshot.name.isDelta { listings.namesakes.stored(covering: send.strangers) }
        emit(.noteSent(through: scan.transaction))
        errors.send = ""
        observe(.stored(report))
        // A full snapshot that was not read for a delta has reported all changes again.
        if scan.changes == nil, send.kind != .fullBehindDelta { dropCarried() }
        for inspection in carried + [scan.inspection].compactMap(\.self) {
            emit(.endSendInspection(inspection, report))
        }
        carried = []
        step(
            .stored(
                .init(
                    name: snapshot.name, position: scan.position, size: snapshot.body.count, version: version,
                    time: report.totalTime)))
    }

    private mutating func log(_ report: SendReport) {
        let instance = settings.identity.instance
        log(
            .info, report.name.isDelta ? "stored a delta" : "stored a snapshot",
            [
                "snapshot_instance": "\(instance)", "snapshot_name": "\(report.name)",
                "snapshot_size": .stringConvertible(report.size), "entries": .stringConvertible(report.entries),
                "txnID": .stringConvertible(report.transaction), "time_dump": "\(logText(report.dumpTime))",
                "time_store": "\(logText(report.storeTime))", "time_total": "\(logText(report.totalTime))",
            ])
    }

    mutating func sendFailed(_ error: any Error) {
        if let inspection = send?.inspection {
            // A repetition usually finds nothing new, however often it fails.
            if let found = send?.scan?.changes?.found, found > 0, carried.count < Self.mostCarried {
                carried.append(inspection)
            } else {
                emit(.endSendInspection(inspection, nil))
            }
        }
        send = nil
        errors.send = settings.text(of: error)
        report(error, "cannot send a snapshot; will retry")
        observe(.sendFailed(errors.send))
        step(error is LocalContentError ? .unsendable : .sendFailed)
    }

    // MARK: The sweeper

    mutating func beginSweep(_ deletionTime: Duration) {
        guard let retention = settings.machine.sweeper?.retention else { return step(.sweepFailed) }
        let age = UInt64(max(0, retention.wholeNanoseconds))
        let limit = age >= wallTime ? 0 : wallTime - age
        let (run, begin) = sweeping ?? (Sweep(limit: limit, schema: settings.schema), now)
        sweeping = (run, begin)
        emit(.sweep(run, deletionTime: deletionTime))
    }

    mutating func swept(_ run: Sweep, _ transaction: UInt64?, _ lock: SweepLock?) {
        let begin = sweeping?.begin ?? now
        sweeping = run.isComplete ? nil : (run, begin)
        if run.isComplete { report(run.finished(after: now - begin)) }
        step(.swept(transaction: transaction, lock: lock, isLast: run.isComplete))
    }

    private mutating func report(_ report: Sweep.Report) {
        if let problem = report.problem {
            log(
                .error, "the sweeper skipped unreadable entries",
                ["entries": .stringConvertible(report.unreadable), "error": "\(problem)"])
        }
        log(
            .info, "swept",
            [
                "cleaned": .stringConvertible(report.cleaned), "entries": .stringConvertible(report.entries),
                "deleted": .stringConvertible(report.deleted), "time_write_lock": "\(logText(report.longestLock))",
                "time_total": "\(logText(report.duration))",
            ])
        observe(.swept(report))
    }

    mutating func sweepFailed(_ error: any Error) {
        sweeping = nil
        let text = settings.text(of: error)
        log(.error, "cannot remove old Deleted entries; will retry with the next run", ["error": "\(text)"])
        step(.sweepFailed)
    }

    // MARK: The record

    mutating func recordFailed(_ error: any Error) {
        let text = settings.text(of: error)
        log(.error, "cannot record when this database was last in sync; will retry", ["error": "\(text)"])
        errors.load = "cannot record when this database was last in sync: \(text)"
        step(.recordFailed)
    }
}
