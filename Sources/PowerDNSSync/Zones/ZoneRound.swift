import LMDB
import Logging
import PowerDNSDatabase
import PowerDNSFormat
import Snapshots

/// Checks zones one at a time, each in one transaction, and collects new findings.
final class ZoneRound {
    private let settings: ChangedZoneChecker.Settings
    private let databases: () -> ChangedZoneChecker.Databases
    private let isCancelled: () -> Bool
    private let update: (CheckedZone, [ValidationFinding]) -> FindingLedger.Change
    private var change = FindingLedger.Change()
    private var unlogged = 0

    /// Maximum number of findings with a line per round.
    static let mostLines = 50
    /// Number of zones listed at a time.
    private static let batch = 500

    init(
        _ settings: ChangedZoneChecker.Settings, _ databases: @escaping () -> ChangedZoneChecker.Databases,
        isCancelled: @escaping () -> Bool,
        update: @escaping (CheckedZone, [ValidationFinding]) -> FindingLedger.Change
    ) {
        (self.settings, self.databases, self.isCancelled, self.update) = (settings, databases, isCancelled, update)
    }

    /// Checks a zone, and updates the ledger.
    ///
    /// - Parameter instance: the instance of the change; nil for none.
    func check(_ zone: CheckedZone, from instance: String?) throws {
        guard var found = try findings(of: zone) else { return }
        for index in found.indices { found[index].instance = instance }
        let change = update(zone, found)
        let room = max(0, Self.mostLines - self.change.new.count)
        self.change.new += change.new.prefix(room)
        unlogged += max(0, change.new.count - room)
        self.change.gone += change.gone.prefix(max(0, Self.mostLines - self.change.gone.count))
    }

    /// Whether a zone is found by its name.
    func isFoundByName(_ id: UInt32) throws -> Bool {
        try read { view in
            guard view.hasMain, let zone = try? view.zone(id) else { return false }
            return try view.indexedZones(zone.zone).contains { $0.id == id }
        }
    }

    /// Checks all zones.
    func checkAll(from instance: String) throws {
        var next: UInt32? = 0
        while let start = next {
            var zones: [CheckedZone] = []
            next = nil
            try read { view in
                let domains = view[.domains]
                try domains.seek(RecordKey.prefix(domainID: start))
                while domains.isAtEntry {
                    if let entry = domains.live, let id = try? PowerDNSTable.id(domains.key) {
                        zones.append((try? DomainInfo(entry.payload)).map { .named($0.zone) } ?? .numbered(id))
                        if zones.count == Self.batch, id < .max {
                            next = id + 1
                            return
                        }
                    }
                    try domains.next()
                }
            }
            for zone in zones { try check(zone, from: instance) }
        }
    }

    /// Logs each new or resolved finding.
    ///
    /// - Parameter place: the fields of each line about the database.
    func log(to logger: Logger, _ place: Logger.Metadata) {
        func metadata(_ own: Logger.Metadata) -> Logger.Metadata { place.merging(own) { $1 } }
        for finding in change.new {
            logger.warning("\(finding.place)\(finding.text)", metadata: metadata(finding.metadata))
        }
        if unlogged > 0 {
            logger.warning(
                "there are further findings in changed zones; \"lightningstream pdns check\" shows all",
                metadata: metadata(["findings": "\(unlogged)"]))
        }
        for finding in change.gone {
            logger.info("resolved: \(finding.place)\(finding.text)", metadata: metadata(finding.metadata))
        }
    }

    // MARK: Reading

    private func read<R>(_ body: (DatabaseView) throws -> R) throws -> R {
        if isCancelled() { throw CancellationError() }
        let open = databases()
        return try DatabaseView.read(main: open.main, shard: open.shard, body)
    }

    /// The findings of a zone; nil if it cannot be checked now.
    private func findings(of zone: CheckedZone) throws -> [ValidationFinding]? {
        try read { view in
            guard let ids = try ids(of: zone, view) else { return nil }
            var findings: [ValidationFinding] = []
            for id in ids {
                let found = Findings(FindingLedger.mostOfAZone - findings.count)
                try view.checkZone(id, isCancelled: isCancelled) { found.add($0) }
                findings += found.all
            }
            return findings.filter { settings.groups.contains($0.rule.group) }
        }
    }

    /// The IDs of a zone; nil if there is no main database.
    private func ids(of zone: CheckedZone, _ view: DatabaseView) throws -> [UInt32]? {
        guard view.hasMain else { return nil }
        switch zone {
        case .numbered(let id): return [id]
        case .named(let name): return try view.indexedZones(name).map(\.id)
        }
    }

    /// The first findings of many.
    private final class Findings {
        private let most: Int
        private(set) var all: [ValidationFinding] = []

        init(_ most: Int) { self.most = most }

        func add(_ finding: ValidationFinding) {
            if all.count < most { all.append(finding) }
        }
    }
}

extension ValidationFinding {
    /// The fields of a log line.
    var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["rule": "\(rule.rawValue)", "severity": "\(severity.rawValue)"]
        metadata["zone"] = zone.map { "\($0)" }
        metadata["owner"] = owner.map { "\($0)" }
        metadata["type"] = type.map { "\($0)" }
        metadata["snapshot_instance"] = instance.map { "\($0)" }
        return metadata
    }
}
