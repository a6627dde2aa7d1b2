import BlobStorage
import Config
import Monitoring
import Replication
import Snapshots
import Support

/// Tries everything that syncing does with a storage.
struct StorageProbe: Sendable {
    /// Beyond this a snapshot is not loaded only to see whose it is.
    static let largestSnapshot = 256 << 20

    var store: any BlobStore
    var databases: [String]
    /// As it appears in names.
    var instance: String
    /// Differs in each run, so that two doctors don't disturb each other.
    var probeName = "lightningstream-doctor-\(String(UInt64.random(in: .min ... .max), radix: 16)).probe"

    private static let contents = Array("written by lightningstream doctor; may be removed\n".utf8)

    /// Lists the databases' objects, and writes, reads and removes an object whose name no reader looks at.
    ///
    /// - Returns: the objects of each database as well.
    func run(_ facts: StorageFacts) async throws -> (StorageFacts, [String: [Blob]]) {
        var facts = facts
        var blobs: [String: [Blob]] = [:]
        facts.list = try await step {
            for database in databases {
                blobs[database] = try await store.list(prefix: SnapshotName.prefix(database: database))
            }
        }
        facts.objects = blobs.values.reduce(0) { $0 + $1.count }
        // A storage that does not answer is not asked again and again; one that only refuses may allow the rest.
        if case .failed = facts.list {
            facts.clockOffset = store.clockOffset
            return (facts, blobs)
        }
        facts.put = try await step { try await store.store(probeName, Spool(Self.contents)) }
        facts.get = try await step {
            do {
                let read = try bytes(try await store.load(probeName, atMost: 1 << 20))
                guard read == Self.contents || facts.put != .works else {
                    throw BlobStoreError(.other, "the storage gives back other bytes than were stored")
                }
            } catch let error as BlobStoreError where error.kind == .notFound && facts.put != .works {
                // Who may not read gets another answer.
            }
        }
        // Whatever happened: an upload may have arrived although its answer has not.
        facts.delete = try await step { try await store.delete(probeName) }
        if facts.put == .works, facts.delete != .works { facts.leftover = probeName }
        // A server refuses to delete what is not there as well; a directory has nothing to refuse.
        if facts.put != .works, facts.delete == .works, store is FileSystemStore { facts.delete = .notTried }
        facts.clockOffset = store.clockOffset
        return (facts, blobs)
    }

    /// - Throws: only `CancellationError`.
    private func step(_ body: () async throws -> Void) async throws -> StorageFacts.Step {
        do {
            try await body()
            return .works
        } catch let error as BlobStoreError {
            return error.kind == .accessDenied ? .denied(error.description) : .failed(error.description)
        } catch let error as SystemError {
            return .failed(error.description)
        }
    }

    private func bytes(_ spool: Spool) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(spool.count, 1 << 20))
        let count = try bytes.withUnsafeMutableBytes { try spool.read(at: 0, into: $0) }
        return Array(bytes.prefix(count))
    }

    // MARK: Who writes under our name

    /// What was last written under our name: the state object where there is one, or else the newest snapshot.
    ///
    /// - Parameter now: by the storage's clock, in nanoseconds since the UNIX epoch.
    func lastWriter(_ database: String, _ blobs: [Blob], now: UInt64) async throws -> InstanceFacts.Source {
        let catalog = Catalog(blobs, database: database, now: now)
        if let blob = catalog.states[instance], blob.size <= StateObjects.largest,
            let state = try? await StateObjects(store, database: database)
                .load(StateObjectName(database: database, instance: instance))
        {
            return .object(name: blob.name, hostname: state.hostname, age: blob.modified.map { Self.age($0, now) })
        }
        guard let newest = catalog.newest[instance] else { return .none }
        guard newest.size <= Self.largestSnapshot else {
            return .unreadable("\(newest.name) has \(humanSize(newest.size)), which is too much to load for that")
        }
        do {
            let meta = try Self.meta(try await store.load(newest.name.description, atMost: newest.size))
            guard !meta.hostname.isEmpty else { return .unreadable("\(newest.name) does not name its host") }
            return .object(
                name: newest.name.description, hostname: meta.hostname, age: Self.age(newest.name.timestamp, now))
        } catch let error as BlobStoreError {
            return .unreadable(error.description)
        } catch let error as SnapshotError {
            return .unreadable("\(newest.name): \(error)")
        }
    }

    /// Known writers put it in front of the entries.
    private static func meta(_ spool: Spool) throws(SnapshotError) -> SnapshotMeta {
        var reader = SnapshotReader(spool, maximumEntrySize: SnapshotReader.largestPlausibleEntry)
        _ = try reader.next()
        return reader.meta
    }

    private static func age(_ time: UInt64, _ now: UInt64) -> Duration {
        .nanoseconds(Int64(clamping: now.elapsed(since: time)))
    }
}
