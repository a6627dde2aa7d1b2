import ArgumentParser
import BlobStorage
import Daemon
import Sealing
import Snapshots
import Support

/// `lightningstream snapshots dump`: the contents of a snapshot as text.
struct SnapshotsDump: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump",
        abstract: "Show all entries of a snapshot or a delta as text.",
        discussion:
            "The whole snapshot is checked while it is read; a damaged one is shown up to the damage, and fails.")

    @Argument(
        help: ArgumentHelp("The name of the object, or with -l of the file.", valueName: "name"), completion: .file())
    var name: String

    @Option(name: .shortAndLong, help: ArgumentHelp("Show only the DBI of this name.", valueName: "dbi"))
    var dbi: String?

    @Flag(name: .shortAndLong, help: "Read a file instead of an object in the storage; needs no configuration file.")
    var local = false

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "debug or text. text shows entries in the format of the command dump; debug also shows metadata, chunks and timestamps.",
            valueName: "format"))
    var format = SnapshotText.Format.debug

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        guard !local else {
            Session.startTimeLimit(global.session, in: context)
            let spool = try LocalFile.open(name)
            guard try AgeFile.isSealed(spool) else { return try show(spool, in: context) }
            let keyring: Keyring?
            do {
                var found: Keyring?
                _ = try Session.run(global, in: context) { session in
                    found = try session.configuration.storage.keyring()
                    return ExitCode.success
                }
                keyring = found
            } catch {
                throw SnapshotsFault.sealedFile(name, "\(error)")
            }
            guard let keyring else { throw SnapshotsFault.sealedFile(name, "storage.sealing is not set") }
            return try show(open(spool, keyring), in: context)
        }
        return try Session.run(global, in: context) { session in
            let spool = try context.withProgress(Progress(title: "snapshots dump: loading"), writesResults: false) {
                line in
                let name = Blob.nameWithoutSeal(name) ?? name
                return try session.withStorage(writes: false, progress: line) { try await $0.loadListed(name) }
            }
            if let problem = Self.problem(of: spool, asDelta: name) {
                context.report(PrintableText.line("warning: \(name): readers reject this delta: \(problem)"))
            }
            return try show(spool, in: context)
        }
    }

    private func open(_ spool: Spool, _ keyring: Keyring) throws -> Spool {
        do {
            return try AgeFile.open(spool, keyring.identities).plain
        } catch let error as AgeError {
            throw SnapshotsFault.sealedFile(name, "\(error)")
        }
    }

    /// The disagreement between a delta's metadata and its name; nil for other objects, and for damaged ones.
    private static func problem(of spool: Spool, asDelta name: String) -> String? {
        guard let name = SnapshotName(name), name.isDelta, let meta = try? SnapshotMeta.read(spool) else { return nil }
        return meta.problem(asDelta: name)
    }

    private func show(_ spool: Spool, in context: CommandContext) throws -> Int32 {
        var output = BufferedOutput(context.standardOutput)
        let found: Bool
        do {
            found = try context.withProgress(
                Progress(title: "snapshots dump", totalBytes: spool.count), writesResults: true
            ) { line in
                try SnapshotText(format: format, dbi: dbi).write(SnapshotText.observed(spool, line), to: &output, line)
            }
        } catch let error as SnapshotError {
            throw SnapshotsFault.damaged(name, error)
        }
        if !found, let dbi { throw SnapshotsFault.noDBI(dbi, snapshot: name) }
        return ExitCode.success
    }
}
