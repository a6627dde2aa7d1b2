import LMDB
import Logging

extension DatabaseSyncer {
    /// Copies what the application has changed to the shadows.
    func captureChanges(_ environment: Environment) async {
        do {
            try await capture(environment)
        } catch {
            guard !Task.isCancelled else { return }
            report(error, "cannot capture what the application has changed; it is tried again", [:])
            errors.load = "cannot capture what the application has changed: \(error)"
            post.yield(.captureFailed)
        }
    }

    /// The same, within other work.
    ///
    /// - Returns: every transaction up to this one is in the shadows now; nil where there are none.
    @discardableResult
    func capture(_ environment: Environment) async throws -> UInt64? {
        guard let before = capture else { return nil }
        let (paddingBlock, clock) = (settings.paddingBlock, wallClock)
        let begin = ContinuousClock.now
        let (after, outcome) = try await lmdb.run { signal in
            var capture = before
            let outcome = try capture.run(environment, paddingBlock: paddingBlock, clock: clock, signal: signal)
            return (capture, outcome)
        }
        capture = after
        for name in outcome.dropped {
            logger.warning(
                "the application has dropped a DBI: its entries count as deleted, but others hear of that only when it is made anew",
                metadata: ["dbi": "\(name)"])
        }
        for name in outcome.lost {
            logger.warning(
                "somebody has dropped the shadow of a DBI: what was deleted here since the last send may come back; stop lightningstream before drop-shadow",
                metadata: ["dbi": "\(name)"])
        }
        if let transaction = outcome.transaction {
            logger.debug(
                "captured what the application has changed",
                metadata: [
                    "entries": .stringConvertible(outcome.written), "txnID": .stringConvertible(transaction),
                    "time_write_lock": "\(logText(outcome.lockTime))", "time_total": "\(logText(.now - begin))",
                ])
        }
        post.yield(.captured(through: outcome.through, transaction: outcome.transaction))
        return outcome.through
    }
}
