import BlobStorage
import Snapshots

/// A listing of the storage: the objects of one database, by kind.
///
/// Decides which objects are full snapshots, which snapshot is an instance's newest, and which instances publish a
/// state, for the daemon, the cleaner, `status`, `snapshots prune`, `resync` and `doctor` alike.
package struct Catalog: Sendable {
    /// A full snapshot in the storage.
    package struct Snapshot: Sendable, Hashable {
        /// The name of the snapshot.
        package var name: SnapshotName
        /// The size in bytes.
        package var size: Int
        /// When it was stored, by the storage's clock in nanoseconds since the UNIX epoch; nil if unknown.
        package var modified: UInt64?

        /// See the properties of the same names.
        package init(name: SnapshotName, size: Int, modified: UInt64? = nil) {
            (self.name, self.size, self.modified) = (name, size, modified)
        }
    }

    /// A delta in the storage.
    package struct Delta: Sendable, Hashable {
        /// The name of the delta.
        package var name: SnapshotName
        /// The size in bytes.
        package var size: Int
        /// Changes whenever the delta is overwritten; nil if unknown.
        package var version: String?
        /// When it was stored, by the storage's clock in nanoseconds since the UNIX epoch; nil if unknown.
        package var modified: UInt64?

        /// Identifies the version, also in a storage without versions.
        package var tag: String { version ?? "\(size)-\(modified ?? 0)" }

        /// See the properties of the same names.
        package init(name: SnapshotName, size: Int, version: String? = nil, modified: UInt64? = nil) {
            (self.name, self.size, self.version, self.modified) = (name, size, version, modified)
        }
    }

    /// The configured name of the LMDB.
    package let database: String
    /// When the listing ended, by the storage's clock, in nanoseconds since the UNIX epoch.
    package let time: UInt64
    /// Separates the snapshots in the far future from the others.
    package let horizon: SnapshotHorizon
    /// All full snapshots, by name.
    package private(set) var snapshots: [Snapshot] = []
    /// The sequences of full snapshots, oldest first. Each instance has one, and a separate one for its snapshots in
    /// the far future.
    package private(set) var groups: [SnapshotHorizon.Group: [Snapshot]] = [:]
    /// All deltas, by name.
    package private(set) var deltas: [Delta] = []
    /// The state objects, by instance.
    package private(set) var states: [String: Blob] = [:]
    /// Objects of unknown kinds and of other programs, in the order of the listing.
    package private(set) var others: [Blob] = []

    /// - Parameters:
    ///   - blobs: the objects with the name prefix of the database.
    ///   - now: the reference for the far future, in nanoseconds since the UNIX epoch: the later of this host's and the
    ///     storage's time.
    ///   - time: when the listing ended, by the storage's clock; `now` if nil.
    ///   - previous: an earlier listing of the same database, whose names are not parsed again.
    package init(
        _ blobs: [Blob], database: String, now: UInt64, time: UInt64? = nil, previous: Catalog? = nil
    ) {
        self.database = database
        self.time = time ?? now
        horizon = SnapshotHorizon(now: now)
        var known = KnownNames(previous)
        snapshots.reserveCapacity(previous?.snapshots.count ?? 0)
        for blob in blobs {
            switch known.name(blob.name, database: database) {
            case .full(let name):
                snapshots.append(Snapshot(name: name, size: blob.size, modified: blob.modified))
            case .delta(let name):
                deltas.append(Delta(name: name, size: blob.size, version: blob.version, modified: blob.modified))
            case .state(let name): states[name.instance] = blob
            case .unknownKind, .foreign: others.append(blob)
            }
        }
        snapshots.sort { $0.name < $1.name }
        deltas.sort { $0.name < $1.name }
        groups = Self.groups(snapshots, horizon)
    }

    /// Groups sorted snapshots. Those of a group follow each other.
    private static func groups(
        _ snapshots: [Snapshot], _ horizon: SnapshotHorizon
    ) -> [SnapshotHorizon.Group: [Snapshot]] {
        var groups: [SnapshotHorizon.Group: [Snapshot]] = [:]
        var rest = snapshots[...]
        while let first = rest.first {
            let isFarAhead = horizon.isFarAhead(first.name)
            let group = rest.prefix {
                $0.name.instance == first.name.instance && horizon.isFarAhead($0.name) == isFarAhead
            }
            groups[horizon.group(first.name)] = Array(group)
            rest = rest[group.endIndex...]
        }
        return groups
    }

    /// The names of all full snapshots.
    package var names: [SnapshotName] { snapshots.map(\.name) }

    /// The instances that have full snapshots.
    package var instances: Set<String> { Set(groups.keys.map(\.instance)) }

    /// The full snapshots of an instance that are not in the far future, oldest first.
    package func snapshots(of instance: String) -> [Snapshot] {
        groups[.init(instance: instance, isFarAhead: false)] ?? []
    }

    /// The newest full snapshot of an instance, not counting those in the far future.
    package func newest(of instance: String) -> Snapshot? { snapshots(of: instance).last }

    /// The newest full snapshot of each instance. One in the far future only counts if the instance has no other.
    package var newest: [String: Snapshot] {
        var newest: [String: Snapshot] = [:]
        for (group, snapshots) in groups where !group.isFarAhead || newest[group.instance] == nil {
            newest[group.instance] = snapshots.last
        }
        return newest
    }

    /// When the state objects were written, by instance, by the storage's clock in nanoseconds since the UNIX epoch;
    /// without those of unknown time.
    package var stateTimes: [String: UInt64] { states.compactMapValues(\.modified) }

    /// All full snapshots of an instance, those in the far future included, by name.
    package func all(of instance: String) -> [Snapshot] { snapshots.filter { $0.name.instance == instance } }
}

/// The names of an earlier listing, in its order: most of the objects of the next one were there before.
private struct KnownNames {
    private var snapshots: ArraySlice<Catalog.Snapshot>
    private var deltas: ArraySlice<Catalog.Delta>

    init(_ catalog: Catalog?) { (snapshots, deltas) = (catalog?.snapshots[...] ?? [], catalog?.deltas[...] ?? []) }

    /// The name of an object of the next listing.
    mutating func name(_ text: String, database: String) -> ObjectName {
        if let name = snapshots.first?.name, name.description == text {
            snapshots.removeFirst()
            return .full(name)
        }
        if let name = deltas.first?.name, name.description == text {
            deltas.removeFirst()
            return .delta(name)
        }
        let name = ObjectName(text, database: database)
        skip(name)
        return name
    }

    /// Goes on behind an object that is new: what was listed before it is gone.
    private mutating func skip(_ name: ObjectName) {
        switch name {
        case .full(let name): snapshots = snapshots.drop { $0.name <= name }
        case .delta(let name): deltas = deltas.drop { $0.name <= name }
        case .state, .unknownKind, .foreign: break
        }
    }
}
