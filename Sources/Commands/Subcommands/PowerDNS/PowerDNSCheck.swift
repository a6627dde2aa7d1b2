import ArgumentParser
import Daemon
import Monitoring
import PowerDNSDatabase
import PowerDNSFormat
import Support

/// `lightningstream pdns check`: checks PowerDNS's data.
struct PowerDNSCheck: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check zones, records and keys, and report problems.",
        discussion: """
            Without a zone both databases are checked completely, otherwise only the given zones. docs/powerdns-checks.md \
            lists all rules. Ends with exit code 1 if there are errors, and with 0 if there are only warnings.
            """)

    @Argument(help: ArgumentHelp("Check only these zones.", valueName: "zone"))
    var zones: [String] = []

    @OptionGroup var source: PowerDNSSourceOptions

    @Flag(help: "Show an object; docs/powerdns-checks.md describes it.")
    var json = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        let names = try zones.map(Self.zoneName)
        return try context.withPowerDNS([source.source], global) { databases in
            guard let database = databases.first else { return ExitCode.failure }
            let (ids, missing) = try find(names, in: database)
            let report = CheckReport(BufferedOutput(context.standardOutput), json: json)
            for finding in missing { try report.add(finding) }
            var summary = try ZoneChecker.check(
                names.isEmpty ? .everything : .zones(ids), main: database.main, shard: database.shard
            ) {
                try report.add($0)
            }
            summary.errors += missing.count
            try report.end(summary)
            return summary.errors > 0 ? ExitCode.failure : ExitCode.success
        }
    }

    private static func zoneName(_ text: String) throws -> ZoneName {
        do throws(DecodeError) {
            return try ZoneName(text)
        } catch {
            throw PowerDNSFault.badZoneName(text, error)
        }
    }

    /// The IDs of all zones with these names, and a finding for each name without a zone.
    private func find(
        _ names: [ZoneName], in database: DatabasePair
    ) throws -> (ids: [UInt32], missing: [ValidationFinding]) {
        var ids: [UInt32] = []
        var missing: [ValidationFinding] = []
        try database.main.read { main in
            let lookup = try ZoneLookup(main)
            for name in names {
                let found = try lookup.entries(.domainsIndex, of: name, main).filter { !$0.isDeleted }.map(\.id)
                if found.isEmpty {
                    let hint = try NearZones.hint(for: name, main)
                    missing.append(ValidationFinding(.noSuchZone, zone: name.shown, "there is no such zone\(hint)"))
                }
                ids += found.filter { !ids.contains($0) }
            }
        }
        return (ids, missing)
    }
}

/// Writes findings as they are found.
private final class CheckReport {
    private var output: BufferedOutput
    private let json: Bool
    private var list = JSONArrayText()

    init(_ output: BufferedOutput, json: Bool) {
        self.output = output
        self.json = json
        if json {
            self.output.append("{\"version\":1,\"findings\":")
            list.begin(&self.output)
        }
    }

    func add(_ finding: ValidationFinding) throws {
        if json { return try list.append(finding, to: &output) }
        output.append(PrintableText.line("\(finding)"))
        try output.endLine()
    }

    func end(_ summary: ZoneChecker.Summary) throws {
        if json {
            try list.end(&output)
            output.append(
                ",\"zones\":\(summary.zones),\"errors\":\(summary.errors),\"warnings\":\(summary.warnings)}")
        } else {
            let zones = summary.zones == 1 ? "1 zone" : "\(summary.zones) zones"
            output.append("\(zones) checked: errors \(summary.errors), warnings \(summary.warnings)")
        }
        try output.endLine()
        try output.flush()
    }
}
