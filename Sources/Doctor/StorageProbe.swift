import BlobStorage
import Config
import Monitoring
import Replication
import Snapshots
import Support

/// Tests all operations of syncing on a storage.
struct StorageProbe: Sendable {
    /// Larger snapshots are not loaded only to determine their host.
    static let largestSnapshot = 256 << 20

    var store: any BlobStore
    var databases: [String]
    /// As in object names.
    var instance: String
    /// Unique for each run, so that two doctors do not conflict.
    var probeName = "lightningstream-doctor-\(String(UInt64.random(in: .min ... .max), radix: 16)).probe"

    private static let contents = Array("written by lightningstream doctor; may be removed\n".utf8)

    /// Lists the databases' objects, and writes, reads and removes an object with a name that no reader uses.
    ///
    /// - Returns: also the objects of each database.
    func run(_ facts: StorageFacts) async throws -> (StorageFacts, [String: [Blob]]) {
        var facts = facts
        var blobs: [String: [Blob]] = [:]
        facts.list = try await step {
            for database in databases {
                blobs[database] = try await store.list(prefix: SnapshotName.prefix(database: database))
            }
        }
        facts.credentials = store.credentials
        facts.objects = blobs.values.reduce(0) { $0 + $1.count }
        facts.deltas = blobs.values.reduce(0) { $0 + $1.count { SnapshotName($0.name)?.isDelta == true } }
        // An unresponsive storage is not queried again; one that only denies listing may allow the rest.
        if case .failed = facts.list {
            facts.clockOffset = store.clockOffset
            return (facts, blobs)
        }
        facts.put = try await step { try await store.store(probeName, Spool(Self.contents)) }
        facts.get = try await step {
            do {
                let read = try bytes(try await store.load(probeName, atMost: 1 << 20))
                guard read == Self.contents || facts.put != .works else {
                    throw BlobStoreError(.other, nil, .differentBytes)
                }
            } catch let error as BlobStoreError where error.kind == .notFound && facts.put != .works {
                // Without read permission the answer differs.
            }
        }
        // In any case: an upload may have arrived although its answer has not.
        facts.delete = try await step { try await store.delete(probeName) }
        if facts.asksForNotifications {
            var announces: Bool?
            let result = try await step { announces = try await store.announcesChanges() }
            facts.notifications = result == .works && announces != true ? nil : result
        }
        if facts.put == .works, facts.delete != .works { facts.leftover = probeName }
        // A server denies deleting a missing object as well; a directory does not.
        if facts.put != .works, facts.delete == .works, store.stagingDirectory != nil { facts.delete = .notTried }
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

    // MARK: Writers with this instance's name

    /// The last writer with this instance's name: from the state object, or otherwise its last delta or the newest snapshot.
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
        if let writer = try await lastDelta(in: catalog, now: now) { return writer }
        guard let newest = catalog.newest[instance] else { return .none }
        guard newest.size <= Self.largestSnapshot else {
            return .unreadable("\(newest.name) has \(humanSize(newest.size)), too much to load for this check")
        }
        do {
            let meta = try Self.meta(try await store.load(newest.name.description, atMost: newest.size))
            guard !meta.hostname.isEmpty else { return .unreadable("\(newest.name) does not contain its host") }
            return .object(
                name: newest.name.description, hostname: meta.hostname, age: Self.age(newest.name.timestamp, now))
        } catch let error as BlobStoreError {
            return .unreadable(error.description)
        } catch let error as SnapshotError {
            return .unreadable("\(newest.name): \(error)")
        }
    }

    /// The writer of the last delta, if the newest full snapshot is not newer; nil also if it cannot be read.
    private func lastDelta(in catalog: Catalog, now: UInt64) async throws -> InstanceFacts.Source? {
        guard let name = catalog.deltas(of: instance).last?.name else { return nil }
        do {
            let meta = try await StoredDelta.read(name, store).meta
            guard meta.timestamp >= catalog.newest(of: instance)?.name.timestamp ?? 0, !meta.hostname.isEmpty else {
                return nil
            }
            return .object(name: name.description, hostname: meta.hostname, age: Self.age(meta.timestamp, now))
        } catch let error as CancellationError {
            throw error
        } catch {
            return nil
        }
    }

    /// Known writers put the metadata before the entries.
    private static func meta(_ spool: Spool) throws(SnapshotError) -> SnapshotMeta {
        var reader = SnapshotReader(spool, maximumEntrySize: SnapshotReader.largestPlausibleEntry)
        _ = try reader.next()
        return reader.meta
    }

    private static func age(_ time: UInt64, _ now: UInt64) -> Duration {
        .nanoseconds(Int64(clamping: now.elapsed(since: time)))
    }
}
