import CLMDB

/// A named database (DBI) of an environment, valid in the transaction it came from and in no other.
public struct Database: Sendable {
    @usableFromInline let handle: MDB_dbi
    /// Its key in the unnamed database.
    package let name: String
    /// The flags it was created with.
    package let flags: DatabaseFlags

    /// Whether keys sort bytewise, a shorter one before its extensions, as they do by default.
    package var sortsBytewise: Bool { flags.isDisjoint(with: [.integerKey, .reverseKey]) }
}

/// The flags that a database keeps on disk, with the values of lmdb.h.
package struct DatabaseFlags: OptionSet, Sendable, Hashable {
    /// The flags of `mdb_dbi_open` in lmdb.h.
    package let rawValue: UInt32
    /// - Parameter rawValue: flags of `mdb_dbi_open`; unknown ones are kept.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Keys compare from their last byte to their first.
    package static let reverseKey = DatabaseFlags(rawValue: UInt32(MDB_REVERSEKEY))
    /// A key may have several values.
    package static let duplicateSort = DatabaseFlags(rawValue: UInt32(MDB_DUPSORT))
    /// Keys are native integers of 4 or 8 bytes.
    package static let integerKey = DatabaseFlags(rawValue: UInt32(MDB_INTEGERKEY))
    /// The values of a key are all of one size.
    package static let duplicateFixed = DatabaseFlags(rawValue: UInt32(MDB_DUPFIXED))
    /// The values of a key are native integers.
    package static let integerDuplicates = DatabaseFlags(rawValue: UInt32(MDB_INTEGERDUP))
    /// The values of a key compare from their last byte to their first.
    package static let reverseDuplicates = DatabaseFlags(rawValue: UInt32(MDB_REVERSEDUP))

    /// Everything that gives a key several values.
    package static let anyDuplicates: DatabaseFlags = [
        .duplicateSort, .duplicateFixed, .integerDuplicates, .reverseDuplicates,
    ]
    /// Everything that is known here.
    package static let all: DatabaseFlags = [.reverseKey, .integerKey, .anyDuplicates]

    /// Whether LMDB can work with the combination: the flags for several values need the one that allows them.
    ///
    /// liblmdb takes the others and goes wrong on them.
    var areConsistent: Bool {
        isSubset(of: .all) && (contains(.duplicateSort) || isDisjoint(with: .anyDuplicates))
    }

    /// The names as in lmdb.h, joined by `|`; "0" when there are none.
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
