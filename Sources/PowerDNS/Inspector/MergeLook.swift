import LMDB
import Logging
import PowerDNSSchema
import Replication
import Snapshots

/// Looks into one merge of a database that is PowerDNS's, or may be.
///
/// `@unchecked Sendable`: the syncer calls one after the other, as `MergeInspection` says.
final class MergeLook: MergeInspection, @unchecked Sendable {
    private let inspector: PowerDNSInspector
    private let database: String
    private let snapshot: SnapshotName
    private let isShadowed: Bool
    private var settings: InspectorSettings { inspector.settings }

    private var kind: PowerDNSDatabases.Kind
    private var changes: ChangeCollection
    private var deletions: DeletionGuard
    private var incoming: IncomingRules
    private var tables = TableCache()
    /// The first zone whose value is of PowerDNS 5's format.
    private var newFormat: ZoneName?
    /// Which schema version is to be replaced by which.
    private var upgrade: (from: UInt32, to: UInt32)?
    /// The first entry that can't be read, and how many there are.
    private var unreadable: (text: String, count: Int)?

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
        kind = try inspector.look(at: database, transaction)
        changes = ChangeCollection(keepsValues: settings.detail == .records)
        deletions = DeletionGuard(settings)
        incoming = IncomingRules(settings)
        (newFormat, upgrade, unreadable) = (nil, nil, nil)
    }

    func change(
        of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version
    ) throws(RefusedSnapshot) {
        guard kind != .foreign, let table = tables.table(dbi) else { return }
        let payload: UnsafeRawBufferPointer?
        do throws(EntryHeaderError) {
            payload = try StoredPayload.of(new, isShadowed: isShadowed)
        } catch {
            return try note("\(error)", dbi, key)
        }
        if kind == .unknown { recognise(table, key, payload) }
        if settings.structure != .off {
            do throws(DecodeError) {
                try check(table, key, payload)
            } catch {
                try note("the entry \(error)", dbi, key)
            }
        }
        if let objection = incoming.note(table, key, payload), case .powerDNS = kind {
            try refuse(objection.rule, objection.text)
        }
        let before = old.flatMap { try? StoredPayload.of($0, isShadowed: isShadowed) }
        if let payload { noteSchema(table, key, from: before, to: payload) }
        deletions.note(changes.merged(table, key, from: before, to: payload), table, key)
    }

    func check(_ transaction: borrowing ReadTransaction) throws {
        guard case .powerDNS = kind else { return }
        if let unreadable {
            // What was found before it was clear whose database this is.
            if settings.structure == .reject { try refuse("structure", unreadable.text) }
            warn(
                "structure", "the snapshot has entries that PowerDNS can't read",
                ["error": "\(unreadable.text)", "entries": .stringConvertible(unreadable.count)])
        }
        try checkSchema(transaction)
        if let objection = try deletions.objection(transaction) { try refuse(objection.rule, objection.text) }
        if let objection = try incoming.objection(transaction) { try refuse(objection.rule, objection.text) }
    }

    func lost(_ key: UnsafeRawBufferPointer, in dbi: String) {
        guard kind != .foreign, let table = tables.table(dbi) else { return }
        changes.lose(table, key)
    }

    func ended(_ report: MergeReport?) {
        guard report != nil, case .powerDNS(let role) = kind else { return }
        if inspector.databases.kind(of: database) == .unknown { inspector.databases.settle(database, as: kind) }
        guard report?.transaction != nil else { return }
        inspector.changeLog.add(
            ChangeJob(database: database, role: role, snapshot: snapshot, direction: .merged, changes: changes))
    }

    // MARK: Whose database it is

    /// An empty LMDB becomes what comes into it.
    private func recognise(_ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer?) {
        switch table {
        case .records: kind = .powerDNS(.shard)
        case .settings:
            guard let payload, case .schemaVersion(let version)? = try? PdnsValue(key: key, payload: payload),
                version >= 5
            else { return }
            kind = .powerDNS(.main)
        default: break
        }
    }

    // MARK: Rules

    private func check(
        _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer?
    ) throws(DecodeError) {
        if let payload {
            _ = try PowerDNSEntry(table, key: key, payload: payload)
        } else {
            try PowerDNSEntry.checkKey(table, key)
        }
    }

    /// An entry can't be read.
    private func note(_ problem: String, _ dbi: String, _ key: UnsafeRawBufferPointer) throws(RefusedSnapshot) {
        guard settings.structure != .off else { return }
        let text = "DBI \(dbi), key \(printable(key)): \(problem), so PowerDNS could not read it"
        if settings.structure == .reject, case .powerDNS = kind { try refuse("structure", text) }
        unreadable = (unreadable?.text ?? text, (unreadable?.count ?? 0) + 1)
    }

    private func noteSchema(
        _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, from old: UnsafeRawBufferPointer?,
        to new: UnsafeRawBufferPointer
    ) {
        switch table {
        case .settings:
            guard let old, case .schemaVersion(let before)? = try? PdnsValue(key: key, payload: old),
                case .schemaVersion(let after)? = try? PdnsValue(key: key, payload: new), after > before
            else { return }
            upgrade = (before, after)
        case .domains where newFormat == nil:
            guard let domain = try? DomainInfo(new), domain.classVersion > 1 else { return }
            newFormat = domain.zone
        default: break
        }
    }

    private func checkSchema(_ transaction: borrowing ReadTransaction) throws {
        guard settings.schema != .off else { return }
        let what: String
        if let upgrade {
            what = "it would raise schemaversion from \(upgrade.from) to \(upgrade.to)"
        } else if let newFormat, let local = try PowerDNSDatabases.localSchemaVersion(transaction), local < 6 {
            what = "zone \(newFormat) is in the format of schemaversion 6, and the one here is \(local)"
        } else {
            return
        }
        let text =
            "it comes from a newer PowerDNS: \(what); PowerDNS 4.8 and 4.9 do not start with a schemaversion above 5, and "
            + "answer SERVFAIL for zones in the new format; upgrade PowerDNS here first, or let it in with "
            + "powerdns.validation.schema: warn"
        if settings.schema == .reject { try refuse("schema", text) }
        warn("schema", "the snapshot comes from a newer PowerDNS", ["error": "\(text)"])
    }

    private func refuse(_ rule: String, _ text: String) throws(RefusedSnapshot) {
        inspector.metrics.found(rule, severity: "error", in: database)
        throw RefusedSnapshot(text)
    }

    private func warn(_ rule: String, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        inspector.metrics.found(rule, severity: "warning", in: database)
        var metadata = metadata
        metadata["db"] = "\(database)"
        metadata["rule"] = "\(rule)"
        metadata["snapshot_instance"] = "\(snapshot.instance)"
        metadata["snapshot_name"] = "\(snapshot)"
        inspector.logger.warning(message, metadata: metadata)
    }
}

/// Which table a DBI is; entries of one DBI come one after the other.
struct TableCache {
    private var last: (dbi: String, table: PowerDNSTable?)?

    mutating func table(_ dbi: String) -> PowerDNSTable? {
        if let last, last.dbi == dbi { return last.table }
        let table = PowerDNSTable(rawValue: dbi)
        last = (dbi, table)
        return table
    }
}
