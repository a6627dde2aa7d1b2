import BlobStorage
import Snapshots

/// A listing of the storage: the objects of one database, by what they are.
///
/// Which objects are full snapshots, which one is the newest of an instance, and who publishes a state is decided here, for
/// the daemon, the cleaner, `status`, `snapshots prune`, `resync` and `doctor` alike.
package struct Catalog: Sendable {
    /// A full snapshot in the storage.
    package struct Snapshot: Sendable, Hashable {
        /// What it is stored as.
        package var name: SnapshotName
        /// In bytes.
        package var size: Int
        /// When it was stored, by the storage's clock in nanoseconds since the UNIX epoch; nil where that is not told.
        package var modified: UInt64?

        /// See the properties of the same names.
        package init(name: SnapshotName, size: Int, modified: UInt64? = nil) {
            (self.name, self.size, self.modified) = (name, size, modified)
        }
    }

    /// The configured name of the LMDB.
    package let database: String
    /// When the listing ended, by the storage's clock, in nanoseconds since the UNIX epoch.
    package private(set) var time: UInt64
    /// Tells the snapshots in the far future from the others.
    package private(set) var horizon: SnapshotHorizon
    /// The listing.
    private let blobs: [Blob]
    /// What their names mean.
    private var parsed: [String: ObjectName] = [:]
    /// All full snapshots, by name.
    package private(set) var snapshots: [Snapshot] = []
    /// The full snapshots that follow each other, oldest first: those of an instance, and apart from them those in the far
    /// future.
    package private(set) var groups: [SnapshotHorizon.Group: [Snapshot]] = [:]
    /// The state objects, by instance.
    package private(set) var states: [String: Blob] = [:]
    /// What is left alone, in the order of the listing.
    package private(set) var others: [Blob] = []

    /// - Parameters:
    ///   - blobs: the objects whose names begin like those of the database's snapshots.
    ///   - now: where the far future is counted from, in nanoseconds since the UNIX epoch: the later one of this host's
    ///     and the storage's time.
    ///   - time: when the listing ended, by the storage's clock; as `now` where nothing else is said.
    ///   - last: the listing before, whose names need not be parsed again.
    package init(_ blobs: [Blob], database: String, now: UInt64, time: UInt64? = nil, last: Catalog? = nil) {
        self.database = database
        self.blobs = blobs
        self.time = time ?? now
        horizon = SnapshotHorizon(now: now)
        for blob in blobs {
            let name = last?.parsed[blob.name] ?? ObjectName(blob.name, database: database)
            parsed[blob.name] = name
            switch name {
            case .full(let name):
                snapshots.append(Snapshot(name: name, size: blob.size, modified: blob.modified))
            case .state(let name): states[name.instance] = blob
            case .unknownKind, .foreign: others.append(blob)
            }
        }
        snapshots.sort { $0.name < $1.name }
        groups = Dictionary(grouping: snapshots) { [horizon] in horizon.group($0.name) }
    }

    /// The same catalog at a later time; nil when the listing is another one, or when the time makes a difference.
    func repeated(_ blobs: [Blob], now: UInt64, time: UInt64) -> Catalog? {
        guard blobs == self.blobs, !groups.keys.contains(where: \.isFarAhead) else { return nil }
        let horizon = SnapshotHorizon(now: now)
        guard !snapshots.contains(where: { horizon.isFarAhead($0.name) }) else { return nil }
        var same = self
        (same.horizon, same.time) = (horizon, time)
        return same
    }

    /// The names of all full snapshots.
    package var names: [SnapshotName] { snapshots.map(\.name) }

    /// Who has full snapshots.
    package var instances: Set<String> { Set(groups.keys.map(\.instance)) }

    /// The full snapshots of an instance that are not in the far future, oldest first.
    package func snapshots(of instance: String) -> [Snapshot] {
        groups[.init(instance: instance, isFarAhead: false)] ?? []
    }

    /// The newest full snapshot of an instance; one in the far future is nobody's newest.
    package func newest(of instance: String) -> Snapshot? { snapshots(of: instance).last }

    /// As ``newest(of:)``, of each instance; of one that has nothing else the newest in the far future.
    package var newest: [String: Snapshot] {
        var newest: [String: Snapshot] = [:]
        for (group, snapshots) in groups where !group.isFarAhead || newest[group.instance] == nil {
            newest[group.instance] = snapshots.last
        }
        return newest
    }

    /// When the state objects were written, by instance, as far as the storage tells: by its clock, in nanoseconds since the
    /// UNIX epoch.
    package var heard: [String: UInt64] { states.compactMapValues(\.modified) }

    /// All full snapshots of an instance, those in the far future included, by name.
    package func all(of instance: String) -> [Snapshot] { snapshots.filter { $0.name.instance == instance } }
}
