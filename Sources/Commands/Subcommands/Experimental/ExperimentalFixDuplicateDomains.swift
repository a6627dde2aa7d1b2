import ArgumentParser
import Daemon
import LMDB
import PowerDNSDatabase
import Support

/// `lightningstream experimental pdns-v5-fix-duplicate-domains`: makes zones of the same name deletable.
struct FixDuplicateDomains: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "pdns-v5-fix-duplicate-domains",
        abstract: "Find zones of the same name in a database of PowerDNS 4.8 or 4.9, and rename all but one.",
        discussion: """
            If two servers create the same zone at the same time, there are two zones of one name. PowerDNS uses the one whose \
            entry in the name index is the oldest, and a change of either can make it use the other one. Without \
            --dangerous-do-rename nothing is changed. With it each of the others is renamed to ZONE.dup-ID.invalid, \
            and can be deleted with pdnsutil; index entries without a zone are deleted. Check their contents first: docs/powerdns-checks.md.
            """)

    @Option(
        name: [.customShort("d"), .customLong("database")],
        help: ArgumentHelp("The database with the zones.", valueName: "db"))
    var database: String

    @Flag(
        name: .customLong("dangerous-do-rename"),
        help: "Rename them, on all instances. Records that exist only in these zones are no longer answered.")
    var renames = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            session.logConfiguration(session.logger())
            guard let database = try session.databases(named: [database], flag: "--database").first else {
                throw CommandFault.noDatabase
            }
            let duplicates = DuplicateZones(paddingBlock: database.headerExtraPaddingBlock)
            let report: DuplicateZones.Report
            do {
                let local = LocalDatabase(database)
                report =
                    renames ? try duplicates.rename(local.openForWriting()) : try duplicates.find(local.open())
            } catch let error as PowerDNSReadError {
                throw CommandFault.unchanged(
                    command: "pdns-v5-fix-duplicate-domains", database: database.name, error)
            } catch let error as LMDBError {
                throw CommandFault.failedDatabase(
                    command: "pdns-v5-fix-duplicate-domains", database: database.name, error)
            }
            var output = BufferedOutput(context.standardOutput)
            try output.append(lines: lines(report, of: database.name).map { PrintableText.line($0) })
            try output.flush()
            return ExitCode.success
        }
    }

    private func lines(_ report: DuplicateZones.Report, of database: String) -> [String] {
        var lines: [String] = []
        var toDelete = report.renamed.map { "\($0)" }
        for duplicate in report.duplicates {
            lines.append(
                "\(database): \(duplicate.zone): PowerDNS uses ID \(duplicate.used); "
                    + (duplicate.others.count == 1 ? "the other one is " : "the others are ")
                    + duplicate.others.map { "\($0)" }.joined(separator: ", "))
            guard renames else { continue }
            for id in duplicate.others {
                guard let name = DuplicateZones.newName(of: duplicate.zone, id: id) else { continue }
                lines.append("\(database): \(duplicate.zone): renamed ID \(id) to \(name)")
                toDelete.append("\(name)")
            }
        }
        for entry in report.leftOver {
            lines.append(
                "\(database): \(entry.zone): the name index refers to ID \(entry.id), which is not a zone"
                    + (renames ? "; deleted that entry" : ""))
        }
        if report.duplicates.isEmpty { lines.append("\(database): there are no zones of the same name") }
        if !renames, !report.duplicates.isEmpty || !report.leftOver.isEmpty {
            lines.append(
                "\(database): nothing was changed; --dangerous-do-rename renames the others, and deletes entries without a zone"
            )
        }
        guard !toDelete.isEmpty else { return lines }
        return lines + ["\(database): delete them when their contents are no longer needed:"]
            + toDelete.map { "pdnsutil delete-zone \(Self.shellWord($0))" }
    }

    /// Quotes a text for a shell, whatever it contains.
    static func shellWord(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "."), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return isPlain ? text : "'\(text.replacing("'", with: "'\\''"))'"
    }
}
