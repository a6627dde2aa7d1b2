import Daemon
import Monitoring
import Snapshots

/// Asks the daemon whether all instances have merged the newest change of a zone, until they have.
struct InSyncWait: Sendable {
    /// The interval between questions.
    static let interval = Duration.milliseconds(200)

    /// Asks once; with a ticket for the change of an earlier answer.
    var ask: @Sendable (_ ticket: UInt64?) async throws -> StatusReport.InSync
    /// Sleeps for a duration.
    var sleep: @Sendable (Duration) async throws -> Void
    /// The time.
    var now: @Sendable () -> ContinuousClock.Instant = { .now }

    /// The last answer, or why there is none.
    enum Result: Sendable {
        /// The last answer, and whether all others have the change.
        case answer(StatusReport.InSync, isDone: Bool)
        /// The daemon did not answer the last time; and whether it ever has.
        case failure(any Error, wasReached: Bool)
    }

    /// A daemon that is being restarted may answer once although its lock is free or another process's.
    private static let mostStrange = 2

    /// Asks at least once.
    ///
    /// - Parameter limit: how long to ask again; nil for once.
    /// - Throws: ``PowerDNSFault`` or `CommandFailure` if asking again is useless.
    func run(within limit: Duration?) async throws -> Result {
        let end = limit.map { now() + $0 }
        var ticket: UInt64?
        var (strange, wasReached) = (0, false)
        while true {
            let result: Result
            do {
                let answer = try await ask(ticket)
                (strange, wasReached) = (0, true)
                if answer.state == .noZone { throw PowerDNSFault.noZoneAnswers(answer.zone, answer.problem ?? "") }
                if answer.state == .impossible { throw PowerDNSFault.cannotTell(answer.problem ?? "") }
                // The change of the first answer, not that of the newest one.
                ticket = ticket ?? answer.ticket
                if answer.inSync { return .answer(answer, isDone: true) }
                result = .answer(answer, isDone: false)
            } catch let failure as CommandFailure {
                // A daemon that is being restarted answers soon; another program does not become one.
                strange = failure.isOfAnotherProgram ? strange + 1 : 0
                if strange == Self.mostStrange { throw failure }
                result = .failure(failure, wasReached: wasReached)
            }
            guard let end, now() + Self.interval < end else { return result }
            try await sleep(Self.interval)
        }
    }

}

extension CommandFailure {
    /// Whether something answers that is not the daemon.
    fileprivate var isOfAnotherProgram: Bool {
        switch reason {
        case .noDaemon, .noDaemonRuns, .anotherDaemon: true
        default: false
        }
    }
}

extension StatusReport.InSync {
    /// The output of `pdns insync`.
    var lines: [String] {
        var lines: [String] = []
        if inSync {
            lines.append("\(zone) is in sync: \(others)")
        } else if let problem {
            lines.append("\(zone) is not known to be in sync: \(problem)")
        } else {
            lines.append(
                "\(zone) is not in sync" + (mergedBy.isEmpty ? "" : ": merged by \(mergedBy.joined(separator: ", "))"))
        }
        for database in databases where !database.sent {
            let reason = database.unsentReason.map { ": \($0)" } ?? ""
            lines.append("  not sent   database \(database.database)\(reason)")
        }
        for missing in waitingFor {
            let time = missing.time.isEmpty ? "" : ", as of \(missing.time)"
            lines.append("  missing    \(missing.instance): database \(missing.database): \(missing.reason)\(time)")
        }
        if !leftOut.isEmpty { lines.append("  left out   \(leftOut.joined(separator: ", "))") }
        if !unknown.isEmpty { lines.append("  unknown    \(unknown.joined(separator: ", ")): no state is published") }
        return lines
    }

    /// Who has merged the change, if nobody is waited for.
    private var others: String {
        if !mergedBy.isEmpty { return "merged by \(mergedBy.joined(separator: ", "))" }
        if leftOut.isEmpty { return unknown.isEmpty ? "there are no others" : "no other instance publishes its state" }
        return unknown.isEmpty ? "all others are left out" : "all others are left out or publish no state"
    }

    /// A remark on names to leave out that no other instance has; nil if there are none. Nothing is known without databases.
    ///
    /// - Parameter except: the names.
    func remark(on except: [String]) -> String? {
        guard !databases.isEmpty else { return nil }
        let names = except.filter { !leftOut.contains(SnapshotName.sanitize(instance: $0)) }
        guard !names.isEmpty else { return nil }
        return "--except: no other instance in the storage is named \(names.joined(separator: " or "))"
    }

    /// One line about what is missing.
    var complaint: String {
        if let problem { return problem }
        let missing = Array(Set(waitingFor.map(\.instance))).sorted()
        if missing.isEmpty { return "this instance has not sent the newest change of \(zone)" }
        return
            "\(missing.joined(separator: ", ")) \(missing.count == 1 ? "has" : "have") not merged the newest change of \(zone)"
    }
}
