import ArgumentParser

/// `lightningstream experimental`: what is needed once in the life of a database. Without a subcommand it shows its help.
struct ExperimentalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "experimental", abstract: "Move databases from one schema of their application to another.",
        subcommands: [MigrateTimestamps.self])

    @OptionGroup(title: "Global options") var global: GlobalOptions
}
