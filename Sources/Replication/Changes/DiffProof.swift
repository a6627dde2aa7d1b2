import Glibc
import LMDB

/// The number and a hash of the differences between two transactions, in order.
///
/// Values of one process only can be compared.
struct DifferenceDigest: Sendable {
    /// The number of differences.
    private(set) var count = 0
    private var hasher = Hasher()

    /// Adds a changed entry; see ``PageDiff/Change``.
    mutating func add(
        _ database: String, _ key: UnsafeRawBufferPointer, old: UnsafeRawBufferPointer?, new: UnsafeRawBufferPointer?
    ) {
        count += 1
        hasher.combine(database)
        for part in [key, old, new] {
            hasher.combine(part?.count ?? -1)
            if let part { hasher.combine(bytes: part) }
        }
    }

    /// The hash of all differences so far.
    var hash: Int { hasher.finalize() }

    /// Whether the differences are the same as those of another digest.
    func isSame(as other: DifferenceDigest) -> Bool { count == other.count && hash == other.hash }
}

/// A comparison of pages that has still to be compared with one of all entries.
struct PendingProof: ~Copyable, Sendable {
    /// The earlier transaction.
    var earlier: DiffBase
    /// The later one.
    var later: PinnedReader
    /// What the comparison of pages has found.
    let expected: DifferenceDigest
    /// The DBIs that it covered.
    let databases: [Database]

    /// Compares all entries of both transactions.
    ///
    /// - Parameter check: called now and then; throws to end early.
    mutating func compare(_ check: () throws -> Void) throws -> DifferenceDigest {
        let databases = databases
        return try earlier.reader.read(beside: &later) { old, new in
            var digest = DifferenceDigest()
            for database in databases {
                try check()
                try Self.compare(database, old, new, &digest, check)
            }
            return digest
        }
    }

    private static func compare(
        _ database: Database, _ old: borrowing ReadTransaction, _ new: borrowing ReadTransaction,
        _ digest: inout DifferenceDigest, _ check: () throws -> Void
    ) throws {
        var after = try new.openCursor(database)
        var hasAfter = try after.next()
        guard let earlier = try old.database(database.name) else {
            while hasAfter {
                digest.add(database.name, after.key, old: nil, new: after.value)
                hasAfter = try after.next()
            }
            return
        }
        var before = try old.openCursor(earlier)
        var hasBefore = try before.next()
        var steps = 0
        while hasBefore || hasAfter {
            steps += 1
            if steps & 0xffff == 0 { try check() }
            let order = !hasBefore ? 1 : !hasAfter ? -1 : compareKeys(before.key, after.key, database, new)
            if order < 0 {
                digest.add(database.name, before.key, old: before.value, new: nil)
            } else if order > 0 {
                digest.add(database.name, after.key, old: nil, new: after.value)
            } else if !areSame(before.value, after.value) {
                digest.add(database.name, after.key, old: before.value, new: after.value)
            }
            if order <= 0 { hasBefore = try before.next() }
            if order >= 0 { hasAfter = try after.next() }
        }
    }

    // Most entries are on pages that both transactions have: one address.
    private static func compareKeys(
        _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, _ database: Database,
        _ transaction: borrowing ReadTransaction
    ) -> Int {
        a.baseAddress == b.baseAddress && a.count == b.count ? 0 : transaction.compare(database, a, b)
    }

    private static func areSame(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        guard a.count == b.count else { return false }
        guard let first = a.baseAddress, let second = b.baseAddress, first != second else { return true }
        return memcmp(first, second, a.count) == 0
    }
}
