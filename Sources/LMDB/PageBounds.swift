import CLMDB
import Glibc

/// Checks that data found by liblmdb are within their page.
///
/// liblmdb trusts the sizes in the file. In a damaged one a size can reach far beyond the map, and reading that
/// much ends the process. The check uses addresses: pages in the map are aligned to their size.
public struct PageBounds: Sendable {
    // Without a check the address counts as 0 and the page as infinite.
    @usableFromInline let mask: Int
    @usableFromInline let pageSize: Int
    private let lastPage: Int
    private let isReadOnly: Bool

    static let systemPageSize = sysconf(Int32(_SC_PAGESIZE))

    /// - Parameters:
    ///   - info: the environment's sizes, read since the transaction began.
    ///   - isReadOnly: whether the transaction cannot write.
    init(_ info: EnvironmentInfo, isReadOnly: Bool) {
        lastPage = info.lastPage
        self.isReadOnly = isReadOnly
        // Written pages are in liblmdb's own memory, and pages larger than the system's may be at any multiple of that.
        let isAligned = isReadOnly && info.pageSize > 0 && info.pageSize <= Self.systemPageSize
        mask = isAligned ? info.pageSize - 1 : 0
        pageSize = isAligned ? info.pageSize : .max
    }

    /// Interprets the result of a failed read.
    ///
    /// A read transaction fails with MDB_BAD_TXN only after a missing page. Opening a cursor can meet such a page as well, but
    /// does not report it.
    func meaning(of result: Int32) -> Int32 { isReadOnly && result == MDB_BAD_TXN ? MDB_PAGE_NOTFOUND : result }

    /// Whether the bytes are within one page.
    @inlinable
    func contain(_ bytes: MDB_val) -> Bool {
        (Int(bitPattern: bytes.mv_data) & mask) &+ bytes.mv_size <= pageSize
    }

    /// Whether the bytes are a value in overflow pages, which begins after the header of the first one.
    ///
    /// The header has the page's number at 0, its flags at 10 and the number of pages at 12.
    @usableFromInline
    func containOverflow(_ value: MDB_val) -> Bool {
        guard let start = value.mv_data, Int(bitPattern: start) & mask == PageLayout.headerSize else { return false }
        let header = start - PageLayout.headerSize
        let number = header.loadUnaligned(as: UInt.self)
        let flags = header.loadUnaligned(fromByteOffset: 10, as: UInt16.self)
        let pages = header.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
        guard flags & PageLayout.overflow != 0, number <= UInt(lastPage), UInt(pages) <= UInt(lastPage) + 1 - number
        else {
            return false
        }
        return value.mv_size <= Int(pages) * pageSize - PageLayout.headerSize
    }
}
