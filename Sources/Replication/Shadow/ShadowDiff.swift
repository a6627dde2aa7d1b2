import LMDB
import Snapshots
import Support

/// The entries that differ between the application's DBIs and their shadows. It contains keys only; values are looked
/// up when they are copied.
struct CapturePlan: Sendable {
    /// A DBI that the application has or has dropped.
    struct Target: Sendable, Equatable {
        var name: String
        /// Whether it has no shadow yet.
        var isNew: Bool
    }

    /// The transaction of the comparison.
    var comparedWith: UInt64
    /// The DBIs; planned entries refer to them by index. Those of one DBI may be in several places.
    var targets: [Target] = []
    /// Planned entries that contain keys of the shadow only.
    var keys: Spool
    /// The number of keys.
    var count: Int
    /// DBIs that the application has dropped and whose shadows have live entries.
    var dropped: [String] = []

    /// Whether all shadows are up to date.
    var isEmpty: Bool { count == 0 && !targets.contains(where: \.isNew) }
}

/// Compares the application's DBIs with their shadows: one ordered pass over both, in constant memory; or only the entries
/// that may differ, if that is known.
struct ShadowDiff: ~Copyable {
    private let schema: Schema
    private let signal: CancellationSignal
    private var writer = MergePlanWriter()
    private var targets: [CapturePlan.Target] = []
    private var dropped: [String] = []
    /// The index of the DBI that is being compared.
    private var target = 0
    private var steps = 0

    /// - Parameter transaction: a read transaction, or a write transaction, which is not used for writing.
    /// - Throws: ``LocalContentError`` for a DBI or an entry that cannot be synced.
    static func run<T: Transaction & ~Copyable>(
        _ transaction: borrowing T, schema: Schema, signal: CancellationSignal
    ) throws -> CapturePlan {
        var diff = ShadowDiff(schema: schema, signal: signal)
        for side in try diff.begin(transaction) { try diff.compare(side, transaction) }
        return try diff.finish(comparedWith: transaction.id)
    }

    /// The same for an earlier transaction in which they were equal, and what has changed since.
    ///
    /// - Parameters:
    ///   - base: the earlier transaction.
    ///   - changes: the changes from there to `transaction`.
    /// - Throws: as ``run(_:schema:signal:)``.
    static func run(
        _ transaction: borrowing ReadTransaction, since base: borrowing ReadTransaction, _ changes: CaptureChanges,
        schema: Schema, signal: CancellationSignal
    ) throws -> CapturePlan {
        var diff = ShadowDiff(schema: schema, signal: signal)
        var sides = try diff.begin(transaction)
        for index in sides.indices where sides[index].needsPass(changes) {
            try diff.compare(sides[index], transaction)
            sides[index].isCompared = true
        }
        try diff.compare(changes.inApplication, &sides, transaction)
        try diff.compare(changes.inShadows, &sides, transaction, leavingOut: base)
        return try diff.finish(comparedWith: transaction.id)
    }

    /// A DBI of the application, with its shadow.
    private struct Side {
        /// Its index among the targets.
        let target: Int
        let name: String
        /// Nil if the application has dropped it.
        let database: Database?
        /// Nil if it has none yet.
        let shadow: Database?
        /// Whether all of it was compared.
        var isCompared = false

        /// Both, if the entries of one can be looked up in the other.
        var pair: (database: Database, shadow: Database)? {
            guard let database, let shadow, !database.flags.contains(.duplicateSort) else { return nil }
            return (database, shadow)
        }

        /// Whether changed keys do not say everything.
        func needsPass(_ changes: CaptureChanges) -> Bool { shadow == nil || changes.uncompared.contains(name) }
    }

    /// Checks and notes all DBIs.
    private mutating func begin<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws -> [Side] {
        let databases = try transaction.databases()
        var sides: [Side] = []
        for database in databases where !PrivateDatabases.contains(database.name) {
            try schema.check(database)
            let shadow = try transaction.database(schema.versions(of: database.name))
            if let shadow { try schema.check(versions: shadow, of: database.flags) }
            sides.append(Side(target: sides.count, name: database.name, database: database, shadow: shadow))
        }
        for shadow in databases {
            guard let name = Schema.application(of: shadow.name), try transaction.database(name) == nil else {
                continue
            }
            sides.append(Side(target: sides.count, name: name, database: nil, shadow: shadow))
        }
        targets = sides.map { .init(name: $0.name, isNew: $0.shadow == nil) }
        return sides
    }

    private mutating func compare<T: Transaction & ~Copyable>(_ side: Side, _ transaction: borrowing T) throws {
        target = side.target
        if let database = side.database {
            try compare(database, side.shadow, transaction)
        } else if let shadow = side.shadow {
            try markDropped(side.name, shadow, transaction)
        }
    }

    private init(schema: Schema, signal: CancellationSignal) {
        self.schema = schema
        self.signal = signal
    }

    private consuming func finish(comparedWith transaction: UInt64) throws -> CapturePlan {
        let (targets, dropped, count) = (targets, dropped, writer.count)
        return CapturePlan(
            comparedWith: transaction, targets: targets, keys: try writer.finish(), count: count, dropped: dropped)
    }

    private mutating func compare<T: Transaction & ~Copyable>(
        _ database: Database, _ shadow: Database?, _ transaction: borrowing T
    ) throws {
        guard let shadow else { return try noteAll(database, transaction) }
        try checkKeySizes(database, shadow, transaction)
        let isReverse = database.flags.contains(.reverseKey) && !database.flags.contains(.duplicateSort)
        if isReverse {
            try lookUp(database, shadow, transaction)
        } else if shadow.sortsBytewise {
            try join(database, shadow, transaction) { compareBytes($0, $1) }
        } else {
            try join(database, shadow, transaction) { transaction.compare(shadow, $0, $1) }
        }
    }

    private func checkKeySizes<T: Transaction & ~Copyable>(
        _ database: Database, _ shadow: Database, _ transaction: borrowing T
    ) throws {
        if let sizes = try Schema.integerKeySizes(database, transaction),
            let known = try Schema.integerKeySizes(shadow, transaction), Set(sizes).isDisjoint(with: known)
        {
            throw LocalContentError(
                "the integer keys of DBI \(database.name) have \(sizes[0]) bytes, but those of its shadow \(known[0])",
                hint: .startOver)
        }
    }

    private mutating func noteAll<T: Transaction & ~Copyable>(
        _ database: Database, _ transaction: borrowing T
    ) throws {
        var main = try MainWalk(database, transaction)
        while try main.next() {
            try step()
            try note(main.key())
        }
    }

    /// For equal sort orders: each step compares the next entries of the two.
    @inline(__always)
    private mutating func join<T: Transaction & ~Copyable>(
        _ database: Database, _ shadow: Database, _ transaction: borrowing T,
        _ compare: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Int
    ) throws {
        var main = try MainWalk(database, transaction)
        var cursor = try transaction.openCursor(shadow)
        var (isOnMain, isOnShadow) = (try main.next(), try cursor.next())
        while isOnMain && isOnShadow {
            try step()
            let order = try main.order(cursor.key, compare)
            if order < 0 {
                try note(main.key())
                isOnMain = try main.next()
                continue
            }
            let version = try Schema.version(at: &cursor)
            if order > 0 {
                try noteMissing(cursor.key, version, database)
            } else {
                if version.isDeleted || !areEqual(version.value, main.value) { try note(cursor.key) }
                isOnMain = try main.next()
            }
            isOnShadow = try cursor.next()
        }
        while isOnMain {
            try step()
            try note(main.key())
            isOnMain = try main.next()
        }
        while isOnShadow {
            try step()
            try noteMissing(cursor.key, try Schema.version(at: &cursor), database)
            isOnShadow = try cursor.next()
        }
    }

    /// Handles an entry of the shadow that the application does not have.
    @inline(__always)
    private mutating func noteMissing(
        _ key: UnsafeRawBufferPointer, _ version: MergeRule.Version, _ database: Database
    ) throws {
        // The flags of both shadows are the same, so only the keys show it. If they were sent, others would reject the
        // snapshot.
        if database.flags.contains(.duplicateSort), DupSortTransform.decode(key) == nil {
            throw schema.missingTransform(database, key)
        }
        if !version.isDeleted { try note(key) }
    }

    /// For different sort orders: looks up the entries of each in the other.
    private mutating func lookUp<T: Transaction & ~Copyable>(
        _ database: Database, _ shadow: Database, _ transaction: borrowing T
    ) throws {
        var main = try MainWalk(database, transaction)
        var inShadow = try OrderedLookup(shadow, transaction)
        while try main.next() {
            try step()
            let key = try main.key()
            if try inShadow.find(key, transaction) {
                let version = try inShadow.version()
                if !version.isDeleted && areEqual(version.value, main.value) { continue }
            }
            try note(key)
        }
        var cursor = try transaction.openCursor(shadow)
        var inMain = try OrderedLookup(database, transaction)
        while try cursor.next() {
            try step()
            if try Schema.version(at: &cursor).isDeleted { continue }
            if try !inMain.find(cursor.key, transaction) { try note(cursor.key) }
        }
    }

    private mutating func markDropped<T: Transaction & ~Copyable>(
        _ name: String, _ shadow: Database, _ transaction: borrowing T
    ) throws {
        let before = writer.count
        var cursor = try transaction.openCursor(shadow)
        while try cursor.next() {
            try step()
            if try !Schema.version(at: &cursor).isDeleted { try note(cursor.key) }
        }
        if writer.count > before { dropped.append(name) }
    }

    @inline(__always)
    private mutating func step() throws {
        if steps & 0xffff == 0 { try signal.check() }
        steps += 1
    }

    @inline(never)
    private mutating func note(_ key: UnsafeRawBufferPointer) throws {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        try writer.append(
            PlannedEntry(
                target: target, version: .init(timestamp: 0, isDeleted: false, value: nothing),
                isBehindLast: false, key: key))
    }

    // MARK: Known changes

    /// Compares the entries that the application has changed.
    private mutating func compare(
        _ part: CaptureChanges.Part, _ sides: inout [Side], _ transaction: borrowing ReadTransaction
    ) throws {
        try forEachRun(of: part, &sides, transaction) { diff, pair, reader, first in
            var entries = try EntryPair(pair.database, pair.shadow, transaction)
            return try diff.compare(&entries, from: first, &reader)
        }
    }

    /// Compares the entries of shadows that have changed, without those that the application has changed since a transaction.
    private mutating func compare(
        _ part: CaptureChanges.Part, _ sides: inout [Side], _ transaction: borrowing ReadTransaction,
        leavingOut base: borrowing ReadTransaction
    ) throws {
        try forEachRun(of: part, &sides, transaction) { diff, pair, reader, first in
            var entries = try EntryPair(pair.database, pair.shadow, transaction)
            try entries.leaveOut(changesSince: base)
            return try diff.compare(&entries, from: first, &reader)
        }
    }

    /// Calls `body` with the first entry of each DBI whose entries are looked up. Others are compared as a whole.
    ///
    /// - Parameter body: returns the first entry of the next DBI.
    private mutating func forEachRun(
        of part: CaptureChanges.Part, _ sides: inout [Side], _ transaction: borrowing ReadTransaction,
        _ body: (
            inout ShadowDiff, (database: Database, shadow: Database), inout MergePlanReader, PlannedEntry
        ) throws -> PlannedEntry?
    ) throws {
        let indices = Dictionary(sides.map { ($0.name, $0.target) }, uniquingKeysWith: { first, _ in first })
        var reader = MergePlanReader(part.keys)
        var next = try reader.next()
        while let first = next {
            // Without a side both DBIs are gone.
            let index = indices[part.names[first.target]].flatMap { sides[$0].isCompared ? nil : $0 }
            if let index, let pair = sides[index].pair {
                try checkKeySizes(pair.database, pair.shadow, transaction)
                target = index
                next = try body(&self, pair, &reader, first)
                continue
            }
            if let index {
                try compare(sides[index], transaction)
                sides[index].isCompared = true
            }
            while let entry = next, entry.target == first.target { next = try reader.next() }
        }
    }

    private mutating func compare(
        _ entries: inout EntryPair, from first: PlannedEntry, _ reader: inout MergePlanReader
    ) throws -> PlannedEntry? {
        var next: PlannedEntry? = first
        while let entry = next, entry.target == first.target {
            try step()
            if try entries.differ(entry.key) { try note(entry.key) }
            next = try reader.next()
        }
        return next
    }
}

/// Looks up entries in a DBI of the application, whose keys have one value, and in its shadow.
private struct EntryPair: ~Copyable {
    private let name: String
    private var main: Cursor
    private var shadow: Cursor
    private var base: Cursor?
    private var leavesOutChanges = false

    init(
        _ database: Database, _ shadow: Database, _ transaction: borrowing ReadTransaction
    ) throws(LMDBError) {
        let main = try transaction.openCursor(database)
        let versions = try transaction.openCursor(shadow)
        name = database.name
        self.main = main
        self.shadow = versions
    }

    /// Leaves out the entries that the application has changed since an earlier transaction.
    mutating func leaveOut(changesSince transaction: borrowing ReadTransaction) throws(LMDBError) {
        leavesOutChanges = true
        if let database = try transaction.database(name) { base = try transaction.openCursor(database) }
    }

    /// Whether an entry of the application differs from the version in the shadow.
    mutating func differ(_ key: UnsafeRawBufferPointer) throws -> Bool {
        let isHere = try main.find(key)
        if try shadow.find(key) {
            let version = try Schema.version(at: &shadow)
            if isHere ? !version.isDeleted && areEqual(version.value, main.value) : version.isDeleted { return false }
        } else if !isHere {
            return false
        }
        return try !leavesOutChanges || isUnchanged(key, isHere)
    }

    private mutating func isUnchanged(_ key: UnsafeRawBufferPointer, _ isHere: Bool) throws(LMDBError) -> Bool {
        guard var cursor = base.take() else { return !isHere }
        let wasHere = try cursor.find(key)
        let isSame = wasHere == isHere && (!isHere || areEqual(cursor.value, main.value))
        base = consume cursor
        return isSame
    }
}
