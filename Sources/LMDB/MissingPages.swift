import Glibc

/// Distinguishes a truncated data file from one that is merely short.
///
/// LMDB does not write pages that a transaction allocated and freed, so a valid file often ends before its last
/// page: all pages after its end are free then. In a truncated file some are in use, and reading one through
/// the map would end the process with SIGBUS.
///
/// The layout of pages is that of data format version 1: a header of 16 bytes with flags at 10 and the end of the
/// node offsets at 12, the offsets (2 bytes each), nodes of a header of 8 bytes, key and data. A node's header has
/// the size of its data in bytes 0 to 3, its flags in 4 and 5, the size of its key in 6 and 7; in branch pages the
/// first six bytes are the number of the child page. The data of a node is a list of pages: a count and the
/// numbers, 8 bytes each. A list of more than a page is in overflow pages with one header.
struct MissingPages {
    private let descriptor: Int32
    private let meta: MetaPage
    /// The number of pages in the file.
    private let present: UInt
    private var freeMissing: UInt = 0
    private var visited: UInt = 0

    /// Whether used pages are missing from the file.
    ///
    /// - Parameter meta: the meta page of the open transaction, so that none of its pages can change.
    static func areNeeded(_ descriptor: Int32, _ meta: MetaPage) throws(FileFailure) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileFailure(code: errno, operation: "read the file") }
        let present = UInt(status.st_size) / UInt(meta.pageSize)
        guard present <= meta.lastPage else { return false }
        var search = MissingPages(descriptor: descriptor, meta: meta, present: present)
        if meta.freeRoot != PageLayout.noPage { try search.visit(meta.freeRoot, depth: 0) }
        return search.freeMissing < meta.lastPage + 1 - present
    }

    private init(descriptor: Int32, meta: MetaPage, present: UInt) {
        self.descriptor = descriptor
        self.meta = meta
        self.present = present
    }

    private mutating func visit(_ number: UInt, depth: Int) throws(FileFailure) {
        // A damaged tree may contain cycles.
        guard number < present, visited < present, depth < PageLayout.maximumDepth else { return }
        visited += 1
        let page = try read(number, from: 0, size: meta.pageSize)
        let flags = page.load(10, as: UInt16.self)
        let nodes = (Int(page.load(12, as: UInt16.self)) - 16) / 2
        guard nodes > 0 else { return }
        for index in 0..<nodes {
            let node = Int(page.load(16 + 2 * index, as: UInt16.self))
            let low = UInt(page.load(node, as: UInt32.self))
            let high = UInt(page.load(node + 4, as: UInt16.self))
            if flags & PageLayout.branch != 0 {
                try visit(high << 32 | low, depth: depth + 1)
            } else if flags & PageLayout.leaf != 0 {
                let data = node + 8 + Int(page.load(node + 6, as: UInt16.self))
                if UInt16(high) & PageLayout.bigData == 0 {
                    count(page, from: data)
                } else {
                    try countOverflow(page.load(data, as: UInt.self), size: Int(low))
                }
            }
        }
    }

    private mutating func countOverflow(_ number: UInt, size: Int) throws(FileFailure) {
        guard number < present, UInt(size) < (present - number) * UInt(meta.pageSize) else { return }
        let header = try read(number, from: 0, size: 16)
        guard header.load(10, as: UInt16.self) & PageLayout.overflow != 0 else { return }
        count(try read(number, from: 16, size: size), from: 0)
    }

    private func read(_ number: UInt, from start: Int, size: Int) throws(FileFailure) -> FilePage {
        try FilePage(descriptor, offset: Int(number) * meta.pageSize + start, size: size)
    }

    private mutating func count(_ list: FilePage, from start: Int) {
        let numbers = list.load(start, as: UInt.self)
        guard numbers <= UInt(list.count / 8) else { return }
        for index in 0..<Int(numbers) {
            let page = list.load(start + 8 + 8 * index, as: UInt.self)
            if page >= present && page <= meta.lastPage { freeMissing += 1 }
        }
    }
}
