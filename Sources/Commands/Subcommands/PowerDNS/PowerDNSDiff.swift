import ArgumentParser
import Daemon
import PowerDNSDatabase
import PowerDNSFormat

/// `lightningstream pdns diff`: shows the differences of two databases, or of one at two times.
struct PowerDNSDiff: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show in DNS terms how two databases of PowerDNS differ.",
        discussion: """
            A and B are each: the word lmdb for the local databases; the name of an instance for its state in the storage; \
            the name of a snapshot, for which the other one of the same instance and time is selected; or, with a /, a file: a snapshot or an LMDB. Two of them separated by a \
            comma are the two LMDBs of one PowerDNS. Lines begin with - for data only in A and + for data only in B. \
            Exits with 0 if both are the same, 1 if they differ and 2 on failure.
            """)

    /// As in diff(1), in which 1 is not a failure.
    static let troubleCode: Int32 = 2

    @Argument(help: "The first one, usually the older.", completion: .file())
    var a: String

    @Argument(help: "The second one, usually the newer.", completion: .file())
    var b: String

    @Flag(help: "Show only the numbers of removed and added records of each zone.")
    var summary = false

    @Flag(help: "Show an array of objects; docs/pdns-commands.md describes them.")
    var json = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        let sources = [try Self.source(a), try Self.source(b)]
        do {
            return try context.withPowerDNS(sources, global) { try compare($0, in: context) }
        } catch let failure as any ReportedFailure where failure.exitCode != ExitCode.failure {
            throw failure
        } catch is OutputClosed {
            throw OutputClosed()
        } catch {
            throw PowerDNSFault.noDifference("\(error)")
        }
    }

    private static func source(_ word: String) throws(PowerDNSFault) -> PowerDNSSource {
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
            // The reader has seen enough: it is known that they differ.
            return 1
        }
        return isComplete ? text.isDifferent ? 1 : ExitCode.success : Self.troubleCode
    }
}
