import ArgumentParser
import BlobStorage
import Daemon

/// `lightningstream snapshots list`: the names of the objects in the storage.
struct SnapshotsList: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the objects in the storage, one name a line.",
        discussion: "Other objects than snapshots are listed too.")

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("List only names that start with this.", valueName: "prefix"))
    var prefix = ""

    @Flag(
        name: .shortAndLong,
        help: "Show size, time and instance as well; if the output is not a terminal, the size in bytes and the name.")
    var long = false

    @Flag(
        name: .shortAndLong,
        help: "Sort by the time of the snapshots, oldest first, instead of by name; other objects come first.")
    var time = false

    @Flag(help: "Show an array of objects; docs/commands.md describes them.")
    var json = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            let blobs = try session.withStorage(writes: false) { [prefix] in try await $0.list(prefix: prefix) }
            let list = SnapshotList(blobs, byTime: time)
            var output = BufferedOutput(context.standardOutput)
            if json {
                try list.writeJSON(to: &output)
            } else if long, context.showsToTerminal {
                try list.writeTable(to: &output)
            } else if long {
                try list.writeSizes(to: &output)
            } else {
                try list.writeNames(to: &output)
            }
            try output.flush()
            return ExitCode.success
        }
    }
}
