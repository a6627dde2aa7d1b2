import LMDB
import Logging
import PowerDNSDatabase
import PowerDNSFormat
import Replication
import Snapshots

/// Inspects one merge of a database that is, or may be, PowerDNS's.
///
/// `@unchecked Sendable`: the syncer makes one call at a time, as `MergeInspection` requires.
final class PowerDNSMergeInspection: MergeInspection, @unchecked Sendable {
    private let inspector: PowerDNSInspector
    private let database: String
    private let snapshot: SnapshotName
    private let isShadowed: Bool
    private var settings: InspectorSettings { inspector.settings }

    // Without the run-time exclusivity check, which would run several times per entry: no function that gets one of these
    // calls back.
    @exclusivity(unchecked) private var kind: PowerDNSDatabases.Kind
    @exclusivity(unchecked) private var changes: ChangeCollection
    @exclusivity(unchecked) private var deletions: DeletionGuard
    @exclusivity(unchecked) private var incoming: IncomingRules
    @exclusivity(unchecked) private var tables = TableCache()
    /// The first zone in PowerDNS 5's format.
    private var newFormat: ZoneName?
    /// The change of the schema version.
    private var upgrade: (from: UInt32?, to: UInt32)?
    /// The first entry that cannot be read, and their number.
    private var unreadable: (what: Objection, count: Int)?
    /// The first held entries, and their number.
    private var held: (entries: [HeldLedger.Entry], count: Int) = ([], 0)
    /// The detected kind of a previously empty LMDB.
    private var learned: PowerDNSDatabases.Kind?
    /// Rules with a warning already: one per rule, however often the snapshot is compared.
    private var warned: Set<String> = []
    /// The reason for rejecting the snapshot.
    private var objection: Objection?

    init(_ inspector: PowerDNSInspector, _ snapshot: SnapshotName, into database: String) {
        self.inspector = inspector
        self.database = database
        self.snapshot = snapshot
        isShadowed = inspector.settings.shadowed.contains(database)
        kind = inspector.databases.kind(of: database)
        changes = ChangeCollection(keepsValues: inspector.settings.detail == .records)
        deletions = DeletionGuard(inspector.settings)
        incoming = IncomingRules(inspector.settings)
    }

    func begins(_ transaction: borrowing ReadTransaction) throws {
        kind = try inspector.detectKind(of: database, transaction)
        if kind == .unknown, let learned { kind = learned }
        changes = ChangeCollection(keepsValues: settings.detail == .records)
        deletions = DeletionGuard(settings)
        incoming = IncomingRules(settings)
        (newFormat, upgrade, unreadable, objection) = (nil, nil, nil, nil)
        held = ([], 0)
    }

    func change(
        of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version
    ) throws(RefusedSnapshot) -> ChangeVerdict {
        guard kind != .foreign, let table = tables.table(dbi) else { return .merge }
        let payload: UnsafeRawBufferPointer?
        do throws(EntryHeaderError) {
            payload = try StoredPayload.of(new, isShadowed: isShadowed)
        } catch {
            return try note(unreadable: "\(error)", table, key)
        }
        if kind == .unknown { recognise(table, key, payload) }
        var record: RecordKey?
        if settings.structure != .off {
            do throws(DecodeError) {
                if let payload {
                    record = try PowerDNSEntry.checkReadable(table, key: key, payload: payload)
                } else {
                    try PowerDNSEntry.checkKey(table, key)
                }
            } catch {
                if try note(unreadable: "the entry \(error)", table, key) == .hold { return .hold }
            }
        }
        let before = old.flatMap { try? StoredPayload.of($0, isShadowed: isShadowed) }
        if case .settings = table, try noteSetting(key, from: before, to: payload) == .hold { return .hold }
        if let objection = incoming.note(table, key, payload), case .powerDNS = kind {
            try refuse(objection)
        }
        if case .domains = table, newFormat == nil, let payload, let domain = try? DomainInfo(payload),
            domain.classVersion > 1
        {
            newFormat = domain.zone
        }
        let found = changes.changed(table, key, record, from: before, to: payload)
        deletions.note(found, table, key, from: before)
        return .merge
    }

    func check(_ transaction: borrowing ReadTransaction) throws {
        guard case .powerDNS = kind else { return }
        if let unreadable {
            // Found before it was known whether this is a database of PowerDNS.
            if settings.structure == .reject { try refuse(unreadable.what) }
            if settings.structure == .hold, learned == nil {
                learned = kind
                throw CompareAgain()
            }
            warn(
                "structure", "the snapshot has entries that PowerDNS cannot use",
                ["error": "\(unreadable.what.refusal())", "entries": .stringConvertible(unreadable.count)])
        }
        try checkSchema(transaction)
        if let objection = try deletions.objection(transaction) { try refuse(objection) }
        if let objection = try incoming.objection(transaction) { try refuse(objection) }
    }

    var isSelfContained: Bool {
        switch kind {
        case .foreign: true
        case .unknown: false
        case .powerDNS: incoming.isEmpty && deletions.isEmpty && newFormat == nil && upgrade == nil
        }
    }

    func lost(_ key: UnsafeRawBufferPointer, in dbi: String) {
        guard kind != .foreign, let table = tables.table(dbi) else { return }
        changes.lose(table, key)
    }

    func ended(_ report: MergeReport?) {
        guard let report, case .powerDNS(let role) = kind else { return }
        if inspector.databases.kind(of: database) == .unknown { inspector.databases.settle(database, as: kind) }
        guard report.transaction != nil else { return }
        inspector.changeLog.add(
            ChangeJob(
                database: database, role: role, snapshot: snapshot, position: report.position, direction: .merged,
                changes: changes, hold: inspector.hold(for: database)))
    }

    // MARK: Detection

    /// Detects the kind of an empty LMDB from its first entries.
    private func recognise(_ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer?) {
        switch table {
        case .settings:
            guard let payload, case .schemaVersion(let version)? = try? PdnsValue(key: key, payload: payload),
                version >= 5
            else { return }
            kind = .powerDNS(.main)
        case .records: kind = .powerDNS(.shard)
        // The database is PowerDNS's if it has zones in this format, whatever its settings are.
        case .domains:
            guard let payload, (try? DomainInfo(payload)) != nil else { return }
            kind = .powerDNS(.main)
        default: break
        }
    }

    // MARK: Rules

    /// An entry cannot be read.
    private func note(
        unreadable problem: String, _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer
    ) throws(RefusedSnapshot) -> ChangeVerdict {
        let text = "DBI \(table.rawValue), key \(printable(key)): \(problem), so PowerDNS could not read it"
        return try note(
            table == .records ? .row("structure", key, text) : Objection(rule: "structure", text: text), table, key)
    }

    /// Records a violation of the structure rule.
    private func note(
        _ what: Objection, _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer
    ) throws(RefusedSnapshot) -> ChangeVerdict {
        guard settings.structure != .off else { return .merge }
        if case .powerDNS = kind {
            if settings.structure == .reject { try refuse(what) }
            if settings.structure == .hold {
                held.count += 1
                if held.entries.count < HeldLedger.most {
                    held.entries.append(.init(identity: Array(table.rawValue.utf8) + [0] + key, objection: what))
                }
                return .hold
            }
        }
        unreadable = (unreadable?.what ?? what, (unreadable?.count ?? 0) + 1)
        return .merge
    }

    /// A setting of the database changes.
    private func noteSetting(
        _ key: UnsafeRawBufferPointer, from old: UnsafeRawBufferPointer?, to new: UnsafeRawBufferPointer?
    ) throws(RefusedSnapshot) -> ChangeVerdict {
        let before = old.flatMap { try? PdnsValue(key: key, payload: $0) }
        let after = new.flatMap { try? PdnsValue(key: key, payload: $0) }
        switch (before, after) {
        case (.schemaVersion(let before)?, .schemaVersion(let after)?):
            if after > before { upgrade = (before, after) }
            guard after < 5, after < before else { return .merge }
            return try note(
                Objection(
                    rule: "structure",
                    text:
                        "it would lower schemaversion from \(before) to \(after), and PowerDNS would not start with that"
                ),
                .settings, key)
        case (nil, .schemaVersion(let version)?):
            if version > 6 { upgrade = (nil, version) }
            guard version < 5 else { return .merge }
            return try note(
                Objection(
                    rule: "structure", text: "schemaversion is \(version), and PowerDNS would not start with that"),
                .settings, key)
        case (nil, .shards(0)?):
            return try note(
                Objection(rule: "structure", text: "shards is 0, and PowerDNS would not start with that"), .settings,
                key)
        case (.shards(let before)?, .shards(let after)?):
            guard before != after else { return .merge }
            return try note(
                Objection(
                    rule: "structure",
                    text: "it would change shards from \(before) to \(after), and PowerDNS would not start with that"),
                .settings, key)
        case (.schemaVersion?, nil) where new == nil, (.shards?, nil) where new == nil:
            let name = String(decoding: key, as: UTF8.self)
            return try note(
                Objection(
                    rule: "structure", text: "it would delete \(name), and PowerDNS would not start without it"),
                .settings, key)
        default: break
        }
        return .merge
    }

    private func checkSchema(_ transaction: borrowing ReadTransaction) throws {
        guard settings.schema != .off else { return }
        let what: String
        if let upgrade {
            what =
                upgrade.from.map { "it would raise schemaversion from \($0) to \(upgrade.to)" }
                ?? "its schemaversion is \(upgrade.to)"
        } else if let newFormat, let local = try PdnsValue.schemaVersion(transaction), local < 6 {
            what = "zone \(newFormat) is in the format of schemaversion 6, and the one here is \(local)"
        } else {
            return
        }
        let text =
            "it comes from a newer PowerDNS: \(what); PowerDNS 4.8 and 4.9 do not start with a schemaversion above 5, and "
            + "answer SERVFAIL for zones in the new format; upgrade PowerDNS here first, or accept it with "
            + "powerdns.validation.schema: warn"
        if settings.schema == .reject { try refuse(Objection(rule: "schema", text: text)) }
        warn("schema", "the snapshot comes from a newer PowerDNS", ["error": "\(text)"])
    }

    private func refuse(_ objection: Objection) throws(RefusedSnapshot) {
        inspector.metrics.found(objection.rule, severity: "error", in: database)
        self.objection = objection
        throw objection.refusal()
    }

    /// Gives zones their names, which may be in another database.
    func refused(_ refusal: RefusedSnapshot) -> RefusedSnapshot {
        guard let objection, !objection.numbers.isEmpty else { return refusal }
        return objection.refusal(ZoneNames.read(objection.numbers, inspector.databases.mayHaveZones()))
    }

    /// Says of each entry once that it is held back, and when that is over.
    func heldBack() -> HeldEntries? {
        guard case .powerDNS = kind else { return nil }
        let change = inspector.held.withLock { $0.merged(held.entries, from: snapshot.instance, into: database) }
        let place: Logger.Metadata = [
            "db": "\(database)", "snapshot_instance": "\(snapshot.instance)", "snapshot_name": "\(snapshot)",
        ]
        if change.gone > 0 {
            inspector.logger.info(
                "held entries are resolved",
                metadata: place.merging(["entries": .stringConvertible(change.gone)]) { first, _ in first })
        }
        guard let first = held.entries.first else { return nil }
        inspector.metrics.found("structure", severity: "held", in: database)
        let numbers = Set((change.new + [first]).flatMap(\.objection.numbers))
        let zones = ZoneNames.read(Array(numbers), inspector.databases.mayHaveZones())
        for entry in change.new {
            let refusal = entry.objection.refusal(zones)
            var metadata = place.merging(refusal.facts.map { ($0, "\($1)") }) { first, _ in first }
            metadata["error"] = "\(refusal)"
            inspector.logger.warning(
                "an entry is held back and the rest of the snapshot is merged; it is checked again with each snapshot of that instance",
                metadata: metadata)
        }
        if held.count > held.entries.count, !change.new.isEmpty {
            inspector.logger.warning(
                "further entries are held back",
                metadata: place.merging(["entries": .stringConvertible(held.count)]) { first, _ in first })
        }
        return HeldEntries(count: held.count, first: "\(first.objection.refusal(zones))")
    }

    private func warn(_ rule: String, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        guard warned.insert(rule).inserted else { return }
        inspector.metrics.found(rule, severity: "warning", in: database)
        var metadata = metadata
        metadata["db"] = "\(database)"
        metadata["rule"] = "\(rule)"
        metadata["snapshot_instance"] = "\(snapshot.instance)"
        metadata["snapshot_name"] = "\(snapshot)"
        inspector.logger.warning(message, metadata: metadata)
    }
}

/// The table of a DBI; entries of one DBI are consecutive.
struct TableCache {
    private var last: (dbi: String, table: PowerDNSTable?)?

    mutating func table(_ dbi: String) -> PowerDNSTable? {
        if let last, last.dbi == dbi { return last.table }
        let table = PowerDNSTable(rawValue: dbi)
        last = (dbi, table)
        return table
    }
}
