import LMDB
import Snapshots

/// A DBI of the application and its shadow, within one write transaction that changes both.
///
/// Each operation on a key ensures that the application's entry equals the live version in the shadow.
struct ShadowPair: ~Copyable {
    private let transaction: UInt64
    private let paddingBlock: Bool
    /// The timestamp of additions and changes.
    private let defaultTimestamp: UInt64
    private let deletionTimestamp: UInt64
    private let isTransformed: Bool
    /// The application's DBI; nil if it was dropped.
    private let database: Database?
    private var main: Cursor?
    private var shadow: WriteCursor
    /// A copy of a value: pointers into the LMDB are invalid after a write.
    private var copy: [UInt8] = []

    /// - Parameters:
    ///   - database: the application's DBI; nil if it was dropped.
    ///   - shadow: its shadow.
    ///   - timestamp: the timestamp of additions and changes, unless the version in the shadow is as late; nanoseconds
    ///     since the UNIX epoch.
    ///   - deletionTimestamp: the same of deletions; nil if it is the same.
    init(
        _ database: Database?, shadow: Database, _ transaction: borrowing WriteTransaction, timestamp: UInt64,
        deletionTimestamp: UInt64? = nil, paddingBlock: Bool
    ) throws(LMDBError) {
        self.transaction = transaction.id
        self.paddingBlock = paddingBlock
        defaultTimestamp = timestamp
        self.deletionTimestamp = deletionTimestamp ?? timestamp
        isTransformed = database?.flags.contains(.duplicateSort) ?? false
        self.database = database
        if let database { main = try transaction.openCursor(database) }
        self.shadow = try transaction.openWriteCursor(shadow)
    }

    // MARK: Application to shadow

    /// Copies one entry of the application to the shadow, or marks it Deleted there, if the two differ.
    ///
    /// The new timestamp is later than that of the replaced version, whatever the clock shows.
    ///
    /// - Parameter key: the shadow's key.
    /// - Returns: whether they differed.
    mutating func capture(_ key: UnsafeRawBufferPointer) throws -> Bool {
        let isHere = try copyApplicationValue(key)
        var timestamp = isHere ? defaultTimestamp : deletionTimestamp
        if try shadow.reading.find(key) {
            let known = try Schema.version(at: &shadow.reading)
            if isHere {
                let isSame = copy.withUnsafeBytes { areEqual($0, known.value) }
                if !known.isDeleted && isSame { return false }
            } else if known.isDeleted {
                return false
            }
            timestamp = max(timestamp, known.timestamp == .max ? .max : known.timestamp + 1)
        } else if !isHere {
            return false
        }
        try copy.withUnsafeBytes { value in
            let version = MergeRule.Version(timestamp: timestamp, isDeleted: !isHere, value: value)
            try Self.put(key, version, to: &shadow, transaction, paddingBlock, append: false)
        }
        return true
    }

    /// - Returns: whether the application has the entry.
    private mutating func copyApplicationValue(_ key: UnsafeRawBufferPointer) throws(LMDBError) -> Bool {
        copy.removeAll(keepingCapacity: true)
        guard var cursor = main.take() else { return false }
        let isHere = try isTransformed ? Self.findValue(of: key, &cursor) : cursor.find(key)
        if isHere { copy.append(contentsOf: cursor.value) }
        main = consume cursor
        return isHere
    }

    private static func findValue(
        of transformed: UnsafeRawBufferPointer, _ cursor: inout Cursor
    ) throws(LMDBError) -> Bool {
        guard let parts = DupSortTransform.decode(transformed) else { return false }
        guard parts.isCut else { return try cursor.find(parts.key, value: parts.value) }
        if cursor.database.flags.contains(.reverseDuplicates) {
            // A truncated value does not determine the position.
            guard try cursor.find(parts.key) else { return false }
            while !cursor.value.starts(with: parts.value) {
                guard try cursor.next(), compareBytes(cursor.key, parts.key) == 0 else { return false }
            }
            return true
        }
        // No two values of a key have this prefix.
        guard try cursor.seek(parts.key, value: parts.value) else { return false }
        return cursor.value.starts(with: parts.value)
    }

    // MARK: Merging

    /// The result of a planned entry.
    struct Changes {
        /// Whether the application has changed the entry since the comparison.
        var isCaptured = false
        /// Whether it was written; otherwise it has lost.
        var isWritten = false
    }

    /// Writes a version that has won against the one in the shadow, to the shadow and to the application's DBI.
    ///
    /// - Parameters:
    ///   - isCurrent: whether there was no transaction since the comparison, and the shadow was up to date then.
    mutating func merge(
        _ entry: PlannedEntry, isCurrent: Bool, _ transaction: borrowing WriteTransaction
    ) throws -> Changes {
        let (key, version) = (entry.key, entry.version)
        var changes = Changes()
        if !isCurrent { changes.isCaptured = try capture(key) }
        if isCurrent && entry.isBehindLast,
            try Self.append(key, version, to: &shadow, self.transaction, paddingBlock)
        {
            if !version.isDeleted { try putApplicationValue(key, version.value, transaction) }
            changes.isWritten = true
            return changes
        }
        copy.removeAll(keepingCapacity: true)
        var wasLive = false
        if try shadow.reading.find(key) {
            let known = try Schema.version(at: &shadow.reading)
            guard MergeRule.replaces(version, local: known) else { return changes }
            wasLive = !known.isDeleted
            copy.append(contentsOf: known.value)
        }
        try Self.put(key, version, to: &shadow, self.transaction, paddingBlock, append: false)
        let isSame =
            wasLive && !version.isDeleted
            && copy.withUnsafeBytes { areEqual($0, version.value) }
        changes.isWritten = true
        if isSame { return changes }
        if wasLive && (isTransformed || version.isDeleted) { try removeApplicationValue(key, transaction) }
        if !version.isDeleted { try putApplicationValue(key, version.value, transaction) }
        return changes
    }

    /// After a merge, corrects combinations of values that LMDB cannot store for one key, and rejects entries that
    /// could not be captured.
    ///
    /// - Parameter key: the key of an entry that the merge has written.
    /// - Throws: ``RefusedSnapshot`` if the values of both sides have no common order in the shadow.
    mutating func settle(_ key: UnsafeRawBufferPointer, _ transaction: borrowing WriteTransaction) throws {
        guard isTransformed, let parts = DupSortTransform.decode(key), let database else { return }
        if parts.value.isEmpty {
            // An empty value excludes others: it can be written after they are removed.
            if try transaction.get(database, parts.key) == nil, try isLive(key) {
                try transaction.put(database, parts.key, UnsafeRawBufferPointer(start: nil, count: 0))
            }
            _ = try capture(key)
        } else {
            // LMDB has dropped the existing empty value.
            try withUnsafeTemporaryAllocation(byteCount: DupSortTransform.longest, alignment: 1) { buffer in
                let count = DupSortTransform.encode(
                    parts.key, UnsafeRawBufferPointer(start: nil, count: 0), into: buffer)
                _ = try capture(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
        try checkOrder(key, database)
    }

    private mutating func isLive(_ key: UnsafeRawBufferPointer) throws -> Bool {
        guard try shadow.reading.find(key) else { return false }
        return try !Schema.version(at: &shadow.reading).isDeleted
    }

    private mutating func checkOrder(_ key: UnsafeRawBufferPointer, _ database: Database) throws {
        guard var cursor = main.take() else { return }
        let isOrdered = try Self.isOrdered(key, &cursor)
        main = consume cursor
        if !isOrdered { throw Self.misplaced(key, database) }
    }

    /// Whether the neighbours of an entry are in the same order in the shadow.
    private static func isOrdered(_ key: UnsafeRawBufferPointer, _ cursor: inout Cursor) throws(LMDBError) -> Bool {
        guard try findValue(of: key, &cursor) else { return true }
        if try cursor.previous(), order(cursor.key, cursor.value, key) >= 0 { return false }
        guard try findValue(of: key, &cursor), try cursor.next() else { return true }
        return order(cursor.key, cursor.value, key) > 0
    }

    /// Compares an entry with a transformed key.
    private static func order(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer
    ) -> Int {
        // An entry that cannot be transformed causes an error when it is captured.
        guard key.count <= DupSortTransform.longestKey else { return compareBytes(key, other) }
        return withUnsafeTemporaryAllocation(byteCount: DupSortTransform.longest, alignment: 1) { buffer in
            let count = DupSortTransform.encode(key, value, into: buffer)
            return compareBytes(UnsafeRawBufferPointer(rebasing: buffer[..<count]), other)
        }
    }

    private static func misplaced(_ key: UnsafeRawBufferPointer, _ database: Database) -> RefusedSnapshot {
        RefusedSnapshot(
            "the key \(printable(key)) of DBI \(database.name) conflicts with a local one: keys and values that sort "
                + "differently when the value follows the key cannot be synced; remove one of the two")
    }

    /// Removes a live entry from both, without a Deleted mark, if it still has the planned timestamp.
    ///
    /// - Returns: whether it was removed.
    mutating func forget(
        _ entry: PlannedEntry, _ transaction: borrowing WriteTransaction
    ) throws -> Bool {
        let key = entry.key
        guard try !capture(key), try shadow.reading.find(key) else { return false }
        let known = try Schema.version(at: &shadow.reading)
        guard !known.isDeleted, known.timestamp == entry.version.timestamp else { return false }
        copy.removeAll(keepingCapacity: true)
        copy.append(contentsOf: known.value)
        try removeApplicationValue(key, transaction)
        return try transaction.delete(shadow.reading.database, key)
    }

    private func putApplicationValue(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        guard let database else { return }
        // An empty value excludes others.
        if isTransformed, value.isEmpty, try transaction.get(database, applicationKey(key)) != nil { return }
        try transaction.put(database, applicationKey(key), value)
    }

    /// Removes the shadow's previous value, which is in ``copy``.
    private func removeApplicationValue(
        _ key: UnsafeRawBufferPointer, _ transaction: borrowing WriteTransaction
    ) throws {
        guard let database else { return }
        if isTransformed {
            _ = try copy.withUnsafeBytes { try transaction.delete(database, applicationKey(key), value: $0) }
        } else {
            try transaction.delete(database, key)
        }
    }

    private func applicationKey(_ key: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard isTransformed, let parts = DupSortTransform.decode(key) else { return key }
        return parts.key
    }

    /// - Returns: false if the key is not the last one in LMDB's order.
    private static func append(
        _ key: UnsafeRawBufferPointer, _ version: MergeRule.Version, to cursor: inout WriteCursor,
        _ transaction: UInt64, _ paddingBlock: Bool
    ) throws(LMDBError) -> Bool {
        do throws(LMDBError) {
            try put(key, version, to: &cursor, transaction, paddingBlock, append: true)
            return true
        } catch {
            guard error.code == .keyExists else { throw error }
            return false
        }
    }

    private static func put(
        _ key: UnsafeRawBufferPointer, _ version: MergeRule.Version, to cursor: inout WriteCursor,
        _ transaction: UInt64, _ paddingBlock: Bool, append: Bool
    ) throws(LMDBError) {
        let header = EntryHeader(
            timestamp: version.timestamp, transactionID: transaction,
            flags: version.isDeleted ? EntryHeader.deletedFlag : 0)
        let headerSize = EntryHeader.size(paddingBlock: paddingBlock)
        try cursor.put(key, size: headerSize + version.value.count, append: append) { buffer in
            header.write(to: buffer, paddingBlock: paddingBlock)
            UnsafeMutableRawBufferPointer(rebasing: buffer[headerSize...]).copyMemory(from: version.value)
        }
    }
}
