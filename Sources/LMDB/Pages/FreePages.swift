import Glibc

/// The pages that later transactions may take while a read transaction stays open: those that are free in its view, and
/// those beyond its last page.
///
/// A writer takes pages only from lists of free pages that are older than the oldest reader, from pages that it has allocated
/// itself, and beyond the last page. So a page of a later transaction is new exactly if it is one of these; every
/// other is byte for byte that of the read transaction.
struct FreePages: Sendable {
    /// The last page of the transaction.
    let last: UInt
    private let free: PageSet

    /// Reads the list of free pages of a transaction.
    ///
    /// - Parameter last: the last page of the transaction; a smaller one makes more pages new than there are.
    init(_ transaction: borrowing ReadTransaction, last: UInt) throws {
        self.last = last
        free = PageSet(last: last)
        guard free.isUsable else { throw transaction.environment.error(ENOMEM, "note the free pages") }
        let free = free
        try FreeList.forEach(transaction, after: 0) { page in
            // A smaller last page than the transaction's hides some.
            if page <= last { free.insert(page) }
        }
    }

    /// Whether a later transaction may have taken the page.
    func mayBeTaken(_ page: UInt) -> Bool { page > last || free.contains(page) }
}

/// The list of free pages: the DBI number 0 of an LMDB.
///
/// A key is the ID of the transaction that freed the pages (8 bytes, native byte order). A value is their count and their
/// numbers, 8 bytes each.
enum FreeList {
    private static let database = Database(handle: 0, name: "(free pages)", flags: .integerKey)

    /// Calls `body` with each page that was freed after a transaction.
    ///
    /// - Throws: ``PageFault/freeList`` for a record that is not one.
    static func forEach(
        _ transaction: borrowing ReadTransaction, after id: UInt64, _ body: (UInt) throws -> Void
    ) throws {
        var cursor = try transaction.openCursor(database)
        var isThere = try withUnsafeBytes(of: UInt(id) + 1) { try cursor.seek($0) }
        while isThere {
            let value = cursor.value
            guard cursor.key.count == 8, value.count >= 8 else { throw PageFault.freeList }
            let count = value.loadUnaligned(as: UInt.self)
            guard count <= UInt(value.count / 8 - 1) else { throw PageFault.freeList }
            for index in 0..<Int(count) {
                try body(value.loadUnaligned(fromByteOffset: 8 + 8 * index, as: UInt.self))
            }
            isThere = try cursor.next()
        }
    }
}
