import LMDB
import Snapshots
import Support

/// Copies timestamps from one DBI to another with the same keys, such as from a shadow DBI to the DBI that replaced the
/// application's: the work of `experimental migrate-timestamps`.
///
/// The DBIs are compared in a read transaction. Changes are written in one write transaction, after each entry has been
/// compared again.
package struct TimestampMigration: Sendable {
    /// The name of the DBI to copy timestamps from.
    package var source: String
    /// The name of the DBI to copy timestamps to.
    package var destination: String
    /// Whether to add Deleted entries of the source that are missing in the destination.
    package var addsDeleted: Bool
    /// Whether added headers get an extension block (`header_extra_padding_block`).
    package var paddingBlock: Bool
    /// Returns the time, in nanoseconds since the UNIX epoch.
    package var now: WallClock

    /// See the properties of the same names.
    package init(
        source: String, destination: String, addsDeleted: Bool, paddingBlock: Bool = false,
        now: @escaping WallClock = systemWallClock
    ) {
        self.now = now
        self.source = source
        self.destination = destination
        self.addsDeleted = addsDeleted
        self.paddingBlock = paddingBlock
    }

    /// The result by entries of the source. Each counts once, those in ``differing`` twice.
    package struct Report: Sendable, Equatable {
        /// Entries whose timestamp was copied.
        package var copied = 0
        /// Entries that have the same or a newer timestamp in the destination.
        package var kept = 0
        /// Deleted entries added to the destination.
        package var added = 0
        /// Deleted entries that are missing in the destination and were not added.
        package var deletedLeftOut = 0
        /// Live entries that are missing in the destination.
        package var missing = 0
        /// Entries whose timestamp was copied although the value or the Deleted mark differs.
        ///
        /// The values of PowerDNS's indexes are not compared: the new ones are empty.
        package var differing = 0
        /// The conversion of keys.
        package var conversion = KeyConversion.none
    }

    /// Copies the timestamps.
    ///
    /// Blocks.
    ///
    /// - Returns: nil if there is no source.
    /// - Throws: ``LocalContentError`` if a DBI cannot be used, or a value has no header; nothing has been changed
    ///   then.
    package func run(_ environment: Environment) throws -> Report? {
        guard let (compared, plan) = try environment.read({ try compare($0) }) else { return nil }
        var report = compared
        guard plan.count > 0 else { return report }
        let lost = try environment.write { transaction in .commit(try apply(plan, transaction)) }
        report.copied -= lost.copied
        report.added -= lost.added
        report.kept += lost.copied + lost.added
        return report
    }

    // MARK: Comparing

    /// - Returns: the report, and the planned entries in the format of ``MergePlanReader``.
    func compare(_ transaction: borrowing ReadTransaction) throws -> (Report, Spool)? {
        guard let from = try transaction.database(source) else { return nil }
        guard let to = try transaction.database(destination) else { throw missingDestination }
        try Self.check(from)
        try Self.check(to)
        try checkDestination(to, transaction)
        var report = Report()
        report.conversion = try KeyConversion(from: from, to: to)
        let integerSizes = try Schema.integerKeySizes(to, transaction)
        var converted = ConvertedKey(report.conversion)
        var lookup = try OrderedLookup(to, transaction)
        var cursor = try transaction.openCursor(from)
        var writer = MergePlanWriter()
        let newest = now().addingReportingOverflow(OldHeader.tolerance).partialValue
        while try cursor.next() {
            let entry =
                try OldHeader.version(cursor.value, notAfter: newest)
                ?? Schema.version(at: &cursor)
            try converted.withKey(cursor.key, of: source) { key in
                if let integerSizes, !integerSizes.contains(key.count) {
                    throw LocalContentError(
                        "key \(printable(key)) of DBI \(source) can't be a key of DBI \(destination), whose integer keys "
                            + "have different sizes")
                }
                let found = try lookup.find(key, transaction)
                let current = found ? try lookup.version() : nil
                guard report.count(entry, current, addsDeleted: addsDeleted) else { return }
                let empty = UnsafeRawBufferPointer(start: nil, count: 0)
                try writer.append(
                    PlannedEntry(
                        target: 0,
                        version: .init(timestamp: entry.timestamp, isDeleted: !found, value: empty),
                        isBehindLast: false, key: key))
            }
        }
        return (report, try writer.finish())
    }

    private static func check(_ database: Database) throws(LocalContentError) {
        guard database.flags.isDisjoint(with: .anyDuplicates) else {
            throw LocalContentError(
                "DBI \(database.name) has the flags \(database.flags.names): several values per key cannot have LS headers; "
                    + "specify its shadow DBI, or the DBI that replaced it")
        }
    }

    /// Checks that the destination is a DBI with headers.
    private func checkDestination(_ to: Database, _ transaction: borrowing ReadTransaction) throws {
        guard try transaction.database(Schema.shadowPrefix + destination) == nil else {
            throw LocalContentError(
                "DBI \(destination) has a shadow DBI, so its values have no headers; timestamps can only be copied "
                    + "to a DBI with headers")
        }
        var cursor = try transaction.openCursor(to)
        while try cursor.next() { _ = try Schema.version(at: &cursor) }
    }

    private var missingDestination: LocalContentError {
        LocalContentError(
            "the destination DBI \(destination) does not exist: the application must create its new schema first"
        )
    }

    // MARK: Writing

    /// Planned changes that no longer applied when they were written.
    struct Lost {
        var copied = 0
        var added = 0
    }

    /// - Parameter plan: entries of ``compare(_:)``; Deleted ones are to be added, others to be rewritten.
    func apply(_ plan: Spool, _ transaction: borrowing WriteTransaction) throws -> Lost {
        guard let to = try transaction.database(destination) else { throw missingDestination }
        try Self.check(to)
        var lost = Lost()
        var reader = MergePlanReader(plan)
        var cursor = try transaction.openWriteCursor(to)
        // LMDB invalidates the old value when it makes room for the new one.
        var copy: [UInt8] = []
        while let planned = try reader.next() {
            let found = try cursor.reading.find(planned.key)
            var header = EntryHeader(timestamp: planned.version.timestamp, transactionID: transaction.id)
            if planned.version.isDeleted {
                guard !found else {
                    lost.added += 1
                    continue
                }
                header.flags = EntryHeader.deletedFlag
                let (header, paddingBlock) = (header, paddingBlock)
                try cursor.put(planned.key, size: EntryHeader.size(paddingBlock: paddingBlock), append: false) {
                    header.write(to: $0, paddingBlock: paddingBlock)
                }
                continue
            }
            guard found,
                try Schema.version(at: &cursor.reading).timestamp < header.timestamp
            else {
                lost.copied += 1
                continue
            }
            copy.removeAll(keepingCapacity: true)
            copy.append(contentsOf: cursor.reading.value)
            copy.withUnsafeMutableBytes { header.rewriteTime(in: $0) }
            try copy.withUnsafeBytes { copy in
                try cursor.put(planned.key, size: copy.count, append: false) { $0.copyMemory(from: copy) }
            }
        }
        return lost
    }
}

extension TimestampMigration.Report {
    /// Counts an entry of the source.
    ///
    /// - Returns: whether the destination has to change.
    fileprivate mutating func count(_ entry: MergeRule.Version, _ current: MergeRule.Version?, addsDeleted: Bool)
        -> Bool
    {
        guard let current else {
            switch (entry.isDeleted, addsDeleted) {
            case (true, true): added += 1
            case (true, false): deletedLeftOut += 1
            case (false, _): missing += 1
            }
            return entry.isDeleted && addsDeleted
        }
        guard current.timestamp < entry.timestamp else {
            kept += 1
            return false
        }
        copied += 1
        let hasOtherValue = conversion != .powerDNSIndex && compareBytes(entry.value, current.value) != 0
        if hasOtherValue || entry.isDeleted != current.isDeleted { differing += 1 }
        return true
    }
}
