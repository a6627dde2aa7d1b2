import LMDB
import Snapshots
import Support

/// Compares a snapshot with the local LMDB in a read transaction and plans the writes.
///
/// The whole snapshot is read and checked before there is a plan, so a damaged one changes nothing.
package struct MergePlanner: ~Copyable {
    /// The inputs besides snapshot and LMDB.
    package struct Rules: Sendable {
        /// Deleted entries older than this are not added; nanoseconds since the UNIX epoch, 0 to add all.
        var deletedCutoff: UInt64 = 0
        /// Flags for creating missing DBIs, by name, which override those of the snapshot.
        var creationFlags: [String: DatabaseFlags] = [:]
        /// Where the local versions are stored.
        var schema = Schema.native
        /// Inspects the changes.
        var inspection: (any MergeInspection)?
        /// What is written before in the same transaction.
        var planned: PlannedVersions?

        /// See the properties of the same names.
        package init(
            deletedCutoff: UInt64 = 0, creationFlags: [String: DatabaseFlags] = [:], schema: Schema = .native,
            inspection: (any MergeInspection)? = nil
        ) {
            self.deletedCutoff = deletedCutoff
            self.creationFlags = creationFlags
            self.schema = schema
            self.inspection = inspection
        }
    }

    private let rules: Rules
    private let environment: Environment
    private let maximumKeySize: Int
    private let mapSize: Int
    /// The minimum size of the planned entries in the map, in bytes.
    private var planned = 0
    private var writer = MergePlanWriter()
    private var targets: [MergePlan.Target] = []
    /// The minimum and maximum key size of each target, in bytes.
    private var keySizes: [ClosedRange<Int>?] = []
    /// The same for the application's keys and values, if keys have several values.
    private var transformedKeySizes: [ClosedRange<Int>?] = []
    private var valueSizes: [ClosedRange<Int>?] = []
    private var kept = 0
    /// The number of entries held by the inspection.
    private var held = 0
    private var order: PlannedOrder
    /// Whether the keys of the current DBI have to be checked for the transform.
    private var mayBeTransformed = false
    /// The error of the first key without it.
    private var untransformed: RefusedSnapshot?
    /// The private DBIs in the snapshot, which are ignored.
    private(set) var skipped: Set<String> = []

    init(_ environment: Environment, rules: Rules) {
        self.environment = environment
        self.rules = rules
        maximumKeySize = environment.maximumKeySize
        order = PlannedOrder(longestKey: maximumKeySize)
        mapSize = environment.info.mapSize
    }

    /// Plans the merge of one snapshot.
    ///
    /// - Parameter entriesRead: called with the number of entries read.
    /// - Throws: ``RefusedSnapshot`` or `SnapshotError` if the snapshot must not be merged, ``MapIsTooSmall`` if the
    ///   local map cannot hold it, ``LocalContentError`` if the local LMDB cannot be compared with it.
    package static func plan(
        _ snapshot: Spool, for environment: Environment, rules: Rules, entriesRead: (Int) -> Void = { _ in }
    ) throws -> (plan: MergePlan, meta: SnapshotMeta, skipped: Set<String>) {
        do {
            return try compare(snapshot, with: environment, rules: rules, entriesRead: entriesRead)
        } catch is CompareAgain {
            return try compare(snapshot, with: environment, rules: rules, entriesRead: entriesRead)
        }
    }

    private static func compare(
        _ snapshot: Spool, with environment: Environment, rules: Rules, entriesRead: (Int) -> Void
    ) throws -> (plan: MergePlan, meta: SnapshotMeta, skipped: Set<String>) {
        // An entry that cannot fit the map cannot be merged, so it is not read either.
        var reader = SnapshotReader(
            snapshot, maximumEntrySize: min(environment.info.mapSize, Schema.largestValue))
        return try environment.read { transaction in
            try rules.inspection?.begins(transaction)
            var planner = MergePlanner(environment, rules: rules)
            var read: Result<Void, any Error> = .success(())
            do {
                try planner.compareAll(&reader, transaction)
            } catch {
                read = .failure(error)
            }
            entriesRead(planner.kept + planner.held + planner.writer.count)
            try read.get()
            try rules.inspection?.check(transaction)
            let (skipped, meta) = (planner.skipped, reader.meta)
            return (try planner.finish(comparedWith: transaction.id), meta, skipped)
        }
    }

    private consuming func finish(comparedWith transaction: UInt64) throws -> MergePlan {
        let (targets, kept, held, count, isOrdered) = (targets, kept, held, writer.count, order.holds)
        return MergePlan(
            schema: rules.schema, comparedWith: transaction, targets: targets, entries: try writer.finish(),
            isOrdered: isOrdered,
            count: count, kept: kept, held: held)
    }

    private mutating func compareAll(
        _ reader: inout SnapshotReader, _ transaction: borrowing ReadTransaction
    ) throws {
        while true {
            switch try reader.next() {
            case .databaseBegin: try compareDatabase(&reader, transaction)
            case .entry, .databaseEnd: throw RefusedSnapshot("an entry is outside of a DBI")
            case .end: return
            }
        }
    }

    // MARK: One DBI of the snapshot

    private mutating func compareDatabase(
        _ reader: inout SnapshotReader, _ transaction: borrowing ReadTransaction
    ) throws {
        let name = reader.databaseName
        if PrivateDatabases.contains(name) {
            // The names are only logged, so a few suffice.
            if skipped.count < 16 { skipped.insert(name) }
            while case .entry = try reader.next() {}
            return
        }
        try rules.schema.check(nameOf: name)
        let local = try transaction.database(name)
        if let local { try rules.schema.check(local) }
        let versions = rules.schema.hasShadows ? try transaction.database(rules.schema.versions(of: name)) : local
        if let local {
            guard let versions else { throw ShadowIsMissing(database: name) }
            try rules.schema.check(versions: versions, of: local.flags)
        }
        let target = try self.target(name, local)
        untransformed = nil
        mayBeTransformed = rules.schema.hasShadows && local?.flags.contains(.duplicateSort) ?? true
        if let local, mayBeTransformed { try noteLocalSizes(local, target, transaction) }
        if let versions {
            try compare(&reader, with: versions, target, transaction)
        } else {
            try addAll(&reader, target)
        }
        if let local { try checkFlags(reader, local) } else { try noteMissing(reader, target) }
        let needed = rules.schema.transform(targets[target].flags)
        // Snapshots before format 3 do not specify the transform.
        guard reader.databaseTransform == needed || reader.formatVersion < 3 && reader.databaseTransform.isEmpty else {
            throw wrongTransform(name, reader.databaseTransform, needed)
        }
        if !needed.isEmpty, let untransformed { throw untransformed }
        try checkSizes(target)
    }

    /// Different DBI flags mean a different key space: the DBI was recreated, or is another application's.
    private func checkFlags(_ reader: borrowing SnapshotReader, _ local: Database) throws(RefusedSnapshot) {
        let name = local.name
        guard rules.schema.hasShadows, reader.formatVersion >= 3, rules.creationFlags[name] == nil else { return }
        let flags = DatabaseFlags(rawValue: UInt32(truncatingIfNeeded: reader.databaseFlags))
        // A different sort order does not change the keys. The transform covers several values per key.
        guard flags.symmetricDifference(local.flags).contains(.integerKey) else { return }
        throw RefusedSnapshot(
            "DBI \(name) has the flags \(flags.names) in the snapshot, but \(local.flags.names) here; if the application "
                + "has recreated it, remove the older snapshots")
    }

    private func wrongTransform(_ name: String, _ found: String, _ needed: String) -> RefusedSnapshot {
        RefusedSnapshot(
            rules.schema.hasShadows
                ? "DBI \(name) has the transform \"\(found)\", but the local one is \"\(needed)\""
                : "DBI \(name) has the transform \(found), which native mode does not support",
            hint: rules.schema.hasShadows ? .sameFlags : .sameMode)
    }

    /// Compares the entries of a DBI with the local ones, both in key order: each step compares the next entries of the
    /// two. Entries out of order are looked up, which only takes more time.
    private mutating func compare(
        _ reader: inout SnapshotReader, with local: Database, _ target: Int, _ transaction: borrowing ReadTransaction
    ) throws {
        let integerSizes = try Schema.integerKeySizes(local, transaction)
        let longestKey = integerSizes == nil ? maximumKeySize : 0
        let (name, inspection, planned) = (targets[target].name, rules.inspection, rules.planned)
        var lookup = try OrderedLookup(local, transaction)
        while case .entry = try reader.next() {
            let key = reader.key
            if key.isEmpty || key.count > longestKey {
                try Self.checkUnusualKey(key, &reader, longest: maximumKeySize, sizes: integerSizes)
            }
            let incoming = MergeRule.Version(
                timestamp: reader.timestamp, isDeleted: reader.isDeleted, value: reader.value)
            if integerSizes != nil { Self.noteSize(key.count, &keySizes[target]) }
            if mayBeTransformed { noteTransformed(key, incoming, target) }
            let wins: Bool
            var current: MergeRule.Version?
            if try lookup.find(key, transaction) {
                let version = try lookup.version()
                wins = MergeRule.replaces(incoming, local: version)
                current = version
            } else {
                wins = MergeRule.adds(incoming, deletedCutoff: rules.deletedCutoff)
            }
            if !wins {
                kept += 1
            } else if let inspection,
                try Self.isHeld(key, name, by: inspection, from: current, to: incoming, behind: planned)
            {
                held += 1
            } else {
                try plan(target, incoming, key, isBehindLast: lookup.isBehindLast, from: &reader)
            }
        }
    }

    private mutating func addAll(_ reader: inout SnapshotReader, _ target: Int) throws {
        let (longestKey, name, inspection) = (maximumKeySize, targets[target].name, rules.inspection)
        let planned = rules.planned
        var sizes = keySizes[target]
        while case .entry = try reader.next() {
            let key = reader.key
            if key.isEmpty || key.count > longestKey {
                try Self.checkUnusualKey(key, &reader, longest: longestKey, sizes: nil)
            }
            if (kept &+ writer.count) & 0xfff == 0 { environment.noteProgress() }
            let incoming = MergeRule.Version(
                timestamp: reader.timestamp, isDeleted: reader.isDeleted, value: reader.value)
            Self.noteSize(key.count, &sizes)
            if mayBeTransformed { noteTransformed(key, incoming, target) }
            if !MergeRule.adds(incoming, deletedCutoff: rules.deletedCutoff) {
                kept += 1
            } else if let inspection,
                try Self.isHeld(key, name, by: inspection, from: nil, to: incoming, behind: planned)
            {
                held += 1
            } else {
                try plan(target, incoming, key, isBehindLast: true, from: &reader)
            }
        }
        keySizes[target] = sizes
    }

    /// The flags may follow the entries, so checks that depend on them come last.
    private mutating func noteMissing(_ reader: borrowing SnapshotReader, _ target: Int) throws {
        let flags = try creationFlags(reader)
        if targets[target].isMissing && targets[target].flags != flags {
            throw RefusedSnapshot("DBI \(reader.databaseName) occurs with different flags")
        }
        targets[target].isMissing = true
        targets[target].flags = flags
    }

    private static func noteSize(_ size: Int, _ sizes: inout ClosedRange<Int>?) {
        let known = sizes ?? size...size
        sizes = min(known.lowerBound, size)...max(known.upperBound, size)
    }

    /// Records the sizes in the application's DBI if the keys are transformed, or that they are not: the transform may
    /// be specified after the entries.
    private mutating func noteTransformed(
        _ key: UnsafeRawBufferPointer, _ version: MergeRule.Version, _ target: Int
    ) {
        do throws(RefusedSnapshot) {
            let parts = try DupSortTransform.check(key, version, targets[target].name)
            Self.noteSize(parts.key.count, &transformedKeySizes[target])
            if !version.isDeleted { Self.noteSize(version.value.count, &valueSizes[target]) }
        } catch {
            untransformed = error
            mayBeTransformed = false
        }
    }

    /// Records the sizes in the application's DBI.
    private mutating func noteLocalSizes(
        _ database: Database, _ target: Int, _ transaction: borrowing ReadTransaction
    ) throws {
        var cursor = try transaction.openCursor(database)
        guard try cursor.first() else { return }
        Self.noteSize(cursor.key.count, &transformedKeySizes[target])
        Self.noteSize(cursor.value.count, &valueSizes[target])
    }

    /// LMDB accepts integers of different sizes, but does not find them again; it rejects other values of different
    /// sizes if they must have a fixed one.
    private mutating func checkSizes(_ target: Int) throws {
        let (name, flags) = (targets[target].name, targets[target].flags)
        let isTransformed = !rules.schema.transform(flags).isEmpty
        if flags.contains(.integerKey), let sizes = isTransformed ? transformedKeySizes[target] : keySizes[target] {
            guard sizes.count == 1, integerSizes.contains(sizes.lowerBound) else {
                throw RefusedSnapshot(
                    "DBI \(name) has MDB_INTEGERKEY, but keys of \(sizes.lowerBound) to \(sizes.upperBound) bytes; "
                        + "all must have 4 or all must have 8")
            }
            // Transformed keys are not integers.
            if !isTransformed { targets[target].integerKeySize = sizes.lowerBound }
        }
        guard !flags.isDisjoint(with: [.duplicateFixed, .integerDuplicates]), let sizes = valueSizes[target] else {
            return
        }
        let isInteger = flags.contains(.integerDuplicates)
        guard sizes.count == 1, isInteger ? integerSizes.contains(sizes.lowerBound) : sizes.lowerBound > 0 else {
            throw RefusedSnapshot(
                "DBI \(name) has the flags \(flags.names), but here and in the snapshot values of \(sizes.lowerBound) "
                    + "to \(sizes.upperBound) bytes; all must have "
                    + (isInteger ? "4 or all must have 8" : "the same size, and not be empty"))
        }
    }

    /// Whether the inspection holds an entry.
    ///
    /// One that loses to what is written before it changes nothing, but stays in the plan: that may not be written in the end.
    @inline(never)
    private static func isHeld(
        _ key: UnsafeRawBufferPointer, _ name: String, by inspection: any MergeInspection,
        from local: MergeRule.Version?, to new: MergeRule.Version, behind planned: PlannedVersions?
    ) throws(RefusedSnapshot) -> Bool {
        let old = planned.map { $0.newer(than: local, key, name) } ?? local
        if planned != nil, let old, !MergeRule.replaces(new, local: old) { return false }
        return switch try inspection.change(of: key, in: name, from: old, to: new) {
        case .hold: true
        case .merge: false
        }
    }

    // Large noncopyable values are passed as `inout`: a borrowed one would be loaded completely for each entry.
    @inline(__always)
    private mutating func plan(
        _ target: Int, _ version: MergeRule.Version, _ key: UnsafeRawBufferPointer, isBehindLast: Bool,
        from reader: inout SnapshotReader
    ) throws {
        order.note(target, key)
        // The keys of a valid snapshot do not repeat, so all planned entries would be in the map at once. Do not spool
        // more than it can hold.
        planned += Self.nodeSize + key.count + EntryHeader.size + version.value.count
        guard planned <= mapSize else { throw MapIsTooSmall(planned: planned, mapSize: mapSize) }
        let entry = PlannedEntry(target: target, version: version, isBehindLast: isBehindLast, key: key)
        try writer.append(entry) { reader.forget($0) }
    }

    /// The size of LMDB's entry header and page index.
    private static let nodeSize = 10

    private mutating func target(_ name: String, _ local: Database?) throws -> Int {
        if let known = targets.lastIndex(where: { $0.name == name }) { return known }
        guard targets.count < min(environment.options.maximumDatabases, MergePlan.mostTargets) else {
            throw RefusedSnapshot(
                "it contains more DBIs than the \(environment.options.maximumDatabases) that are allowed",
                hint: .moreDatabases)
        }
        // The entries come before the flags, so whether to create a missing DBI is known later.
        targets.append(MergePlan.Target(name: name, isMissing: false, flags: local?.flags ?? []))
        keySizes.append(nil)
        transformedKeySizes.append(nil)
        valueSizes.append(nil)
        return targets.count - 1
    }

    private func creationFlags(_ reader: borrowing SnapshotReader) throws -> DatabaseFlags {
        let name = reader.databaseName
        if let flags = rules.creationFlags[name] {
            try rules.schema.check(flags, of: name)
            return flags
        }
        guard reader.formatVersion >= 3 else {
            // The DBI may be created later.
            throw MergeObstacle(
                "the snapshot has format version \(reader.formatVersion), which does not specify the flags of DBI \(name), "
                    + "and the DBI is missing here", hint: .creationFlags(name))
        }
        guard reader.databaseFlags & ~UInt64(DatabaseFlags.all.rawValue) == 0 else {
            throw RefusedSnapshot("DBI \(name) has unknown flags 0x\(String(reader.databaseFlags, radix: 16))")
        }
        let flags = DatabaseFlags(rawValue: UInt32(reader.databaseFlags))
        try rules.schema.check(flags, of: name)
        return flags
    }

    /// Checks an unusual key: 1 to `longest` bytes, unless keys are integers.
    @inline(never)
    private static func checkUnusualKey(
        _ key: UnsafeRawBufferPointer, _ reader: inout SnapshotReader, longest: Int, sizes: [Int]?
    ) throws(RefusedSnapshot) {
        guard key.count > 0 && key.count <= longest else {
            throw RefusedSnapshot(
                "a key of DBI \(reader.databaseName) has \(key.count) bytes, but LMDB supports 1 to \(longest)")
        }
        if let sizes, !sizes.contains(key.count) {
            throw RefusedSnapshot(
                "a key of DBI \(reader.databaseName) has \(key.count) bytes, but the integer keys here have "
                    + sizes.map(String.init).joined(separator: " or "))
        }
    }
}
