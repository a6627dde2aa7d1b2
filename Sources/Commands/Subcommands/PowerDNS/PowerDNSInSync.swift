import ArgumentParser
import Config
import Daemon
import Monitoring
import PowerDNSFormat
import Snapshots
import Support

/// `lightningstream pdns insync`: whether the newest change of a zone is merged by all instances.
struct PowerDNSInSync: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "insync", abstract: "Show whether all instances have merged the newest change of a zone.",
        discussion: """
            Queries the running daemon at http.address for the newest change of the zone that this host has: of its records, \
            metadata, keys or the zone itself. Exits with 0 if every instance in the storage that publishes its state has merged \
            it, and with 75 if not. With --wait: ends when they have the change that was the newest one at the beginning, and with 75 \
            when the time expires (--timeout, default 30s). Exits with 1 if there is no daemon, or if it can never tell.
            """)

    @Argument(help: ArgumentHelp("The zone; a variant of it as example.org..variant.", valueName: "zone"))
    var zone: String

    @Flag(help: "Wait until all others have merged the change.")
    var wait = false

    @Option(
        help: ArgumentHelp("Do not require the change of this instance; may be repeated.", valueName: "name")
    )
    var except: [String] = []

    @Flag(help: "Write JSON; docs/pdns-commands.md describes it.")
    var json = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        do { _ = try ZoneName(zone) } catch { throw PowerDNSFault.badZoneName(zone, error) }
        return try Session.run(global, in: context) { session in
            session.logConfiguration(session.logger())
            let limit = wait ? global.timeout ?? SpreadWait.usualLimit : nil
            // This command prints a result when the time expires.
            if wait { session.timeLimit.soften(grace: .seconds(6)) { _ in } }
            guard let daemon = StatusSources(session).daemon else { throw PowerDNSFault.noAddress }
            let (zone, except) = (zone, except)
            let waiting = InSyncWait(
                ask: { ticket in
                    let (answer, doubt) = try await daemon.inSync(zone, ticket: ticket, except: except)
                    if ticket == nil, let doubt { context.report(doubt) }
                    guard let answer else { throw PowerDNSFault.noPowerDNSDaemon }
                    return answer
                }, sleep: context.sleep)
            return try show(try runBlocking { try await waiting.run(within: limit) }, limit, in: context)
        }
    }

    private func show(_ result: InSyncWait.Result, _ limit: Duration?, in context: CommandContext) throws -> Int32 {
        let answer: StatusReport.InSync
        let isDone: Bool
        switch result {
        case .failure(let failure, let wasReached):
            guard let limit else { throw failure }
            guard wasReached else {
                throw PowerDNSFault.noDaemonReached(within: DurationText.format(limit), "\(failure)")
            }
            context.report("timeout: not done after \(DurationText.format(limit)): \(failure)")
            return ExitCode.timeout
        case .answer(let last, let done): (answer, isDone) = (last, done)
        }
        var output = BufferedOutput(context.standardOutput)
        if json {
            try output.appendJSON(answer)
        } else {
            try output.append(lines: answer.lines)
        }
        try output.flush()
        if let remark = answer.remark(on: except) { context.report(PrintableText.line(remark)) }
        if isDone { return ExitCode.success }
        if let limit {
            let complaint = PrintableText.line(answer.complaint)
            context.report("timeout: not done after \(DurationText.format(limit)): \(complaint)")
        }
        return ExitCode.timeout
    }
}
