import ArgumentParser
import BlobStorage
import Daemon
import Sealing
import Snapshots
import Support

/// `lightningstream snapshots reseal`: seals what is in the storage with the first identity.
struct SnapshotsReseal: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "reseal", abstract: "Seal all objects of the configured databases with the first identity.",
        discussion: """
            Rewrites snapshots and deltas of all instances that are not sealed, or sealed with another one of \
            storage.sealing.identity_files; it needs accept_unsealed for those that are not sealed. A daemon that finds \
            one of its own deltas rewritten stores a full snapshot. Ends with exit code 1 if an object could not be \
            sealed.
            """)

    @Flag(name: .long, help: "Rewrite nothing, only show what would be rewritten.")
    var dryRun = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            let configuration = session.configuration
            guard !configuration.storage.sealing.identityFiles.isEmpty else { throw SnapshotsFault.nothingSeals }
            let (databases, dryRun) = (configuration.databases.map(\.name), dryRun)
            let lines = try session.withOpenStorage(writes: !dryRun) { storage in
                var lines: [Line] = []
                for database in databases {
                    for blob in try await storage.store.list(prefix: SnapshotName.prefix(database: database)) {
                        guard let name = SnapshotName(blob.name), name.isDelta || name.isFullSnapshot else { continue }
                        if let line = try await Self.reseal(blob, storage, dryRun: dryRun) { lines.append(line) }
                    }
                }
                return lines
            }
            try report(lines, in: context)
            return lines.contains(where: \.isFailure) ? ExitCode.failure : ExitCode.success
        }
    }

    private func report(_ lines: [Line], in context: CommandContext) throws {
        var output = BufferedOutput(context.standardOutput)
        let done = lines.filter { !$0.isFailure }
        try output.append(lines: done.map(\.text))
        let count = "\(done.count) object\(done.count == 1 ? "" : "s")"
        try output.append(lines: ["\(dryRun ? "would seal" : "sealed") \(count)"])
        try output.flush()
        for line in lines where line.isFailure {
            context.report(PrintableText.line("snapshots reseal: \(line.text)"))
        }
    }

    private struct Line: Sendable {
        var text: String
        var isFailure = false
    }

    /// - Returns: what was done; nil if the object is as it should be, or gone.
    private static func reseal(_ blob: Blob, _ storage: OpenStorage, dryRun: Bool) async throws -> Line? {
        do {
            let body = try await storage.store.load(blob.name, atMost: blob.size)
            guard storage.seals.isOutdated(blob.name) else { return nil }
            let id: String? = if case .key(let id)? = storage.seals.seal(of: blob.name) { id } else { nil }
            let before = id.map { "sealed with \($0)" } ?? "not sealed"
            if !dryRun { try await storage.store.store(blob.name, body) }
            return Line(text: PrintableText.line("\(blob.name): was \(before)"))
        } catch let error as BlobStoreError {
            return error.kind == .notFound ? nil : Line(text: "\(error)", isFailure: true)
        }
    }
}
