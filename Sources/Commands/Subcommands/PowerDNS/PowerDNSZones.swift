import ArgumentParser
import Daemon
import PowerDNSDatabase
import PowerDNSFormat

/// `lightningstream pdns zones`: the zones with what there is to say about each in a line.
struct PowerDNSZones: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "zones", abstract: "List the zones of PowerDNS.",
        discussion: "Sorted by name. All records are counted, so this reads the whole database.")

    @OptionGroup var source: PowerDNSSourceOptions

    @Flag(help: "Show an array of objects; docs/pdns-commands.md describes them.")
    var json = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try context.withPowerDNS([source.source], global) { databases in
            guard let database = databases.first else { return ExitCode.failure }
            var code = ExitCode.success
            var output = BufferedOutput(context.standardOutput)
            var list = ZoneListText(json: json)
            try list.begin(&output)
            try database.read { main, shard in
                let lookup = try ZoneLookup(main)
                let fail = { (id: UInt32, error: any Error) in
                    context.report("zone with ID \(id): \(error)")
                    code = ExitCode.failure
                }
                let order = try ZoneOrder(main, report: fail)
                try context.withProgress(Progress(title: "pdns zones"), writesResults: true) { line in
                    try order.read { walk in
                        while try walk.next() {
                            for id in walk.ids {
                                let summary = try ZoneSummary(id, lookup, main, shard) { fail(id, $0) }
                                guard let summary else { continue }
                                try list.append(summary, &output)
                                line?.add(entries: summary.records)
                            }
                        }
                    }
                }
            }
            try list.end(&output)
            try output.flush()
            return code
        }
    }
}

/// Where the `pdns` commands that look at one database read from.
struct PowerDNSSourceOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Read a snapshot instead of the local databases. May be given twice.",
            discussion: """
                PowerDNS has two LMDBs: give the snapshot of one of them, and that of the other one of the same time is \
                found; or give both. What has a / in it, such as ./name, is a file: a snapshot or an LMDB.
                """, valueName: "name"), completion: .file())
    var snapshot: [String] = []

    var source: PowerDNSSource { get throws { try PowerDNSSource(snapshot) } }
}
