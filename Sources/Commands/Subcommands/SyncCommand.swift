import ArgumentParser
import Daemon

/// The flags of both syncing commands.
struct SyncOptions: ParsableArguments {
    @Flag(help: "End when all snapshots are loaded and local changes are stored.")
    var onlyOnce = false

    @Option(
        help: ArgumentHelp(
            "Wait for an object of this name in the storage before syncing.", valueName: "name"))
    var waitForMarkerFile: String?
}

/// `lightningstream sync`: two-way syncing.
struct Sync: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep the local databases and the storage in sync, both ways.")

    @OptionGroup var options: SyncOptions

    @Option(
        name: .customLong("only-db"),
        help: ArgumentHelp("Sync only this database; may be repeated.", valueName: "name"))
    var onlyDatabases: [String] = []

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try SyncRun.perform(
            global.session, onlyDatabases: onlyDatabases, receiveOnly: false, onlyOnce: options.onlyOnce,
            markerName: options.waitForMarkerFile, in: context)
    }
}
