import ArgumentParser

/// `lightningstream experimental`: rarely needed changes of a database. Without a subcommand it shows its help.
struct ExperimentalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "experimental",
        abstract: "Migrate a database to a different schema of its application, or repair it.",
        subcommands: [MigrateTimestamps.self, FixDuplicateDomains.self])

    @OptionGroup(title: "Global options") var global: GlobalOptions
}
