import ArgumentParser
import BlobStorage
import Daemon
import Sealing
import Snapshots
import Support

/// `lightningstream snapshots put`: copies a file into the storage.
struct SnapshotsPut: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Copy a snapshot from a file into the storage.",
        discussion: """
            The name must be that of a snapshot or a delta, and the whole file is checked to be one. An object of \
            the same name is replaced. A sealed copy, as of snapshots get --sealed, is stored as it is, and not checked.
            """)

    @Argument(help: ArgumentHelp("The file.", valueName: "file"), completion: .file())
    var file: String

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The name of the object; the default is the name of the file.", valueName: "name"))
    var name: String?

    @Flag(help: "Store it even if the name or the file is not that of a snapshot.")
    var force = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            let given = name ?? String(file.split(separator: "/").last ?? "")
            let name = Blob.nameWithoutSeal(given) ?? given
            let parsed = SnapshotName(name)
            if parsed == nil {
                try refuse(.badSnapshotName(name), context)
            }
            let spool = try LocalFile.open(file)
            // Never under a name of one that is not sealed.
            guard try !AgeFile.isSealed(spool) else {
                try session.withStorage(writes: true, asStored: true) {
                    _ = try await $0.store(name + Blob.sealSuffix, spool)
                }
                return ExitCode.success
            }
            try context.withProgress(
                Progress(title: "checking \(file)", totalBytes: spool.count), writesResults: false
            ) { line in
                try check(SnapshotText.observed(spool, line), against: parsed, context, line)
            }
            try context.withProgress(
                Progress(title: "snapshots put", totalBytes: spool.count), writesResults: false
            ) { line in
                try session.withStorage(writes: true, progress: line) { _ = try await $0.store(name, spool) }
            }
            return ExitCode.success
        }
    }

    /// Throws an error, or only warns with `--force`.
    private func refuse(_ fault: SnapshotsFault, _ context: CommandContext) throws(SnapshotsFault) {
        guard force else { throw fault }
        context.report("warning: \(fault.words.problem)")
    }

    private func check(
        _ spool: Spool, against name: SnapshotName?, _ context: CommandContext, _ line: ProgressLine?
    ) throws {
        let meta: SnapshotMeta
        do throws(SnapshotError) {
            meta = try SnapshotText.readThrough(spool)
        } catch {
            line?.end()
            return try refuse(.badSnapshotFile(file, error), context)
        }
        line?.end()
        // Readers use the name, so this is odd, but not an error.
        guard let name else { return }
        if name.isDelta {
            if let problem = meta.problem(asDelta: name) { try refuse(.badDelta(file, problem), context) }
        } else if let claim = meta.disagreement(with: name) {
            context.report(
                PrintableText.line(
                    "warning: the snapshot's metadata say \(claim), but readers use its name, \(name)"))
        }
        if SnapshotHorizon(now: UInt64(context.clock())).isFarAhead(name) {
            context.report(
                PrintableText.line(
                    "warning: \(name) is in the far future: other programs ignore newer snapshots of that instance"
                ))
        }
    }
}
