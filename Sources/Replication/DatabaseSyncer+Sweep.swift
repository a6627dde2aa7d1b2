import LMDB
import Logging

extension DatabaseSyncer {
    /// Lets the sweeper work for one slice.
    func sweep(_ environment: Environment, deletionTime: Duration) async {
        guard let retention = settings.machine.sweeper?.retention else { return }
        let (run, begin) = sweeping ?? (Sweep(limit: sweepLimit(retention), schema: settings.schema), .now)
        do {
            let (next, transaction, lock) = try await lmdb.run { [own] signal in
                var next = run
                let (transaction, lock) = try own.noting {
                    try next.slice(environment, deletionTime: deletionTime, signal: signal, willCommit: $0)
                }
                return (next, transaction, lock)
            }
            if let transaction { capture?.noteOwn(transaction) }
            sweeping = next.isComplete ? nil : (next, begin)
            if next.isComplete { report(next.finished(after: .now - begin)) }
            post.yield(.swept(transaction: transaction, lock: lock, isLast: next.isComplete))
        } catch {
            sweeping = nil
            guard !Task.isCancelled else { return }
            logger.error(
                "cannot remove old Deleted entries; it is tried again with the next run",
                metadata: ["error": "\(error)"])
            post.yield(.sweepFailed)
        }
    }

    private func sweepLimit(_ retention: Duration) -> UInt64 {
        let (now, age) = (wallClock(), retention / .nanoseconds(1))
        return age >= Double(now) ? 0 : now - UInt64(age)
    }

    private func report(_ report: Sweep.Report) {
        if let problem = report.problem {
            logger.error(
                "the sweeper left entries alone that it can't read",
                metadata: ["entries": .stringConvertible(report.unreadable), "error": "\(problem)"])
        }
        logger.info(
            "swept",
            metadata: [
                "cleaned": .stringConvertible(report.cleaned), "entries": .stringConvertible(report.entries),
                "deleted": .stringConvertible(report.deleted), "time_write_lock": "\(logText(report.longestLock))",
                "time_total": "\(logText(report.duration))",
            ])
        observe(.swept(report))
    }
}
