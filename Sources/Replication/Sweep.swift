import LMDB
import Snapshots
import Support

/// A run of the sweeper through one LMDB, in slices: finds Deleted entries older than a limit in short read
/// transactions, and removes them in short write transactions.
///
/// Memory is bounded: the number of entries found in a slice is limited. If there is nothing to remove, the write lock
/// is never taken, and the transaction ID does not change.
package struct Sweep: Sendable {
    /// The maximum duration of a scan, which delays merges and sends.
    package static let scanTime = Duration.milliseconds(20)
    /// How many entries are scanned between checks of the time …
    private static let entriesPerScanCheck = 256
    /// … and how many are deleted, as each deletion may wait for the disk.
    private static let deletionsPerCheck = 8
    /// The maximum size of the keys removed in one write transaction, in bytes.
    private static let mostKeyBytes = 512 << 10

    /// The result of a run.
    package struct Report: Sendable, Equatable {
        /// The number of remaining entries.
        package var entries = 0
        /// The number of remaining Deleted entries.
        package var deleted = 0
        /// The number of removed entries.
        package var cleaned = 0
        /// The number of entries without a valid header and of DBIs that cannot be synced; they are skipped.
        package var unreadable = 0
        /// The problem of the first of those: one line with DBI and key.
        package var problem: String?
        /// The longest time that the write lock was held.
        package var longestLock = Duration.zero
        /// The duration of the run, including pauses.
        package var duration = Duration.zero

        /// The report of a run that has not started.
        package init() {}
    }

    /// Deleted entries older than this are removed; nanoseconds since the UNIX epoch.
    private let limit: UInt64
    /// Where the versions are stored.
    private let schema: Schema
    /// The DBI scanned last, and the last key scanned in it; nil at its beginning.
    private var position: (database: String, key: [UInt8]?) = ("", nil)
    /// The keys found in that DBI and not removed yet.
    private var found = KeyQueue()
    private var isScanned = false
    /// The result so far.
    package private(set) var report = Report()

    /// - Parameters:
    ///   - limit: Deleted entries older than this are removed; nanoseconds since the UNIX epoch.
    ///   - schema: where the versions are stored.
    package init(limit: UInt64, schema: Schema = .native) {
        self.limit = limit
        self.schema = schema
    }

    /// Whether the run is complete.
    package var isComplete: Bool { isScanned && found.isEmpty }

    /// Scans for a limited time; then, if something was found, deletes for a limited time.
    ///
    /// - Parameters:
    ///   - deletionTime: how long the write lock may be held before the commit.
    ///   - signal: cancels the scan.
    ///   - willCommit: called with the transaction before it is committed.
    /// - Returns: the transaction that removed entries, and how long the write lock was held; nil if it was not taken.
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

    /// The DBIs to sweep: those that store versions.
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
        // Sorted, so that the next DBI is known even if the last one was dropped.
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

    /// - Returns: whether the end of the DBI was reached without finding anything.
    private mutating func scan(
        _ database: Database, _ transaction: borrowing ReadTransaction, until end: Duration, _ uptime: Uptime,
        _ signal: CancellationSignal
    ) throws -> Bool {
        var cursor = try transaction.openCursor(database)
        var isOn: Bool
        if let key = position.key {
            isOn = try key.withUnsafeBytes { key in
                guard try cursor.seek(key) else { return false }
                // If the key is gone, the cursor is on the following one, which has not been scanned.
                return compareBytes(cursor.key, key) == 0 ? try cursor.next() : true
            }
        } else {
            isOn = try cursor.next()
        }
        var count = 0
        while isOn {
            examine(&cursor)
            count += 1
            if found.byteCount >= Self.mostKeyBytes || count % Self.entriesPerScanCheck == 0 && uptime() >= end {
                position.key = Array(cursor.key)
                try signal.check()
                return false
            }
            isOn = try cursor.next()
        }
        guard found.isEmpty else {
            // Continues after the last entry, that is with the next DBI.
            if try cursor.last() { position.key = Array(cursor.key) }
            return false
        }
        return true
    }

    @inline(__always)
    private mutating func examine(_ cursor: inout Cursor) {
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
                // The DBI was dropped or recreated since the scan.
                rest.removeAll()
                return .abort(nil as UInt64?)
            }
            var tried = 0
            while try rest.withFirst({ key in
                // The entry may have changed since the scan.
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

    /// The report of the finished run.
    package func finished(after duration: Duration) -> Report {
        var report = report
        report.duration = duration
        return report
    }
}

/// A FIFO queue of keys in contiguous memory.
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

    /// Removes the first key and passes it to `body`.
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
