import LMDB
import PowerDNSFormat

/// Checks PowerDNS databases against all rules, in constant memory.
package enum ZoneChecker {
    /// The scope of a check.
    package enum Scope: Sendable {
        /// The whole database.
        case everything
        /// The zones with these IDs, and their objects.
        case zones([UInt32])
    }

    /// The totals of a check.
    package struct Summary: Sendable, Equatable {
        /// The number of checked zones.
        package var zones = 0
        /// The number of errors.
        package var errors = 0
        /// The number of warnings.
        package var warnings = 0
    }

    /// Checks databases at one point in time.
    ///
    /// Each database is read in one transaction. Rules that need a missing database are skipped.
    ///
    /// - Parameters:
    ///   - main: zones, metadata and keys.
    ///   - shard: records.
    ///   - report: called with each finding as soon as it is known; its errors end the check.
    /// - Throws: `LMDBError`, and errors of `report`.
    package static func check(
        _ scope: Scope, main: Environment?, shard: Environment?,
        report: @escaping (ValidationFinding) throws -> Void
    ) throws -> Summary {
        try DatabaseView.read(main: main, shard: shard) { view in
            let counter = FindingCounter()
            let context = CheckContext(view) { finding in
                counter.count(finding)
                try report(finding)
            }
            var summary = Summary()
            switch scope {
            case .everything:
                try context.structure.check(view)
                try RelationRules(view: view, report: context.report).checkAll()
                summary.zones = try checkAllZones(context)
            case .zones(let ids):
                for id in ids where try checkZone(id, context) { summary.zones += 1 }
            }
            summary.errors = counter.errors
            summary.warnings = counter.warnings
            return summary
        }
    }

    private final class FindingCounter {
        var errors = 0
        var warnings = 0

        func count(_ finding: ValidationFinding) {
            switch finding.severity {
            case .error: errors += 1
            case .warning: warnings += 1
            }
        }
    }

    /// Iterates zones and records in parallel: both are ordered by the zones' IDs.
    private static func checkAllZones(_ context: CheckContext) throws -> Int {
        let view = context.view
        let domains = PowerDNSTable.domains
        let rows = view.recordWalk
        var walk: ZoneWalk?
        var count = 0
        try rows.first()
        var next: [UInt8]? = [0, 0, 0, 0]
        while let key = next {
            // Rules look up other zones in the meantime.
            let zones = view[domains]
            try zones.seek(key)
            guard zones.isAtEntry else { break }
            let current = Array(zones.key)
            next = current + [0]
            guard let entry = zones.live, let id = try? PowerDNSTable.id(zones.key) else { continue }
            let zone = try? DomainInfo(entry.payload)
            try checkStrays(context, before: current)
            guard let zone else {
                // The structure rules have reported the zone.
                while rows.hasPrefix(current) {
                    try context.structure.check(.records, key: rows.key, value: rows.value)
                    try rows.next()
                }
                continue
            }
            count += 1
            try SigningRules(context: context, zone: zone.zone).check()
            guard view.hasShard else { continue }
            if walk == nil { walk = ZoneWalk(id, zone) } else { walk?.begin(id, zone) }
            try walk?.run(context)
        }
        try checkStrays(context, before: nil)
        return count
    }

    /// Checks rows before the first one of a zone: they belong to none.
    private static func checkStrays(_ context: CheckContext, before key: [UInt8]?) throws {
        let rows = context.view.recordWalk
        var reported: [UInt8] = []
        while rows.isAtEntry, key.map({ rows.key.lexicographicallyPrecedes($0) }) ?? true {
            let isLive = rows.live != nil
            try context.structure.check(.records, key: rows.key, value: rows.value)
            if isLive, context.view.hasMain, let id = (try? RecordKey(rows.key))?.domainID,
                !reported.elementsEqual(rows.key.prefix(4))
            {
                reported = Array(rows.key.prefix(4))
                try context.report(RelationRules.recordsWithoutZone(id))
            }
            try rows.next()
        }
    }

    /// Checks one zone.
    ///
    /// - Returns: whether it exists.
    private static func checkZone(_ id: UInt32, _ context: CheckContext) throws -> Bool {
        guard var check = try ZoneCheck(id, context) else { return false }
        try check.run(context)
        return true
    }
}

extension DatabaseView {
    /// Checks the zone with this ID; left-overs of a missing zone are reported, too.
    ///
    /// - Parameters:
    ///   - isCancelled: called between records; true makes it throw `CancellationError`.
    ///   - report: called with each finding.
    package func checkZone(
        _ id: UInt32, isCancelled: () -> Bool, report: @escaping (ValidationFinding) throws -> Void
    ) throws {
        let context = CheckContext(self, report: report)
        var check = try ZoneCheck(id, context)
        try check?.run(context, isCancelled: isCancelled)
    }
}

/// Checks one zone.
struct ZoneCheck: ~Copyable {
    private var walk: ZoneWalk?

    /// Checks everything except records.
    ///
    /// - Returns: nil if the zone does not exist; its left-over records are reported.
    init?(_ id: UInt32, _ context: CheckContext) throws {
        let view = context.view
        let prefix = RecordKey.prefix(domainID: id)
        guard let entry = try view[.domains].find(prefix) else {
            if try view.hasLiveRows(.records, prefix) { try context.report(RelationRules.recordsWithoutZone(id)) }
            if try view.hasLiveRows(.comments, prefix) { try context.report(RelationRules.commentsWithoutZone(id)) }
            return nil
        }
        let zone: DomainInfo
        do throws(DecodeError) {
            zone = try DomainInfo(entry.payload)
        } catch {
            try context.structure.bad(.domains, view[.domains].key, error)
            return
        }
        try RelationRules(view: view, report: context.report).check(id, zone.zone)
        try SigningRules(context: context, zone: zone.zone).check()
        if view.hasShard { walk = ZoneWalk(id, zone) }
    }

    /// Checks the records; see ``ZoneWalk/run(_:isCancelled:)``.
    mutating func run(_ context: CheckContext, isCancelled: () -> Bool = { false }) throws {
        try walk?.run(context, isCancelled: isCancelled)
    }
}
