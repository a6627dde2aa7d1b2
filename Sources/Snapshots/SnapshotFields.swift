/// The field numbers of the message; see docs/snapshot-format.md.
enum SnapshotFields {
    static let formatVersion: UInt32 = 1
    static let meta: UInt32 = 2
    static let databases: UInt32 = 3
    static let compatVersion: UInt32 = 4

    /// The format version that is written, and the newest supported one.
    static let currentVersion: UInt64 = 3
    /// The oldest format version whose readers understand the output.
    static let writtenCompatVersion: UInt64 = 1

    enum Meta {
        static let generationID: UInt32 = 1
        static let instanceID: UInt32 = 2
        static let hostname: UInt32 = 3
        static let transactionID: UInt32 = 4
        static let timestamp: UInt32 = 5
        static let databaseName: UInt32 = 7
        static let fromTransactionID: UInt32 = 8
        /// These are not in release 1.0, which skips them.
        static let from: UInt32 = 100
        static let positions: UInt32 = 101
        static let readsDeltas: UInt32 = 102
        static let proof: UInt32 = 104

        /// The largest number of positions that is written and read: memory is bounded whatever arrives.
        static let mostPositions = 10_000
        /// The largest proof that is read, in bytes.
        static let longestProof = 64
    }

    enum Position {
        static let instance: UInt32 = 1
        static let timestamp: UInt32 = 2
        /// Maximum size of the name of an object.
        static let longestInstance = 1024
    }

    enum DBI {
        static let name: UInt32 = 1
        static let entries: UInt32 = 2
        static let flags: UInt32 = 3
        static let transform: UInt32 = 4
    }

    /// Tags are number << 3 | wire type, in one byte.
    enum KV {
        static let keyTag: UInt8 = 0x0a
        static let valueTag: UInt8 = 0x12
        static let timestampTag: UInt8 = 0x19
        static let flagsTag: UInt8 = 0x20
        static let deletedFlag: UInt64 = 1
    }

    /// The tag of an entry in a DBI.
    static let entryTag: UInt8 = 0x12

    /// The transform that combines a key and one of its values to one key.
    static let dupSortTransform = "dupsort_hack_v1"
    /// LMDB's MDB_DUPSORT.
    static let dupSortFlag: UInt64 = 0x04
    /// Maximum key size in LMDB's main DBI, which stores the names of DBIs.
    static let longestDatabaseName = 511

    /// The conflict between the flags and the transform of a DBI, nil if there is none.
    static func contradiction(_ flags: UInt64, _ transform: String) -> String? {
        switch (flags & dupSortFlag != 0, transform == dupSortTransform) {
        case (true, false): "the DBI has the flag MDB_DUPSORT, but not the transform \(dupSortTransform)"
        case (false, true): "the DBI has the transform \(dupSortTransform), but not the flag MDB_DUPSORT"
        default: nil
        }
    }

    /// Reads the name of a DBI after its tag.
    static func readDatabaseName(
        _ tag: FieldTag, _ window: inout ByteWindow, limit: UInt64
    ) throws(SnapshotError) -> String {
        try window.expect(tag, .length, of: "the name of a DBI")
        let name = try window.readString(limit: limit, maximum: longestDatabaseName, of: "the name of a DBI")
        // LMDB ends a name at a zero byte and would use a different DBI.
        guard !name.utf8.contains(0) else { throw window.refusal("the name of a DBI contains a zero byte") }
        return name
    }
}
