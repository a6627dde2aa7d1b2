import ArgumentParser
import BlobStorage
import Daemon
import Sealing
import Support

/// `lightningstream snapshots get`: copies an object from the storage into a file.
struct SnapshotsGet: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Copy an object from the storage into a file.",
        discussion: """
            A sealed object is opened, if storage.sealing has its identity; the proof of its sender is left out. An existing file is replaced after a complete \
            download; a failure leaves it unchanged.
            """)

    @Argument(help: ArgumentHelp("The name of the object.", valueName: "name"))
    var name: String

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The file; - is standard output. The default is the object's name in the working directory.",
            valueName: "file"),
        completion: .file())
    var output: String?

    @Flag(help: "Copy a sealed object as it is stored; no identity is needed.")
    var sealed = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            // As in the bucket, or as everywhere else.
            let name = Blob.nameWithoutSeal(name) ?? name
            let target = output ?? String(name.split(separator: "/").last ?? "") + (sealed ? Blob.sealSuffix : "")
            guard !target.isEmpty else {
                throw SnapshotsFault.noFileName(name)
            }
            try context.withProgress(Progress(title: "snapshots get"), writesResults: target == "-") { line in
                let loaded = try session.withStorage(writes: false, asStored: sealed, progress: line) { [sealed] in
                    try await $0.loadListed(sealed ? name + Blob.sealSuffix : name)
                }
                let spool = sealed ? loaded : try SealedStore.withoutProof(loaded)
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
