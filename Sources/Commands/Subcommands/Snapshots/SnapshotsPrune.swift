import ArgumentParser
import BlobStorage
import Config
import Daemon
import Replication
import Snapshots

/// `lightningstream snapshots prune`: runs the cleaner once.
struct SnapshotsPrune: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove snapshots that are no longer needed, once.",
        discussion: """
            Cleans every configured database like the cleaner (storage.cleanup), with its intervals, whether it is \
            enabled or not, and shows for each object why it is removed or kept. Reads the newest two snapshots of each \
            instance first, to check that they are valid. Ends with exit code 1 if an object could not be removed.
            """)

    @Flag(name: .long, help: "Remove nothing, only show what would be removed.")
    var dryRun = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            let configuration = session.configuration
            let (dryRun, clock) = (dryRun, context.clock)
            let report = try session.withOpenStorage(writes: !dryRun) { storage in
                var report = PruneReport(dryRun: dryRun)
                for database in configuration.databases {
                    let settings = CleanerMachine.Settings(database.name, in: configuration)
                    let plan = try await Self.plan(settings, storage.unmarked) { UInt64(clock()) }
                    var failures: [(removal: CleanerMachine.Removal, error: String)] = []
                    for removal in dryRun ? [] : plan.removals {
                        do {
                            try await removal.perform(in: storage.store, unmarked: storage.unmarked)
                        } catch let error as BlobStoreError {
                            failures.append((removal, error.description))
                        }
                    }
                    report.append(plan, failures: failures)
                }
                if !dryRun { _ = try await storage.store.removeLeftovers(olderThan: CleaningLoop.leftoverAge) }
                return report
            }
            var output = BufferedOutput(context.standardOutput)
            try output.append(lines: report.lines(configuration.storage.cleanup))
            try output.flush()
            for failure in report.failures { context.report("snapshots prune: \(failure)") }
            return report.failures.isEmpty ? ExitCode.success : ExitCode.failure
        }
    }

    /// Nothing in the storage, including state objects, proves that a snapshot is merged here, so none counts as
    /// merged; and the newest one of an instance is read before older ones are removed.
    ///
    /// - Parameter now: this machine's time in nanoseconds since the UNIX epoch.
    private static func plan(
        _ settings: CleanerMachine.Settings, _ store: any BlobStore, now: () -> UInt64
    ) async throws -> PrunePlan {
        let blobs = try await store.list(prefix: SnapshotName.prefix(database: settings.database))
        // A server with a time far ahead must not make snapshots look old.
        let own = now()
        let time = min(store.storageTime(own), own)
        let reads = try await read(PrunePlan.toBeRead(blobs, of: settings.database, at: time), store)
        return PrunePlan(blobs, settings, reads: reads, at: time)
    }

    /// Reads the newest snapshots of each instance until two can be read.
    ///
    /// A readable snapshot may still fail to merge, so the second one is kept as if it had been merged.
    private static func read(_ instances: [[Catalog.Snapshot]], _ store: any BlobStore) async throws -> SyncProgress {
        var progress = SyncProgress()
        for snapshots in instances {
            var readable = 0
            for snapshot in snapshots where readable < 2 {
                do {
                    let spool = try await store.load(snapshot.name.description, atMost: snapshot.size)
                    _ = try SnapshotText.readThrough(spool)
                } catch is SnapshotError {
                    progress.refused(snapshot.name)
                    continue
                } catch is BlobStoreError {
                    // It is unknown whether it is valid.
                    break
                }
                readable += 1
                guard readable == 2 else { continue }
                progress.merged(snapshot.name, in: .init(instance: snapshot.name.instance, isFarAhead: false))
            }
        }
        return progress
    }
}
