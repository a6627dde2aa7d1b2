import LMDB
import Snapshots

/// The positions in the private DBI `_sync_state`, so that a restart need not compare everything again.
///
/// They are written in the transactions of merges: what they say is merged is in the LMDB that has them. The key of a position is
/// `position {instance}`, that of one that others have merged and this database has not is `owed {instance}`. The value is an LS header
/// whose timestamp is the position; the first one is followed by a byte with bit 0 set if the instance reads deltas. The entry
/// `file` has the device and the inode of the file in 8 bytes each, little-endian, after a header with the time when it was made.
///
/// The entry `databases` has the names of all DBIs, each followed by a zero byte.
///
/// Positions of another file don't count, nor those of later transactions than the file has, nor if a DBI is gone, which others bring
/// back, or if the names are not recorded: they are forgotten, which only costs time.
package struct RecordedPositions: Sendable, Equatable {
    /// The position up to which each instance is merged as a whole, this one included.
    package var merged: [String: UInt64] = [:]
    /// The positions that others have merged and this database has not.
    package var owed: [String: UInt64] = [:]
    /// The instances that read deltas.
    package var readsDeltas: Set<String> = []

    /// No positions.
    package init() {}

    /// The positions of what is in the storage. Those of which something may be missing here are left out.
    ///
    /// - Parameter own: this instance's name; nil for a receiver.
    init(_ receiver: Receiver, own: String?) {
        let (progress, incomplete) = (receiver.progress, receiver.incomplete)
        merged = receiver.listedPositions.filter { !incomplete.contains($0.key) }
        if let own, let position = progress.merged[own] { merged[own] = position.timestamp }
        if let own, let position = progress.position { merged[own] = max(merged[own] ?? 0, position.timestamp) }
        owed = progress.owed
        readsDeltas = progress.readsDeltas
    }

    private static let positionPrefix = Array("position ".utf8)
    private static let owedPrefix = Array("owed ".utf8)
    private static let fileKey = Array("file".utf8)
    private static let databasesKey = Array("databases".utf8)

    // MARK: Reading

    /// Reads the positions; empty if there are none, or if they don't count.
    ///
    /// - Throws: errors of the LMDB. Values that are not valid don't count.
    package static func read(_ environment: Environment) throws -> RecordedPositions {
        guard let identity = environment.fileIdentity else { return RecordedPositions() }
        return try environment.read { transaction in
            var positions = RecordedPositions()
            guard let database = try transaction.database(SyncRecord.database),
                try fileKey.withUnsafeBytes({ key in
                    try transaction.get(database, key).map { isOf(identity, $0, transaction.id) } ?? false
                }), let recorded = try recordedNames(database, transaction),
                try recorded.subtracting(names(transaction)).isEmpty
            else { return positions }
            var cursor = try transaction.openCursor(database)
            while try cursor.next() {
                guard let entry = try? EntryHeader.parse(cursor.value) else { continue }
                let time = entry.header.timestamp
                if let instance = name(in: cursor.key, after: positionPrefix) {
                    positions.merged[instance] = time
                    if let flags = entry.payload.first, flags & 1 != 0 { positions.readsDeltas.insert(instance) }
                } else if let instance = name(in: cursor.key, after: owedPrefix) {
                    positions.owed[instance] = time
                }
            }
            return positions
        }
    }

    /// Whether they are in the LMDB, with the names of all DBIs, or there are none.
    func areRecorded(in environment: Environment) throws -> Bool {
        guard try Self.read(environment) == self else { return false }
        if self == RecordedPositions() { return true }
        return try environment.read { transaction in
            guard let database = try transaction.database(SyncRecord.database) else { return false }
            return try Self.recordedNames(database, transaction) == Self.names(transaction)
        }
    }

    private static func names<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws -> Set<String> {
        Set(try transaction.databases().map(\.name))
    }

    private static func recordedNames<T: Transaction & ~Copyable>(
        _ database: Database, _ transaction: borrowing T
    ) throws -> Set<String>? {
        try databasesKey.withUnsafeBytes { key in
            guard let value = try transaction.get(database, key), let entry = try? EntryHeader.parse(value) else {
                return nil
            }
            return Set(entry.payload.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
        }
    }

    private static func isOf(_ identity: FileIdentity, _ value: UnsafeRawBufferPointer, _ transaction: UInt64) -> Bool {
        guard let entry = try? EntryHeader.parse(value), entry.payload.count == 16 else { return false }
        return entry.header.transactionID <= transaction
            && UInt64(littleEndian: entry.payload.loadUnaligned(as: UInt64.self)) == UInt64(identity.device)
            && UInt64(littleEndian: entry.payload.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                == UInt64(identity.inode)
    }

    private static func name(in key: UnsafeRawBufferPointer, after prefix: [UInt8]) -> String? {
        guard key.count > prefix.count, key.starts(with: prefix) else { return nil }
        return String(decoding: key.dropFirst(prefix.count), as: UTF8.self)
    }

    // MARK: Writing

    /// Replaces the recorded positions within a transaction.
    ///
    /// - Parameters:
    ///   - time: nanoseconds since the UNIX epoch.
    ///   - known: what this process has recorded last: only what differs is written. If another one has removed that, fewer positions
    ///     are recorded, which only costs time. Nil if it is not known.
    func write(
        to transaction: borrowing WriteTransaction, at time: UInt64, replacing known: RecordedPositions? = nil
    ) throws {
        guard let identity = transaction.environment.fileIdentity else { return }
        let database = try transaction.database(SyncRecord.database, creating: [])
        if known.map({ !replacesAll(of: $0) }) ?? true { try Self.removeOthers(database, transaction, except: self) }
        var file: [UInt8] = []
        for part in [identity.device, identity.inode] {
            withUnsafeBytes(of: UInt64(part).littleEndian) { file.append(contentsOf: $0) }
        }
        // It keeps the time when it was made.
        try Self.put(Self.fileKey, time, file, database, transaction) { _ in true }
        var names: [UInt8] = []
        for name in try Self.names(transaction).sorted() { names += Array(name.utf8) + [0] }
        try Self.put(Self.databasesKey, time, names, database, transaction) { _ in true }
        let longest = transaction.environment.maximumKeySize
        for (instance, position) in merged {
            if let known, known.merged[instance] == position,
                known.readsDeltas.contains(instance) == readsDeltas.contains(instance)
            {
                continue
            }
            let key = Self.positionPrefix + Array(instance.utf8)
            // Without a position it is read again.
            guard key.count <= longest else { continue }
            try Self.put(key, position, [readsDeltas.contains(instance) ? 1 : 0], database, transaction) {
                $0 == position
            }
        }
        for (instance, position) in owed where known?.owed[instance] != position {
            let key = Self.owedPrefix + Array(instance.utf8)
            guard key.count <= longest else { continue }
            try Self.put(key, position, [], database, transaction) { $0 == position }
        }
    }

    /// Whether everything of earlier positions is replaced, so that nothing has to be removed.
    private func replacesAll(of known: RecordedPositions) -> Bool {
        known.merged.keys.allSatisfy { merged[$0] != nil } && known.owed.keys.allSatisfy { owed[$0] != nil }
    }

    private static func removeOthers(
        _ database: Database, _ transaction: borrowing WriteTransaction, except kept: RecordedPositions
    ) throws {
        var old: [[UInt8]] = []
        var cursor = try transaction.openCursor(database)
        while try cursor.next() {
            if let instance = name(in: cursor.key, after: positionPrefix) {
                if kept.merged[instance] == nil { old.append(Array(cursor.key)) }
            } else if let instance = name(in: cursor.key, after: owedPrefix) {
                if kept.owed[instance] == nil { old.append(Array(cursor.key)) }
            }
        }
        for key in old { try key.withUnsafeBytes { _ = try transaction.delete(database, $0) } }
    }

    /// Writes an entry, unless it is there already.
    ///
    /// - Parameter isSame: whether an entry of another time is the same.
    private static func put(
        _ key: [UInt8], _ time: UInt64, _ rest: [UInt8], _ database: Database,
        _ transaction: borrowing WriteTransaction, isSame: (UInt64) -> Bool
    ) throws {
        let isWritten = try key.withUnsafeBytes { key in
            guard let value = try transaction.get(database, key), let entry = try? EntryHeader.parse(value) else {
                return false
            }
            return isSame(entry.header.timestamp) && entry.payload.elementsEqual(rest)
        }
        if !isWritten { try SyncRecord.put(key, time, rest, database, transaction) }
    }

    /// Whether there are any, even if they don't count.
    private static func areWritten(in environment: Environment) throws -> Bool {
        try environment.read { transaction in
            guard let database = try transaction.database(SyncRecord.database) else { return false }
            var cursor = try transaction.openCursor(database)
            while try cursor.next() {
                if name(in: cursor.key, after: positionPrefix) != nil || name(in: cursor.key, after: owedPrefix) != nil
                {
                    return true
                }
            }
            return false
        }
    }

    /// Removes the recorded positions, if there are any.
    package static func forget(_ environment: Environment) throws {
        guard try areWritten(in: environment) else { return }
        try environment.write { transaction in
            guard let database = try transaction.database(SyncRecord.database) else { return .abort(()) }
            try removeOthers(database, transaction, except: RecordedPositions())
            return .commit(())
        }
    }
}
