import LMDB
import Snapshots
import Support

/// The entries that differ between the application's DBIs and their shadows. It contains keys only; values are looked
/// up when they are copied.
struct CapturePlan: Sendable {
    /// A DBI that the application has or has dropped.
    struct Target: Sendable {
        var name: String
        /// Whether it has no shadow yet.
        var isNew: Bool
    }

    /// The transaction of the comparison.
    var comparedWith: UInt64
    /// The DBIs; planned entries refer to them by index.
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

/// Compares the application's DBIs with their shadows: one ordered pass over both, in constant memory.
struct ShadowDiff: ~Copyable {
    private let schema: Schema
    private let signal: CancellationSignal
    private var writer = MergePlanWriter()
    private var targets: [CapturePlan.Target] = []
    private var dropped: [String] = []
    private var steps = 0

    /// - Parameter transaction: a read transaction, or a write transaction, which is not used for writing.
    /// - Throws: ``LocalContentError`` for a DBI or an entry that cannot be synced.
    static func run<T: Transaction & ~Copyable>(
        _ transaction: borrowing T, schema: Schema, signal: CancellationSignal
    ) throws -> CapturePlan {
        var diff = ShadowDiff(schema: schema, signal: signal)
        let databases = try transaction.databases()
        for database in databases where !PrivateDatabases.contains(database.name) {
            try schema.check(database)
            let shadow = try transaction.database(schema.versions(of: database.name))
            if let shadow { try schema.check(versions: shadow, of: database.flags) }
            diff.targets.append(.init(name: database.name, isNew: shadow == nil))
            try diff.compare(database, shadow, transaction)
        }
        for shadow in databases where shadow.name.utf8.starts(with: Schema.shadowPrefix.utf8) {
            let name = String(shadow.name.dropFirst(Schema.shadowPrefix.count))
            guard !name.isEmpty, !PrivateDatabases.contains(name), try transaction.database(name) == nil else {
                continue
            }
            try diff.markDropped(name, shadow, transaction)
        }
        return try diff.finish(comparedWith: transaction.id)
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
        if let sizes = try Schema.integerKeySizes(database, transaction),
            let known = try Schema.integerKeySizes(shadow, transaction), Set(sizes).isDisjoint(with: known)
        {
            throw LocalContentError(
                "the integer keys of DBI \(database.name) have \(sizes[0]) bytes, but those of its shadow \(known[0])",
                hint: .startOver)
        }
        let isReverse = database.flags.contains(.reverseKey) && !database.flags.contains(.duplicateSort)
        if isReverse {
            try lookUp(database, shadow, transaction)
        } else if shadow.sortsBytewise {
            try join(database, shadow, transaction) { compareBytes($0, $1) }
        } else {
            try join(database, shadow, transaction) { transaction.compare(shadow, $0, $1) }
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
        targets.append(.init(name: name, isNew: false))
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
                target: targets.count - 1, version: .init(timestamp: 0, isDeleted: false, value: nothing),
                isBehindLast: false, key: key))
    }
}
