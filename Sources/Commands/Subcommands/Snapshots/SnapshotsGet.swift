import ArgumentParser
import Daemon
import Support

/// `lightningstream snapshots get`: copies an object from the storage into a file.
struct SnapshotsGet: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Copy an object from the storage into a file.",
        discussion: "An existing file is replaced after a complete download; a failure leaves it unchanged.")

    @Argument(help: ArgumentHelp("The name of the object.", valueName: "name"))
    var name: String

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The file; - is standard output. The default is the object's name in the working directory.",
            valueName: "file"),
        completion: .file())
    var output: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            let target = output ?? String(name.split(separator: "/").last ?? "")
            guard !target.isEmpty else {
                throw SnapshotsFault.noFileName(name)
            }
            try context.withProgress(Progress(title: "snapshots get"), writesResults: target == "-") { line in
                let spool = try session.withStorage(writes: false, progress: line) { [name] in
                    try await $0.loadListed(name)
                }
                if target == "-" {
                    try OutputFile.copy(spool) { try context.standardOutput.write(Array($0)) }
                } else {
                    try OutputFile.write(spool, to: target)
                }
            }
            return ExitCode.success
        }
    }
}
