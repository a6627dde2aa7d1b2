import LMDB
import Snapshots
import Support

/// A run of the sweeper through one LMDB, slice by slice: finds Deleted entries that are older than a limit under short
/// read transactions, and removes them under short write transactions.
///
/// Memory is bounded: a slice stops looking when it has found so many. Where there is nothing to be removed, the write
/// lock is never taken, and the transaction ID stays as it is.
package struct Sweep: Sendable {
    /// How long one look may take; merges and sends wait for that long at most.
    package static let scanTime = Duration.milliseconds(20)
    /// The time is looked at once in so many entries …
    private static let entriesPerScanCheck = 256
    /// … and once in so many deletions, which may each have to wait for the disk.
    private static let deletionsPerCheck = 8
    /// How many bytes of keys are remembered for one turn with the write lock.
    private static let mostKeyBytes = 512 << 10

    /// What a run has done.
    package struct Report: Sendable, Equatable {
        /// Entries that are left.
        package var entries = 0
        /// Deleted entries that are left.
        package var deleted = 0
        /// Entries that were removed.
        package var cleaned = 0
        /// Entries without a valid header, and DBIs that can't be synced: they were left alone.
        package var unreadable = 0
        /// What was wrong with the first one of those: one line that names DBI and key.
        package var problem: String?
        /// The longest time that the write lock was held.
        package var longestLock = Duration.zero
        /// How long the run took, pauses included.
        package var duration = Duration.zero

        /// A run that has done nothing.
        package init() {}
    }

    /// Deleted entries older than this are removed; nanoseconds since the UNIX epoch.
    private let limit: UInt64
    /// Where the entries are.
    private let schema: Schema
    /// The DBI that was looked at last, and the last key in it that was looked at, nil at its beginning.
    private var position: (database: String, key: [UInt8]?) = ("", nil)
    /// What has been found in that DBI and is still to be removed.
    private var found = KeyQueue()
    private var isScanned = false
    /// What has been done so far.
    package private(set) var report = Report()

    /// - Parameters:
    ///   - limit: Deleted entries older than this are removed; nanoseconds since the UNIX epoch.
    ///   - schema: where they are.
    package init(limit: UInt64, schema: Schema = .native) {
        self.limit = limit
        self.schema = schema
    }

    /// Whether nothing is left to be done.
    package var isComplete: Bool { isScanned && found.isEmpty }

    /// Looks on for a while; then, where something was found, deletes for a while.
    ///
    /// - Parameters:
    ///   - deletionTime: how long the write lock may be held before the commit.
    ///   - signal: ends a look early.
    ///   - willCommit: is told the transaction before it is committed.
    /// - Returns: the transaction that removed something, and how long the write lock was held; nil when it was not
    ///   taken.
    package mutating func slice(
        _ environment: Environment, deletionTime: Duration, scanTime: Duration = Sweep.scanTime,
        uptime: Uptime = systemUptime, signal: CancellationSignal = CancellationSignal(),
        willCommit: (UInt64) -> Void = { _ in }
    ) throws -> (transaction: UInt64?, lock: SweepLock?) {
        if found.isEmpty {
            var next = self
            try environment.read { transaction in
                try next.scan(transaction, until: uptime() + scanTime, uptime, signal)
            }
            self = next
        }
        return found.isEmpty ? (nil, nil) : try remove(environment, deletionTime: deletionTime, uptime, willCommit)
    }

    /// The DBIs that are swept: those that hold versions.
    private func databases(_ transaction: borrowing ReadTransaction) throws(LMDBError) -> [Database] {
        try transaction.databases().filter {
            schema.hasShadows
                ? $0.name.utf8.starts(with: Schema.shadowPrefix.utf8) : !PrivateDatabases.contains($0.name)
        }
    }

    private static func precedes(_ name: String, _ other: String) -> Bool {
        name.utf8.lexicographicallyPrecedes(other.utf8)
    }

    // MARK: Looking

    private mutating func scan(
        _ transaction: borrowing ReadTransaction, until end: Duration, _ uptime: Uptime,
        _ signal: CancellationSignal
    ) throws {
        // Sorted, so that the one that follows is known even when the last one has gone.
        for database in try databases(transaction) where !Self.precedes(database.name, position.database) {
            if database.name != position.database { position = (database.name, nil) }
            do throws(LocalContentError) {
                try Schema.native.check(database)
            } catch {
                note(error)
                continue
            }
            guard try scan(database, transaction, until: end, uptime, signal) else { return }
        }
        isScanned = true
    }

    /// - Returns: whether the end of the DBI has been reached with nothing found in it.
    private mutating func scan(
        _ database: Database, _ transaction: borrowing ReadTransaction, until end: Duration, _ uptime: Uptime,
        _ signal: CancellationSignal
    ) throws -> Bool {
        var cursor = try transaction.openCursor(database)
        var isOn: Bool
        if let key = position.key {
            isOn = try key.withUnsafeBytes { key in
                guard try cursor.seek(key) else { return false }
                // The key may have gone; then the one behind it has not been looked at.
                return compareBytes(cursor.key, key) == 0 ? try cursor.next() : true
            }
        } else {
            isOn = try cursor.next()
        }
        var count = 0
        while isOn {
            look(at: &cursor)
            count += 1
            if found.byteCount >= Self.mostKeyBytes || count % Self.entriesPerScanCheck == 0 && uptime() >= end {
                position.key = Array(cursor.key)
                try signal.check()
                return false
            }
            isOn = try cursor.next()
        }
        guard found.isEmpty else {
            // Goes on behind the last entry, that is with the next DBI.
            if try cursor.last() { position.key = Array(cursor.key) }
            return false
        }
        return true
    }

    @inline(__always)
    private mutating func look(at cursor: inout Cursor) {
        report.entries += 1
        do throws(LocalContentError) {
            let version = try Schema.version(at: &cursor)
            guard version.isDeleted else { return }
            report.deleted += 1
            if version.timestamp < limit { found.append(cursor.key) }
        } catch {
            note(error)
        }
    }

    private mutating func note(_ error: LocalContentError) {
        report.unreadable += 1
        if report.problem == nil { report.problem = "\(error)" }
    }

    // MARK: Removing

    private mutating func remove(
        _ environment: Environment, deletionTime: Duration, _ uptime: Uptime, _ willCommit: (UInt64) -> Void
    ) throws -> (transaction: UInt64?, lock: SweepLock?) {
        var rest = found
        let name = position.database
        let limit = limit
        var times = (locked: uptime(), committing: uptime())
        var next = report
        let transaction = try environment.write { transaction in
            times.locked = uptime()
            defer { times.committing = uptime() }
            guard let database = try transaction.database(name), database.flags.isDisjoint(with: .anyDuplicates) else {
                // Dropped, or made anew for something else, since it was looked at.
                rest.removeAll()
                return .abort(nil as UInt64?)
            }
            var tried = 0
            while try rest.withFirst({ key in
                // Others may have written since.
                guard let value = try transaction.get(database, key) else {
                    next.entries -= 1
                    next.deleted -= 1
                    return
                }
                guard let header = try? EntryHeader.parse(value).header, header.isDeleted else {
                    next.deleted -= 1
                    return
                }
                guard header.timestamp < limit else { return }
                try transaction.delete(database, key)
                next.cleaned += 1
                next.entries -= 1
                next.deleted -= 1
            }) {
                tried += 1
                if tried % Self.deletionsPerCheck == 0 && uptime() - times.locked >= deletionTime { break }
            }
            guard next.cleaned > report.cleaned else { return .abort(nil) }
            willCommit(transaction.id)
            return .commit(transaction.id)
        }
        let lock = SweepLock(
            deleting: times.committing - times.locked, committing: uptime() - times.committing)
        found = rest
        report = next
        report.longestLock = max(report.longestLock, lock.deleting + lock.committing)
        return (transaction, lock)
    }

    /// The report of a run that has ended.
    package func finished(after duration: Duration) -> Report {
        var report = report
        report.duration = duration
        return report
    }
}

/// Keys that wait, first in, first out, side by side in memory.
private struct KeyQueue: Sendable {
    private var bytes: [UInt8] = []
    private var sizes: [Int] = []
    private var first = (index: 0, offset: 0)

    var isEmpty: Bool { first.index == sizes.count }
    var byteCount: Int { bytes.count }

    mutating func append(_ key: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: key)
        sizes.append(key.count)
    }

    mutating func removeAll() { self = KeyQueue() }

    /// Hands over the first key, and removes it.
    ///
    /// - Returns: whether there was one.
    mutating func withFirst(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows -> Bool {
        guard !isEmpty else { return false }
        let end = first.offset + sizes[first.index]
        try bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[first.offset..<end])) }
        first = (first.index + 1, end)
        if isEmpty { removeAll() }
        return true
    }
}
