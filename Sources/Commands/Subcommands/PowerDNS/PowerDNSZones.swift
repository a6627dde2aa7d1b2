import ArgumentParser
import Daemon
import PowerDNSDatabase
import PowerDNSFormat

/// `lightningstream pdns zones`: lists the zones, one per line.
struct PowerDNSZones: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "zones", abstract: "List the zones of PowerDNS.",
        discussion: "Sorted by name. Reads the whole database, because it counts all records.")

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

/// The sources of the `pdns` commands that read one database.
struct PowerDNSSourceOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Read a snapshot, or the state of an instance, instead of the local databases. May be given twice.",
            discussion: """
                PowerDNS has two LMDBs: give the snapshot of one of them, and that of the other one of the same time is \
                selected; or give both. The name of an instance stands for all that it has in the storage: its newest full \
                snapshots with the deltas that continue them. A name with a /, such as ./name, is a file: a snapshot or an LMDB.
                """, valueName: "name"), completion: .file())
    var snapshot: [String] = []

    var source: PowerDNSSource { get throws { try PowerDNSSource(snapshot) } }
}
