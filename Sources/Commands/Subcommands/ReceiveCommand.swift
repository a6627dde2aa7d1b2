import ArgumentParser
import Daemon

/// `lightningstream receive`: syncs without writing to the storage.
struct Receive: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Load snapshots into the local databases, and never write to the storage.")

    @OptionGroup var options: SyncOptions

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try SyncRun.perform(
            global.session, onlyDatabases: [], receiveOnly: true, onlyOnce: options.onlyOnce,
            markerName: options.waitForMarkerFile, in: context)
    }
}
