import LMDB
import PowerDNSFormat
import Replication
import Snapshots

/// Inspects one send of a database that is, or may be, PowerDNS's.
///
/// `@unchecked Sendable`: the syncer makes one call at a time, as `SendInspection` requires.
final class PowerDNSSendInspection: SendInspection, @unchecked Sendable {
    private let inspector: PowerDNSInspector
    private let database: String
    private let isShadowed: Bool
    private var kind = PowerDNSDatabases.Kind.unknown
    private(set) var changes: ChangeCollection
    private var tables = TableCache()

    init(_ inspector: PowerDNSInspector, of database: String) {
        self.inspector = inspector
        self.database = database
        isShadowed = inspector.settings.shadowed.contains(database)
        changes = ChangeCollection(keepsValues: inspector.settings.detail == .records)
    }

    func begins(_ transaction: borrowing ReadTransaction) throws {
        kind = try inspector.detectKind(of: database, transaction)
        changes = ChangeCollection(keepsValues: inspector.settings.detail == .records)
    }

    func change(of key: UnsafeRawBufferPointer, in dbi: String, to new: MergeRule.Version) {
        guard case .powerDNS = kind, let table = tables.table(dbi) else { return }
        guard let payload = try? StoredPayload.of(new, isShadowed: isShadowed) else {
            return changes.written(table, key, to: nil)
        }
        changes.written(table, key, to: payload)
    }

    func change(
        of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version?
    ) {
        guard case .powerDNS = kind, let table = tables.table(dbi) else { return }
        var payload: UnsafeRawBufferPointer?
        if let new {
            // What cannot be read is not counted, as in merges.
            do throws(EntryHeaderError) {
                payload = try StoredPayload.of(new, isShadowed: isShadowed)
            } catch {
                return
            }
        }
        let before = old.flatMap { try? StoredPayload.of($0, isShadowed: isShadowed) }
        changes.changed(table, key, from: before, to: payload)
    }

    func ended(_ report: SendReport?) {
        guard let report, case .powerDNS(let role) = kind else { return }
        inspector.changeLog.add(
            ChangeJob(
                database: database, role: role, snapshot: report.name, position: report.position, direction: .sent,
                changes: changes))
    }
}
