import ArgumentParser
import BlobStorage
import Daemon
import Replication
import Snapshots

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
        help: ArgumentHelp(
            "Show size, kind, times and instance as well; if the output is not a terminal, the size in bytes and the name.",
            discussion: "Reads the end of each delta. With --json too, it is the field to."))
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
            let list = try load(session, readsEnds: long && (json || context.showsToTerminal))
            for line in list.problems { context.report("snapshots list: \(line)") }
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

    private func load(_ session: Session, readsEnds: Bool) throws -> SnapshotList {
        try session.withOpenStorage(writes: false) { [prefix, time] storage in
            let blobs = try await storage.store.list(prefix: prefix)
            let deltas = readsEnds ? blobs.compactMap { SnapshotName($0.name) }.filter(\.isDelta) : []
            let ends = try await StoredDelta.ends(of: deltas, storage.store)
            return SnapshotList(blobs, byTime: time, ends: ends, seal: storage.seals.seal)
        }
    }
}
