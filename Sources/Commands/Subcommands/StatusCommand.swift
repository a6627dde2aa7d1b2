import ArgumentParser
import Config
import Daemon
import Monitoring
import Snapshots

/// `lightningstream status`: shows the status of syncing.
struct Status: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show instances, their lag and health.",
        discussion: """
            Queries the running daemon at http.address. Without an address or an answer, it reads storage and LMDBs \
            itself. Ends with exit code 1 if a check fails. With --wait: ends when every instance in the \
            storage that publishes its state has merged the newest snapshot of this one. If the time expires \
            (--timeout, default 30s), it names the others and ends with exit code 75.
            """)

    @Flag(help: "Wait until all others have merged the local changes.")
    var wait = false

    @Option(
        help: ArgumentHelp("With --wait: do not wait for this instance; may be repeated.", valueName: "name")
    )
    var except: [String] = []

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            session.logConfiguration(session.logger())
            return wait ? try waitForOthers(session) : try show(session)
        }
    }

    private func show(_ session: Session) throws -> Int32 {
        let report = try runBlocking { try await StatusSources(session).report() }
        var output = BufferedOutput(session.context.standardOutput)
        if json {
            try output.appendJSON(report)
        } else {
            try output.append(lines: StatusText(report: report, now: UInt64(session.context.clock())).lines)
        }
        try output.flush()
        return report.health.failures.isEmpty ? ExitCode.success : ExitCode.failure
    }

    private func waitForOthers(_ session: Session) throws -> Int32 {
        let limit = global.timeout ?? SpreadWait.usualLimit
        // This command prints a result when the time expires.
        session.timeLimit.soften(grace: .seconds(5)) { _ in }
        let wait = SpreadWait(StatusSources(session), except: except, sleep: session.context.sleep)
        let isDone = try runBlocking { try await wait.run(within: limit) }
        let spreads = wait.spreads
        var output = BufferedOutput(session.context.standardOutput)
        if json {
            try output.appendJSON(spreads)
        } else {
            try output.append(lines: spreads.flatMap(\.lines))
        }
        try output.flush()
        guard !isDone else { return ExitCode.success }
        session.context.report(wait.complaint(after: limit))
        return ExitCode.timeout
    }
}
