import ArgumentParser

/// `lightningstream snapshots`: the objects in the storage. Without a subcommand it shows its help.
struct SnapshotsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshots", abstract: "List, show, copy, remove, clean up and seal snapshots in the storage.",
        subcommands: [
            SnapshotsList.self, SnapshotsDump.self, SnapshotsGet.self, SnapshotsPut.self, SnapshotsRemove.self,
            SnapshotsPrune.self, SnapshotsReseal.self,
        ])

    @OptionGroup(title: "Global options") var global: GlobalOptions
}
