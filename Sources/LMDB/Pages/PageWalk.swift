/// Iterates the entries of the changed leaf pages of one tree, in key order.
///
/// A changed page has a changed parent, up to the root: the walk descends into changed children only.
struct PageWalk {
    /// Which pages count as changed.
    enum Filter {
        /// Those that are free or do not exist at an earlier transaction.
        case newSince(FreePages)
        /// Those in a set.
        case within(PageSet)

        func contains(_ page: UInt) -> Bool {
            switch self {
            case .newSince(let free): free.mayBeTaken(page)
            case .within(let set): set.contains(page)
            }
        }
    }

    private let pages: MappedPages
    private let filter: Filter
    private let order: KeyOrder
    /// The level of the leaf pages, 1 for a tree that is one leaf.
    private let depth: Int
    private let seen: PageSet
    /// The path to the current leaf: pages with the next node to visit.
    private var path: [(page: TreePage, next: Int)] = []
    private var previous: UnsafeRawBufferPointer?
    /// The number of pages read.
    private(set) var visited = 0
    /// The current entry, after ``next()`` has returned true.
    private(set) var entry = TreePage.Entry(key: .init(start: nil, count: 0), value: .init(start: nil, count: 0))

    /// - Parameters:
    ///   - record: the tree.
    ///   - seen: the pages that were visited; shared by the walks of one transaction.
    init(_ record: DatabaseRecord, _ pages: MappedPages, _ filter: Filter, seen: PageSet) throws(PageFault) {
        self.pages = pages
        self.filter = filter
        self.seen = seen
        order = KeyOrder(record.flags)
        depth = record.depth
        guard let root = record.root, filter.contains(root) else { return }
        guard depth >= 1, depth <= PageLayout.maximumDepth else { throw .depth(root) }
        try push(root)
    }

    private mutating func push(_ number: UInt) throws(PageFault) {
        guard seen.insert(number) else { throw number > seen.last ? .outside(number) : .twice(number) }
        let page = try TreePage(number, in: pages)
        guard page.isLeaf == (path.count + 1 == depth), path.count < depth else { throw .depth(number) }
        visited += 1
        path.append((page, 0))
    }

    /// Moves to the next entry, initially to the first one.
    ///
    /// - Returns: false after the last entry.
    mutating func next() throws(PageFault) -> Bool {
        while let (page, index) = path.last {
            guard index < page.count else {
                path.removeLast()
                continue
            }
            path[path.count - 1].next = index + 1
            guard page.isLeaf else {
                let child = try page.child(index)
                if filter.contains(child) { try push(child) }
                continue
            }
            entry = try page.entry(index, pages)
            if let previous, order.compare(previous, entry.key) >= 0 { throw .order(page.number) }
            previous = entry.key
            return true
        }
        return false
    }
}
