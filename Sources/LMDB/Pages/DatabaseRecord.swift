/// Where the tree of a DBI begins.
///
/// The record is the value of the DBI's name in the unnamed DBI, 48 bytes in native byte order: padding (4), flags (2), depth (2),
/// three page counts and the number of entries (8 each), the root page (8).
struct DatabaseRecord: Sendable, Equatable {
    let flags: DatabaseFlags
    /// The levels of the tree; 0 if it is empty.
    let depth: Int
    /// Nil if the tree is empty.
    let root: UInt?

    private static let size = 48

    /// - Parameter found: the bytes of the record.
    /// - Throws: ``PageFault/record`` if it is not one.
    init(_ found: UnsafeRawBufferPointer) throws(PageFault) {
        guard found.count == Self.size else { throw .record }
        flags = DatabaseFlags(rawValue: UInt32(found.loadUnaligned(fromByteOffset: 4, as: UInt16.self)))
        depth = Int(found.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
        let root = found.loadUnaligned(fromByteOffset: 40, as: UInt.self)
        self.root = root == PageLayout.noPage ? nil : root
    }
}

/// The trees of all named DBIs of a transaction.
struct DatabaseRecords: Sendable {
    /// The DBIs, sorted bytewise by name.
    let databases: [Database]
    /// The pages of the transaction; nil if there are no DBIs.
    let pages: MappedPages?
    private let records: [String: DatabaseRecord]

    /// - Parameter last: the last page of the transaction.
    init(_ transaction: borrowing ReadTransaction, last: UInt) throws {
        let found = try transaction.databases()
        guard !found.isEmpty, let main = try NamedDatabases.main(transaction.pointer, transaction.environment) else {
            (databases, pages, records) = ([], nil, [:])
            return
        }
        let unnamed = Database(handle: main, name: "(DBIs)", flags: [])
        var records: [String: DatabaseRecord] = [:]
        var address: UnsafeRawPointer?
        for database in found {
            let record = try Array(database.name.utf8).withUnsafeBytes { try transaction.get(unnamed, $0) }
            guard let record, let start = record.baseAddress else { throw PageFault.record }
            records[database.name] = try DatabaseRecord(record)
            address = start
        }
        guard let address else { throw PageFault.record }
        pages = try MappedPages(containing: address, last: last, transaction.environment)
        (databases, self.records) = (found, records)
    }

    /// The tree of a DBI, nil if it does not exist.
    subscript(_ database: Database) -> DatabaseRecord? { records[database.name] }
}
