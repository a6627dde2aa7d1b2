/// Sizes and counters of an environment.
package struct EnvironmentInfo: Sendable, Equatable {
    /// The size of the memory map in bytes: the limit for the data file.
    package var mapSize: Int
    /// In bytes.
    package var pageSize: Int
    /// The number of the last page in use.
    package var lastPage: Int
    /// The ID of the newest committed write transaction.
    package var lastTransactionID: UInt64
    /// Reader slots in use or used before.
    package var readers: Int
    /// The number of reader slots, set by the process that created the lock file.
    package var maximumReaders: Int

    /// The part of the map that has ever been used, in bytes, including free pages in it.
    package var usedBytes: Int { byteCount(pages: lastPage.saturatingAdd(1), of: pageSize) }
}

/// The size and shape of a database.
package struct DatabaseStatistics: Sendable, Equatable {
    /// The number of entries; every value of a key counts.
    package var entries: Int
    /// Levels of the B+ tree.
    package var depth: Int
    /// Pages that refer to other pages.
    package var branchPages: Int
    /// Pages with entries.
    package var leafPages: Int
    /// Pages with values too large for a leaf page.
    package var overflowPages: Int
    /// In bytes.
    package var pageSize: Int

    /// The size of this database's pages in bytes.
    package var usedBytes: Int {
        byteCount(pages: branchPages.saturatingAdd(leafPages).saturatingAdd(overflowPages), of: pageSize)
    }
}

// The counts come from the file, which may be damaged.
private func byteCount(pages: Int, of pageSize: Int) -> Int {
    let (bytes, overflows) = pages.multipliedReportingOverflow(by: pageSize)
    return overflows ? .max : bytes
}

extension Int {
    fileprivate func saturatingAdd(_ other: Int) -> Int {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? .max : sum
    }
}
