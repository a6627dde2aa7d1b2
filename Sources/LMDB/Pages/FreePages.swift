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
        // A smaller last page than the transaction's hides some.
        try FreeList.forEachRecord(transaction, after: 0) { free.insert(numbers: $0) }
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
        try forEachRecord(transaction, after: id) { numbers in
            for offset in stride(from: 0, to: numbers.count, by: 8) {
                try body(numbers.loadUnaligned(fromByteOffset: offset, as: UInt.self))
            }
        }
    }

    /// Calls `body` with the page numbers of each record, 8 bytes each in native byte order.
    ///
    /// - Throws: ``PageFault/freeList`` for a record that is not one.
    static func forEachRecord(
        _ transaction: borrowing ReadTransaction, after id: UInt64, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var cursor = try transaction.openCursor(database)
        var isThere = try withUnsafeBytes(of: UInt(id) + 1) { try cursor.seek($0) }
        while isThere {
            guard cursor.key.count == 8 else { throw PageFault.freeList }
            let count = try count(cursor.value)
            try body(UnsafeRawBufferPointer(rebasing: cursor.value[8..<8 + 8 * count]))
            isThere = try cursor.next()
        }
    }

    /// The number of pages freed before a transaction. Reads one page for each record at most, not the numbers.
    static func count(_ transaction: borrowing ReadTransaction, before id: UInt64) throws -> Int {
        var cursor = try transaction.openCursor(database)
        var total = 0
        while try cursor.next(), cursor.key.count == 8, cursor.key.loadUnaligned(as: UInt64.self) < id {
            total += try count(cursor.value)
        }
        return total
    }

    /// The number of pages in a record.
    private static func count(_ record: UnsafeRawBufferPointer) throws(PageFault) -> Int {
        guard record.count >= 8 else { throw .freeList }
        let count = record.loadUnaligned(as: UInt.self)
        guard count <= UInt(record.count / 8 - 1) else { throw .freeList }
        return Int(count)
    }
}

extension Environment {
    /// The bytes that writers can take while a read transaction stays open: those beyond the last page, and the pages freed
    /// before it.
    ///
    /// - Parameter id: the read transaction.
    package func freeBytes(before id: UInt64) throws -> Int {
        let pages = try read { try FreeList.count($0, before: id) }
        let info = info
        return max(0, info.mapSize - info.usedBytes) + pages * info.pageSize
    }
}
