import LMDB
import Snapshots

/// What native mode (`schema_tracks_changes: true`) asks of the databases: every value starts with an LS header,
/// and a key has one value.
enum NativeSchema {
    /// The largest application value: LMDB stores the size of a value in 32 bits.
    static let largestValue = 0xffff_ffff - 64

    static func check(_ database: Database) throws(LocalContentError) {
        guard database.flags.isDisjoint(with: .anyDuplicates) else {
            throw LocalContentError(
                "DBI \(database.name) has the flags \(database.flags.names): databases with several values a key can't "
                    + "be synced with schema_tracks_changes: true; leave this LMDB out of lmdbs")
        }
    }

    static func check(_ flags: DatabaseFlags, of name: String) throws(RefusedSnapshot) {
        guard flags.isDisjoint(with: .anyDuplicates) else {
            throw RefusedSnapshot(
                "DBI \(name) has the flags \(flags.names): databases with several values a key can't be synced with "
                    + "schema_tracks_changes: true")
        }
    }

    /// The local version of an entry.
    ///
    /// - Throws: ``LocalContentError`` naming DBI and key when the value has no valid header.
    @inline(__always)
    static func version(
        _ value: UnsafeRawBufferPointer, _ database: String, _ key: UnsafeRawBufferPointer
    ) throws(LocalContentError) -> MergeRule.Version {
        let entry = try entry(value, database, key)
        return .init(timestamp: entry.header.timestamp, isDeleted: entry.header.isDeleted, value: entry.payload)
    }

    /// A local value, taken apart.
    ///
    /// - Throws: ``LocalContentError`` naming DBI and key when the value has no valid header.
    @inline(__always)
    static func entry(
        _ value: UnsafeRawBufferPointer, _ database: String, _ key: UnsafeRawBufferPointer
    ) throws(LocalContentError) -> ParsedEntry {
        do throws(EntryHeaderError) {
            return try EntryHeader.parse(value)
        } catch {
            throw badHeader(database, key, error)
        }
    }

    @inline(never)
    private static func badHeader(
        _ database: String, _ key: UnsafeRawBufferPointer, _ error: EntryHeaderError
    ) -> LocalContentError {
        LocalContentError(
            "the value of key \(printable(key)) in DBI \(database) has no valid LS header (\(error)); the application "
                + "has to write them, as PowerDNS 4.8 or later does with lmdb-lightning-stream=yes")
    }

    /// The sizes that a key of this database may have, nil when any will do.
    static func integerKeySizes(
        _ database: Database, _ transaction: borrowing ReadTransaction
    ) throws(LMDBError) -> [Int]? {
        guard database.flags.contains(.integerKey) else { return nil }
        var cursor = try transaction.openCursor(database)
        return try cursor.first() ? [cursor.key.count] : integerSizes
    }
}
