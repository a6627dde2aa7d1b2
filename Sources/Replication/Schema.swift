import LMDB
import Snapshots

/// Where the versions of entries are stored: their timestamps and the marks of deleted ones.
package enum Schema: Sendable, Equatable {
    /// In the values: the application begins each value with an LS header (`schema_tracks_changes: true`).
    case native
    /// In shadow DBIs (`schema_tracks_changes: false`).
    ///
    /// `dupSortHack`: whether to sync DBIs with MDB_DUPSORT as well (`dupsort_hack`).
    case shadow(dupSortHack: Bool)

    /// The maximum size of an application's value: LMDB stores the size in 32 bits.
    static let largestValue = 0xffff_ffff - 64

    /// The prefix of the names of shadow DBIs, followed by the name of the application's DBI.
    package static let shadowPrefix = PrivateDatabases.prefix + "_shadow_"

    /// Whether there are shadow DBIs.
    package var hasShadows: Bool { self != .native }

    /// The name of the DBI that stores the versions of an application's DBI.
    package func versions(of name: String) -> String { hasShadows ? Self.shadowPrefix + name : name }

    /// The name of the application's DBI whose shadow has this name; nil if it is not the name of a shadow.
    static func application(of shadow: String) -> String? {
        guard shadow.utf8.starts(with: shadowPrefix.utf8) else { return nil }
        let name = String(shadow.dropFirst(shadowPrefix.count))
        return name.isEmpty || PrivateDatabases.contains(name) ? nil : name
    }

    /// The flags of that DBI.
    func versionFlags(of flags: DatabaseFlags) -> DatabaseFlags {
        guard hasShadows else { return flags }
        // Transformed keys are not integers.
        return flags.contains(.duplicateSort) ? [] : flags.intersection(.integerKey)
    }

    /// The transform of the keys of a DBI in snapshots.
    func transform(_ flags: DatabaseFlags) -> String {
        hasShadows && flags.contains(.duplicateSort) ? DupSortTransform.name : ""
    }

    // MARK: What can be synced

    /// Why a DBI cannot be synced; nil if it can be, or if it is private.
    package func problem(_ database: Database) -> LocalContentError? {
        PrivateDatabases.contains(database.name) ? nil : problem(database.flags, of: database.name)
    }

    /// Checks a DBI of the application.
    func check(_ database: Database) throws(LocalContentError) {
        if let problem = problem(database.flags, of: database.name) { throw problem }
    }

    /// Checks the flags with which a DBI of the application would be created.
    func check(_ flags: DatabaseFlags, of name: String) throws(RefusedSnapshot) {
        if self == .native && !flags.isDisjoint(with: .anyDuplicates) {
            throw RefusedSnapshot(
                "DBI \(name) has the flags \(flags.names) in the snapshot: the sender uses shadow mode, and this instance "
                    + "native mode; use separate buckets")
        }
        if let problem = problem(flags, of: name) {
            throw RefusedSnapshot(problem.description, hint: problem.hint)
        }
    }

    /// Checks the name of a DBI in a snapshot, before its shadow is opened.
    func check(nameOf name: String) throws(RefusedSnapshot) {
        if let problem = nameProblem(name) { throw RefusedSnapshot(problem) }
    }

    private func problem(_ flags: DatabaseFlags, of name: String) -> LocalContentError? {
        switch self {
        case .native:
            guard !flags.isDisjoint(with: .anyDuplicates) else { return nil }
            return LocalContentError(
                "DBI \(name) has the flags \(flags.names): DBIs with several values per key cannot be synced in native "
                    + "mode", hint: .notNative)
        case .shadow(let dupSortHack):
            if !flags.contains(.duplicateSort) && !flags.isDisjoint(with: .anyDuplicates) {
                return LocalContentError("DBI \(name) has the flags \(flags.names), which require MDB_DUPSORT")
            }
            if !dupSortHack && flags.contains(.duplicateSort) {
                return LocalContentError(
                    "DBI \(name) has the flags \(flags.names): DBIs with several values per key can only be synced "
                        + "with transformed keys", hint: .transformedKeys)
            }
            return nameProblem(name).map { LocalContentError($0) }
        }
    }

    private func nameProblem(_ name: String) -> String? {
        let longest = SnapshotLimits.longestDatabaseName - Self.shadowPrefix.utf8.count
        guard hasShadows, name.utf8.count > longest else { return nil }
        return "the name of DBI \(name.prefix(64))… has \(name.utf8.count) bytes: the name of its shadow would "
            + "exceed LMDB's limit; at most \(longest) are possible"
    }

    /// Checks that the flags of a DBI that stores versions fit the application's DBI.
    func check(versions: Database, of flags: DatabaseFlags) throws(LocalContentError) {
        guard hasShadows, versions.flags != versionFlags(of: flags) else { return }
        throw LocalContentError(
            "DBI \(versions.name) has the flags \(versions.flags.names), which do not fit those of the application's "
                + "DBI, \(flags.names): it was recreated with different flags", hint: .startOver)
    }

    /// The error for a shadow whose keys are not transformed although the DBI has MDB_DUPSORT.
    func missingTransform(_ database: Database, _ key: UnsafeRawBufferPointer) -> LocalContentError {
        LocalContentError(
            "the key \(printable(key)) in DBI \(versions(of: database.name)) contains no value, but the application's "
                + "DBI has the flags \(database.flags.names): it was recreated with different flags", hint: .startOver)
    }

    // MARK: Versions

    /// The version at a cursor.
    ///
    /// Details of an error are looked up only if there is one. (The cursor is `inout` because a borrowed one would be
    /// loaded completely.)
    ///
    /// - Throws: as ``version(_:_:_:)``.
    @inline(__always)
    static func version(at cursor: inout Cursor) throws(LocalContentError) -> MergeRule.Version {
        do throws(EntryHeaderError) {
            let entry = try EntryHeader.parse(cursor.value)
            return .init(
                timestamp: entry.header.timestamp, isDeleted: entry.header.isDeleted, value: entry.payload)
        } catch {
            throw badHeader(&cursor, error)
        }
    }

    @inline(never)
    private static func badHeader(_ cursor: inout Cursor, _ error: EntryHeaderError) -> LocalContentError {
        badHeader(cursor.database.name, cursor.key, error)
    }

    /// The local version of an entry.
    ///
    /// - Throws: ``LocalContentError`` with DBI and key if the value has no valid header.
    @inline(__always)
    static func version(
        _ value: UnsafeRawBufferPointer, _ database: String, _ key: UnsafeRawBufferPointer
    ) throws(LocalContentError) -> MergeRule.Version {
        do throws(EntryHeaderError) {
            let entry = try EntryHeader.parse(value)
            return .init(
                timestamp: entry.header.timestamp, isDeleted: entry.header.isDeleted, value: entry.payload)
        } catch {
            throw badHeader(database, key, error)
        }
    }

    /// The version that a stored value holds; nil if it has no valid header.
    @inline(__always)
    static func readableVersion(_ value: UnsafeRawBufferPointer) -> MergeRule.Version? {
        guard let entry = try? EntryHeader.parse(value) else { return nil }
        return .init(timestamp: entry.header.timestamp, isDeleted: entry.header.isDeleted, value: entry.payload)
    }

    /// Searches a DBI of the application for a value that prevents sending.
    ///
    /// - Returns: an error about the first value without a valid header; nil if there is none, for private DBIs, and in
    ///   shadow mode.
    package func problem<T: Transaction & ~Copyable>(
        ofValuesIn database: Database, _ transaction: borrowing T
    ) throws(LMDBError) -> LocalContentError? {
        guard !hasShadows, !PrivateDatabases.contains(database.name) else { return nil }
        var cursor = try transaction.openCursor(database)
        while try cursor.next() {
            do throws(LocalContentError) {
                _ = try Self.version(at: &cursor)
            } catch {
                return error
            }
        }
        return nil
    }

    @inline(never)
    private static func badHeader(
        _ database: String, _ key: UnsafeRawBufferPointer, _ error: EntryHeaderError
    ) -> LocalContentError {
        let isPrivate = PrivateDatabases.contains(database)
        let owner =
            isPrivate
            ? "only this program may write there"
            : "the application must write it, as PowerDNS 4.8 or later does with lmdb-lightning-stream=yes"
        return LocalContentError(
            "the value of key \(printable(key)) in DBI \(database) has no valid LS header (\(error)); \(owner)",
            hint: isPrivate ? .startOver : nil)
    }

    /// The valid sizes of a key of this DBI; nil for any.
    static func integerKeySizes<T: Transaction & ~Copyable>(
        _ database: Database, _ transaction: borrowing T
    ) throws(LMDBError) -> [Int]? {
        guard database.flags.contains(.integerKey) else { return nil }
        var cursor = try transaction.openCursor(database)
        return try cursor.first() ? [cursor.key.count] : integerSizes
    }
}
