import ArgumentParser
import Daemon
import PowerDNSDatabase
import PowerDNSFormat

/// `lightningstream pdns diff`: what two databases, or one at two times, have in different ways.
struct PowerDNSDiff: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show in DNS terms how two databases of PowerDNS differ.",
        discussion: """
            A and B each are: the word lmdb for the local databases; the name of a snapshot, to which the other one of \
            the same instance and time is found; or with a / in it a file, a snapshot or an LMDB. Two of them with a comma \
            between them are the two LMDBs of one PowerDNS. Lines begin with - for what only A has and + for what only B has. \
            Exits with 0 when both are the same, 1 when they differ and 2 when something failed.
            """)

    /// As diff(1) has it: 1 is no failure here.
    static let troubleCode: Int32 = 2

    @Argument(help: "The first one, usually the older.", completion: .file())
    var a: String

    @Argument(help: "The second one, usually the newer.", completion: .file())
    var b: String

    @Flag(help: "Show only how many records each zone has lost and gained.")
    var summary = false

    @Flag(help: "Show an array of objects; docs/pdns-commands.md describes them.")
    var json = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        let sources = [try Self.source(a), try Self.source(b)]
        do {
            return try context.withPowerDNS(sources, global) { try compare($0, in: context) }
        } catch let failure as CommandFailure where failure.exitCode == ExitCode.failure {
            throw CommandFailure(exitCode: Self.troubleCode, description: failure.description)
        } catch let failure as CommandFailure {
            throw failure
        } catch is OutputClosed {
            throw OutputClosed()
        } catch {
            throw CommandFailure(exitCode: Self.troubleCode, description: "\(error)")
        }
    }

    private static func source(_ word: String) throws(CommandFailure) -> PowerDNSSource {
        guard word != "lmdb" else { return .configured }
        return try PowerDNSSource(word.split(separator: ",").map(String.init))
    }

    private func compare(_ databases: [DatabasePair], in context: CommandContext) throws -> Int32 {
        guard databases.count == 2 else { return Self.troubleCode }
        var isComplete = true
        var output = BufferedOutput(context.standardOutput)
        var text: any DiffText =
            switch (summary, json) {
            case (false, false): DiffLines()
            case (false, true): DiffJSON()
            case (true, let json): DiffSummary(json: json)
            }
        do {
            try text.begin(&output)
            try DatabaseDiff.run(
                databases[0], databases[1],
                report: { side, problem in
                    context.report("\(side == .first ? "A" : "B"): \(problem)")
                    isComplete = false
                }, { try text.append($0, to: &output) })
            try text.end(&output)
            try output.flush()
        } catch is OutputClosed where text.isDifferent {
            // Whoever read it has seen enough: that they differ is known.
            return 1
        }
        return isComplete ? text.isDifferent ? 1 : ExitCode.success : Self.troubleCode
    }
}
