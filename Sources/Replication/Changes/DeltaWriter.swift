import LMDB
import Snapshots
import Support

/// Writes what a comparison of two transactions finds as a snapshot.
struct DeltaWriter: ~Copyable {
    /// What is left out, and whom is told of the rest.
    struct Rules {
        /// Where the versions are stored.
        var schema: Schema
        /// The earlier transaction.
        var earlier: UInt64
        /// The later one.
        var later: UInt64
        /// The state of local changes.
        var local: LocalChanges
        /// Gets the entries that the application has written.
        var inspection: (any SendInspection)?
        /// Cancels the comparison.
        var signal: CancellationSignal
    }

    private var writer: SnapshotWriter
    private let rules: Rules
    private let databases: [SentDatabase]
    private let isNew: [Bool]
    /// The first DBI that has not been passed.
    private var next = 0
    private var current: SentDatabase?
    /// The DBI of the last removed entry.
    private var removedFrom: SentDatabase?
    /// What was found so far.
    private(set) var changes = ChangeTracker.Changes()

    /// - Parameters:
    ///   - meta: the metadata of the snapshot.
    ///   - databases: the DBIs of the later transaction.
    ///   - isNew: which of them did not exist in the earlier one: they are written even if they are empty.
    init(
        _ meta: SnapshotMeta, _ databases: [SentDatabase], isNew: [Bool], _ rules: Rules, stagingDirectory: String?
    ) throws {
        writer = try SnapshotWriter(meta, stagingDirectory: stagingDirectory)
        (self.databases, self.isNew, self.rules) = (databases, isNew, rules)
    }

    /// Adds a changed entry. DBIs come in the order of their names, keys in the order of the DBI.
    ///
    /// - Throws: ``LocalContentError`` for a value without a valid header.
    mutating func add(_ change: PageDiff.Change) throws {
        changes.found += 1
        if changes.found & 0xffff == 0 { try rules.signal.check() }
        guard let value = change.new else {
            remove(change)
            return
        }
        let written = EntryHeader.transactionID(of: value)
        // A future ID originates from another file: from a backup, or from before a compaction.
        let isRecent = written > rules.earlier && written <= rules.later
        if isRecent && !rules.schema.hasShadows && rules.local.isMerge(written) {
            changes.merged += 1
            return
        }
        if current?.versions.name != change.database.name { try begin(change.database.name) }
        guard let current else { return }
        let version = try Schema.version(value, change.database.name, change.key)
        try writer.append(
            key: change.key, value: version.value, timestamp: version.timestamp, isDeleted: version.isDeleted)
        changes.written += 1
        if let inspection = rules.inspection, written <= rules.later, rules.local.contains(written) {
            inspection.change(
                of: change.key, in: current.name, from: change.old.flatMap(Schema.readableVersion), to: version)
        }
    }

    /// Counts a removed entry, which is not written.
    private mutating func remove(_ change: PageDiff.Change) {
        changes.removed += 1
        let old = change.old.flatMap(Schema.readableVersion)
        // The sweeper removes only those that are; merges remove none.
        if old?.isDeleted == true { return }
        changes.lost += 1
        guard let inspection = rules.inspection, let old else { return }
        if removedFrom?.versions.name != change.database.name {
            removedFrom = databases.first { $0.versions.name == change.database.name }
        }
        if let removedFrom { inspection.change(of: change.key, in: removedFrom.name, from: old, to: nil) }
    }

    /// Starts a DBI, after the new ones before it.
    private mutating func begin(_ versions: String) throws {
        current = nil
        while next < databases.count, current == nil {
            let database = databases[next]
            if database.versions.name == versions { current = database }
            if isNew[next] || current != nil { try writer.begin(database, rules.schema) }
            next += 1
        }
    }

    /// Ends the snapshot.
    consuming func finish() throws -> Spool {
        while next < databases.count {
            if isNew[next] { try writer.begin(databases[next], rules.schema) }
            next += 1
        }
        return try writer.finish()
    }
}
