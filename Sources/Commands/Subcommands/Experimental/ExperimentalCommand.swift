import ArgumentParser

/// `lightningstream experimental`: what is needed once in the life of a database. Without a subcommand it shows its help.
struct ExperimentalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "experimental", abstract: "Move a database to another schema of its application, or repair it.",
        subcommands: [MigrateTimestamps.self, FixDuplicateDomains.self])

    @OptionGroup(title: "Global options") var global: GlobalOptions
}
