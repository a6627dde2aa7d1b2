import CLMDB
import Glibc

/// A pinned transaction, with what is needed to find later changes by comparing pages.
///
/// It keeps one bit for each page of the file up to its last one.
package struct DiffBase: ~Copyable, Sendable {
    /// The transaction.
    package var reader: PinnedReader
    let free: FreePages
    let records: DatabaseRecords

    /// Pins the newest transaction of an environment. Waits while a commit is being flushed, for a second at most.
    ///
    /// - Throws: as ``Environment/pin()``; ``PageDiff/Failure`` if its pages cannot be compared.
    package init(_ environment: Environment) throws { try self.init(environment) { usleep(1000) } }

    /// - Parameter pause: called between two attempts once many have failed.
    init(_ environment: Environment, pause: () -> Void) throws {
        guard PageDiff.isSupported else { throw PageDiff.Failure.unsupportedMachine }
        for attempt in 0..<Self.mostAttempts {
            if attempt >= Self.attemptsAtOnce { pause() }
            let before = environment.info
            // The two numbers are not read at once: the same transaction twice means that the first page number was its own.
            guard environment.info.lastTransactionID == before.lastTransactionID else { continue }
            var pinned = try environment.pin()
            guard pinned.id == before.lastTransactionID else { continue }
            let last = UInt(before.lastPage)
            do {
                (free, records) = try pinned.read {
                    (try FreePages($0, last: last), try DatabaseRecords($0, last: last))
                }
            } catch let fault as PageFault {
                throw PageDiff.Failure.damaged(fault, database: nil)
            }
            reader = pinned
            return
        }
        throw PageDiff.Failure.busy
    }

    // A commit is in the meta page, which shows the last page, before it is flushed; transactions see it after that. A disk takes
    // milliseconds, and the change of the file is what we are called for.
    private static let attemptsAtOnce = 100
    private static let mostAttempts = 1100
}

/// Finds what has changed between two transactions by reading only the pages that have changed.
///
/// LMDB copies a page before it changes it, and its parents up to the root. See ``FreePages`` for how the pages of the later
/// transaction that are new are recognised. The pages of the earlier one that were replaced are those that the later one's
/// list of free pages contains for the transactions in between. Entries of both kinds of leaf pages are compared in key order.
package enum PageDiff {
    /// The reason why nothing was compared, or why the result must not be used.
    package enum Failure: Error, Sendable, Hashable {
        /// The machine is not a 64-bit one with little-endian byte order.
        case unsupportedMachine
        /// Other processes commit faster than a transaction can be pinned.
        case busy
        /// The later transaction is not later.
        case order
        /// A DBI was recreated with other flags.
        case recreated(String)
        /// A page does not have the expected contents. The DBI is nil for the list of free pages.
        case damaged(PageFault, database: String?)
    }

    /// One changed entry. The bytes are in the map: valid only during the call that passes them.
    package struct Change {
        /// The DBI.
        package let database: Database
        /// The key.
        package let key: UnsafeRawBufferPointer
        /// The value of the earlier transaction; nil if the entry was added.
        package let old: UnsafeRawBufferPointer?
        /// The value of the later transaction; nil if the entry was removed.
        package let new: UnsafeRawBufferPointer?
    }

    /// The result of a comparison.
    package struct Outcome: Sendable, Equatable {
        /// The number of tree pages read, of both transactions.
        package var pages = 0
        /// The DBIs with several values for a key in which something has changed. Their entries were not compared.
        package var uncompared: [String] = []
    }

    static var isSupported: Bool { MemoryLayout<Int>.size == 8 && UInt16(1).littleEndian == 1 }

    /// Compares the DBIs of two transactions, sorted by name, and passes each changed entry to `visit`, in key order.
    ///
    /// An entry with the same bytes on a copied page has not changed. The result is valid only if nothing was thrown, as the
    /// transactions may lose their pages meanwhile.
    ///
    /// - Parameters:
    ///   - base: the earlier transaction.
    ///   - later: the later one, of the same environment.
    ///   - includes: which DBIs to compare.
    /// - Throws: ``Failure``, ``PinnedReader/Loss``, ``LMDBError``, and errors of `visit`.
    package static func run(
        from base: inout DiffBase, to later: inout DiffBase, includes: (Database) -> Bool = { _ in true },
        _ visit: (Change) throws -> Void
    ) throws -> Outcome {
        guard later.reader.id >= base.reader.id else { throw Failure.order }
        let (free, last, before, after) = (base.free, later.free.last, base.records, later.records)
        return try base.reader.read(beside: &later.reader) { old, new in
            var comparison = try Comparison(old, new, free, last)
            return try comparison.run(before, after, includes, visit)
        }
    }
}

/// One comparison of two transactions.
private struct Comparison {
    private let free: FreePages
    /// The pages of the earlier transaction that the later one does not have.
    private let replaced: PageSet
    private let seenOld: PageSet
    private let seenNew: PageSet
    private var outcome = PageDiff.Outcome()

    init(
        _ old: borrowing ReadTransaction, _ new: borrowing ReadTransaction, _ free: FreePages, _ last: UInt
    ) throws {
        self.free = free
        let replaced = PageSet(last: free.last)
        (seenOld, seenNew) = (PageSet(last: free.last), PageSet(last: last))
        guard replaced.isUsable, seenOld.isUsable, seenNew.isUsable else {
            throw new.environment.error(ENOMEM, "compare pages")
        }
        do {
            try FreeList.forEach(new, after: old.id) { page in
                if page < 2 { throw PageFault.freeList }
                // Others were made and freed in between.
                if !free.mayBeTaken(page) { replaced.insert(page) }
            }
        } catch let fault as PageFault {
            throw PageDiff.Failure.damaged(fault, database: nil)
        }
        self.replaced = replaced
    }

    mutating func run(
        _ old: DatabaseRecords, _ new: DatabaseRecords, _ includes: (Database) -> Bool,
        _ visit: (PageDiff.Change) throws -> Void
    ) throws -> PageDiff.Outcome {
        for database in Self.databases(old, new) where includes(database) {
            do {
                let (before, after) = (old[database], new[database])
                guard before != after else { continue }
                if let before, let after, before.flags != after.flags {
                    throw PageDiff.Failure.recreated(database.name)
                }
                guard !database.flags.contains(.duplicateSort) else {
                    outcome.uncompared.append(database.name)
                    continue
                }
                try compare(
                    database, Self.walk(before, old.pages, .within(replaced), seenOld),
                    Self.walk(after, new.pages, .newSince(free), seenNew), visit)
            } catch let fault as PageFault {
                throw PageDiff.Failure.damaged(fault, database: database.name)
            }
        }
        return outcome
    }

    /// The DBIs of both, sorted bytewise by name.
    private static func databases(_ old: DatabaseRecords, _ new: DatabaseRecords) -> [Database] {
        let dropped = old.databases.filter { new[$0] == nil }
        guard !dropped.isEmpty else { return new.databases }
        return (new.databases + dropped).sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private mutating func compare(
        _ database: Database, _ old: PageWalk?, _ new: PageWalk?, _ visit: (PageDiff.Change) throws -> Void
    ) throws {
        let order = KeyOrder(database.flags)
        var (oldWalk, newWalk) = (old, new)
        defer { outcome.pages += (oldWalk?.visited ?? 0) + (newWalk?.visited ?? 0) }
        var (hasOld, hasNew) = (try oldWalk?.next() ?? false, try newWalk?.next() ?? false)
        while let a = hasOld ? oldWalk?.entry : nil, let b = hasNew ? newWalk?.entry : nil {
            let sign = order.compare(a.key, b.key)
            if sign == 0 {
                if !areSame(a, b) { try visit(.init(database: database, key: b.key, old: a.value, new: b.value)) }
            } else if sign < 0 {
                try visit(.init(database: database, key: a.key, old: a.value, new: nil))
            } else {
                try visit(.init(database: database, key: b.key, old: nil, new: b.value))
            }
            if sign <= 0 { hasOld = try oldWalk?.next() ?? false }
            if sign >= 0 { hasNew = try newWalk?.next() ?? false }
        }
        while hasOld, let entry = oldWalk?.entry {
            try visit(.init(database: database, key: entry.key, old: entry.value, new: nil))
            hasOld = try oldWalk?.next() ?? false
        }
        while hasNew, let entry = newWalk?.entry {
            try visit(.init(database: database, key: entry.key, old: nil, new: entry.value))
            hasNew = try newWalk?.next() ?? false
        }
    }

    /// A walk through the changed pages of a tree, nil if the tree is empty.
    private static func walk(
        _ record: DatabaseRecord?, _ pages: MappedPages?, _ filter: PageWalk.Filter, _ seen: PageSet
    ) throws(PageFault) -> PageWalk? {
        guard let record, let pages, record.root != nil else { return nil }
        return try PageWalk(record, pages, filter, seen: seen)
    }

    private func areSame(_ a: TreePage.Entry, _ b: TreePage.Entry) -> Bool {
        // The same overflow pages, which are not new.
        if a.overflowPage != 0, a.overflowPage == b.overflowPage, a.value.count == b.value.count { return true }
        guard a.value.count == b.value.count else { return false }
        guard let first = a.value.baseAddress, let second = b.value.baseAddress else { return true }
        return memcmp(first, second, a.value.count) == 0
    }
}
