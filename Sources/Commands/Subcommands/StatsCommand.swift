import ArgumentParser

/// `lightningstream stats`: sizes and counters of the local databases.
struct Stats: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show sizes and counters of the local databases and their DBIs.",
        discussion: "The LMDBs are opened for reading only. Fails when one of them can't be opened.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            var output = BufferedOutput(context.standardOutput)
            var isFirst = true
            let code = try session.forEachDatabase { database in
                let lines = try StatsReport(database).lines
                for line in isFirst ? lines : [""] + lines {
                    output.append(line)
                    try output.endLine()
                }
                isFirst = false
            }
            try output.flush()
            return code
        }
    }
}
