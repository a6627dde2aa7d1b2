import LMDB
import Logging
import PowerDNSDatabase
import PowerDNSFormat
import Snapshots

/// Checks zones one after the other, each in one transaction, and gathers what is new about them.
final class ZoneRound {
    private let settings: ChangedZoneChecker.Settings
    private let databases: () -> ChangedZoneChecker.Databases
    private let isCancelled: () -> Bool
    private let update: (CheckedZone, [ValidationFinding]) -> FindingLedger.Change
    private var change = FindingLedger.Change()
    private var untold = 0

    /// So many findings of one round get a line each.
    static let mostLines = 50
    /// So many zones are listed at a time.
    private static let batch = 500

    init(
        _ settings: ChangedZoneChecker.Settings, _ databases: @escaping () -> ChangedZoneChecker.Databases,
        isCancelled: @escaping () -> Bool,
        update: @escaping (CheckedZone, [ValidationFinding]) -> FindingLedger.Change
    ) {
        (self.settings, self.databases, self.isCancelled, self.update) = (settings, databases, isCancelled, update)
    }

    /// Checks a zone, and tells the ledger.
    ///
    /// - Parameter instance: who has changed it; nil for nobody.
    func check(_ zone: CheckedZone, from instance: String?) throws {
        guard var found = try findings(of: zone) else { return }
        for index in found.indices { found[index].instance = instance }
        let change = update(zone, found)
        let room = max(0, Self.mostLines - self.change.new.count)
        self.change.new += change.new.prefix(room)
        untold += max(0, change.new.count - room)
        self.change.gone += change.gone.prefix(max(0, Self.mostLines - self.change.gone.count))
    }

    /// Whether a zone is one of those that its name leads to.
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

    /// Writes a line for each finding that is new or gone.
    ///
    /// - Parameter place: what each line says of the database.
    func log(to logger: Logger, _ place: Logger.Metadata) {
        func metadata(_ own: Logger.Metadata) -> Logger.Metadata { place.merging(own) { $1 } }
        for finding in change.new {
            logger.warning("\(finding.place)\(finding.text)", metadata: metadata(finding.metadata))
        }
        if untold > 0 {
            logger.warning(
                "more is wrong with the zones that have changed; \"lightningstream pdns check\" shows all",
                metadata: metadata(["findings": "\(untold)"]))
        }
        for finding in change.gone {
            logger.info("no longer: \(finding.place)\(finding.text)", metadata: metadata(finding.metadata))
        }
    }

    // MARK: Reading

    private func read<R>(_ body: (DatabaseView) throws -> R) throws -> R {
        if isCancelled() { throw CancellationError() }
        let open = databases()
        return try DatabaseView.read(main: open.main, shard: open.shard, body)
    }

    /// What is wrong with a zone; nil while it can't be said.
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

    /// The IDs of a zone; nil when there is no main database to look into.
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
    /// What a log line says besides its text.
    var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["rule": "\(rule.rawValue)", "severity": "\(severity.rawValue)"]
        metadata["zone"] = zone.map { "\($0)" }
        metadata["owner"] = owner.map { "\($0)" }
        metadata["type"] = type.map { "\($0)" }
        metadata["snapshot_instance"] = instance.map { "\($0)" }
        return metadata
    }
}
