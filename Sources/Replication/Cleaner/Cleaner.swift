import BlobStorage
import Logging
import Snapshots

/// Removes the snapshots of a database that nobody needs any more: performs what ``CleanerMachine`` decides.
package struct Cleaner: Sendable {
    /// Where the snapshots are.
    package var store: any BlobStore
    /// The same, where changes wake up nobody: for state objects.
    package var unmarked: any BlobStore
    /// What has been merged and sent here.
    package var progress: @Sendable () async -> SyncProgress
    /// The time.
    package var wallClock: WallClock
    /// 0..<1, another one each time.
    package var random: @Sendable () -> Double
    /// Is told what happens.
    package var observe: @Sendable (SyncEvent) -> Void
    /// Gets a line for each removal.
    package var logger: Logger

    private let settings: CleanerMachine.Settings
    private let start = ContinuousClock.now

    /// See the properties of the same names.
    package init(
        settings: CleanerMachine.Settings, store: any BlobStore, unmarked: any BlobStore,
        progress: @escaping @Sendable () async -> SyncProgress, wallClock: @escaping WallClock = systemWallClock,
        random: @escaping @Sendable () -> Double = { .random(in: 0..<1) },
        observe: @escaping @Sendable (SyncEvent) -> Void = { _ in }, logger: Logger
    ) {
        self.settings = settings
        self.store = store
        self.unmarked = unmarked
        self.progress = progress
        self.wallClock = wallClock
        self.random = random
        self.observe = observe
        self.logger = logger
    }

    /// Cleans again and again, until the task is cancelled.
    package func run() async {
        var machine = CleanerMachine(settings: settings)
        do {
            while true {
                try await Task.sleep(for: machine.pause(random: random()))
                try await clean(&machine, at: .now - start)
            }
        } catch {}
    }

    /// Cleans once.
    ///
    /// - Parameter now: since a fixed moment.
    /// - Throws: `CancellationError` only.
    package func clean(_ machine: inout CleanerMachine, at now: Duration) async throws {
        let blobs: [Blob]
        do {
            blobs = try await store.list(prefix: SnapshotName.prefix(database: settings.database))
        } catch {
            try Task.checkCancellation()
            logger.warning("cannot list the snapshots to clean up", metadata: ["error": "\(error)"])
            return observe(.cleanerListFailed("\(error)"))
        }
        observe(.cleanerListed)
        // A server that tells a time far ahead must not make snapshots look old.
        let own = wallClock()
        let time = min(store.storageTime(own), own)
        let catalog = Catalog(blobs, database: settings.database, now: time)
        for removal in machine.listed(catalog, await progress(), at: now, time: time) {
            try await remove(removal)
        }
        try await removeLeftovers()
    }

    /// What has been written for less than this may still be under way.
    package static let leftoverAge = Duration.seconds(3600)

    private func removeLeftovers() async throws {
        do {
            let count = try await store.removeLeftovers(olderThan: Self.leftoverAge)
            guard count > 0 else { return }
            logger.info(
                "removed temporary files that interrupted writers had left behind",
                metadata: ["files": .stringConvertible(count)])
        } catch {
            try Task.checkCancellation()
            logger.warning("cannot remove old temporary files", metadata: ["error": "\(error)"])
        }
    }

    private func remove(_ removal: CleanerMachine.Removal) async throws {
        let name = removal.name
        do {
            try await removal.perform(in: store, unmarked: unmarked)
        } catch {
            try Task.checkCancellation()
            logger.warning(
                "cannot remove an old snapshot; it is tried again with the next run",
                metadata: ["snapshot_name": "\(name)", "reason": "\(removal.reason.rawValue)", "error": "\(error)"])
            return observe(.cleanerDeleteFailed(name, "\(error)"))
        }
        logger.info(
            "removed an old snapshot",
            metadata: [
                "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)",
                "reason": "\(removal.reason.rawValue)",
            ])
        observe(.cleanerDeleted(name, removal.reason))
    }
}
