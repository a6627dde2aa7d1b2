import ArgumentParser

/// `lightningstream snapshots remove`: removes an object from the storage.
struct SnapshotsRemove: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove an object from the storage.",
        discussion: "Fails when there is none of this name.")

    @Argument(help: ArgumentHelp("The name of the object.", valueName: "name"))
    var name: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            try session.withStorage(writes: true) { [name] store in
                guard try await store.list(prefix: name).contains(where: { $0.name == name }) else {
                    throw CommandFailure.failed(
                        "snapshots remove: there is no object \(name) in the storage; `snapshots list` shows the names")
                }
                try await store.delete(name)
            }
            return ExitCode.success
        }
    }
}
