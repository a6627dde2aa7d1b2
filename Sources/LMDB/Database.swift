import CLMDB

/// A named database (DBI) of an environment, valid only in its transaction.
public struct Database: Sendable {
    @usableFromInline let handle: MDB_dbi
    /// Its key in the unnamed database.
    package let name: String
    /// The flags it was created with.
    package let flags: DatabaseFlags

    /// Whether keys sort bytewise, a prefix before its extensions, which is the default.
    package var sortsBytewise: Bool { flags.isDisjoint(with: [.integerKey, .reverseKey]) }
}

/// The persistent flags of a database, with the values of lmdb.h.
package struct DatabaseFlags: OptionSet, Sendable, Hashable {
    /// The flags of `mdb_dbi_open` in lmdb.h.
    package let rawValue: UInt32
    /// - Parameter rawValue: flags of `mdb_dbi_open`; unknown ones are kept.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Keys are compared from their last byte to their first.
    package static let reverseKey = DatabaseFlags(rawValue: UInt32(MDB_REVERSEKEY))
    /// A key may have several values.
    package static let duplicateSort = DatabaseFlags(rawValue: UInt32(MDB_DUPSORT))
    /// Keys are native integers of 4 or 8 bytes.
    package static let integerKey = DatabaseFlags(rawValue: UInt32(MDB_INTEGERKEY))
    /// All values of a key have the same size.
    package static let duplicateFixed = DatabaseFlags(rawValue: UInt32(MDB_DUPFIXED))
    /// The values of a key are native integers.
    package static let integerDuplicates = DatabaseFlags(rawValue: UInt32(MDB_INTEGERDUP))
    /// The values of a key are compared from their last byte to their first.
    package static let reverseDuplicates = DatabaseFlags(rawValue: UInt32(MDB_REVERSEDUP))

    /// All flags that allow several values per key.
    package static let anyDuplicates: DatabaseFlags = [
        .duplicateSort, .duplicateFixed, .integerDuplicates, .reverseDuplicates,
    ]
    /// All known flags.
    package static let all: DatabaseFlags = [.reverseKey, .integerKey, .anyDuplicates]

    /// Whether LMDB supports the combination: the flags for several values require the one that allows them.
    ///
    /// liblmdb accepts other combinations and misbehaves.
    var areConsistent: Bool {
        isSubset(of: .all) && (contains(.duplicateSort) || isDisjoint(with: .anyDuplicates))
    }

    /// The names as in lmdb.h, joined by `|`; "0" if there are none.
    package var names: String {
        let table: [(DatabaseFlags, String)] = [
            (.reverseKey, "MDB_REVERSEKEY"), (.duplicateSort, "MDB_DUPSORT"), (.integerKey, "MDB_INTEGERKEY"),
            (.duplicateFixed, "MDB_DUPFIXED"), (.integerDuplicates, "MDB_INTEGERDUP"),
            (.reverseDuplicates, "MDB_REVERSEDUP"),
        ]
        let names = table.filter { contains($0.0) }.map(\.1)
        return names.isEmpty ? "0" : names.joined(separator: "|")
    }
}

extension MDB_val {
    /// Borrows the bytes; liblmdb does not write through it.
    @inlinable
    init(_ bytes: UnsafeRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }
}

extension UnsafeRawBufferPointer {
    @inlinable
    init(_ value: MDB_val) { self.init(start: value.mv_data, count: value.mv_size) }
}
