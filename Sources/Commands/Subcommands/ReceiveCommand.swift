import ArgumentParser

/// `lightningstream receive`: syncing that never writes to the storage.
struct Receive: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Load snapshots into the local databases, and never write to the storage.")

    @OptionGroup var options: SyncOptions

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try SyncRun.perform(global, options, onlyDatabases: [], receiveOnly: true, in: context)
    }
}
