import BlobStorage
import Daemon
import Replication
import Snapshots
import Support

/// What the storage has of an instance's database.
struct StoredInstance: Sendable {
    /// Its full state; nil if it has no full snapshot.
    var chain: StoredChain?
    /// The bytes of the full snapshot; empty if there is none.
    var full = Spool([])
    /// All other instances that have full snapshots of that database.
    var others: Set<String> = []

    /// How often the storage is listed again, if objects are gone when they are loaded.
    private static let attempts = 5

    /// Loads it.
    static func load(_ instance: String, of database: String, _ session: Session) throws -> StoredInstance {
        let (context, now) = (session.context, UInt64(session.context.clock()))
        let title = "loading \(instance)'s \(database)"
        return try context.withProgress(Progress(title: title), writesResults: false) { line in
            try session.withStorage(writes: false, progress: line) { store in
                var attempt = 1
                while true {
                    do {
                        return try await load(instance, of: database, store, now: now)
                    } catch let error as BlobStoreError where error.kind == .notFound && attempt < attempts {
                        // A cleaner has removed it, or its owner has merged it into another one.
                        attempt += 1
                    }
                }
            }
        }
    }

    private static func load(
        _ instance: String, of database: String, _ store: any BlobStore, now: UInt64
    ) async throws -> StoredInstance {
        let blobs = try await store.list(prefix: SnapshotName.prefix(database: database))
        let time = store.storageTime(now)
        let catalog = Catalog(blobs, database: database, now: max(time, now), time: time)
        var stored = StoredInstance(others: catalog.instances.subtracting([instance]))
        stored.chain = try await StoredChain(of: instance, in: catalog, store)
        if let full = stored.chain?.full {
            stored.full = try await store.load(full.name.description, atMost: full.size)
        }
        return stored
    }
}
