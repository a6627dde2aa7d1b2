import LMDB
import PowerDNSFormat
import Snapshots

/// The data of a zone besides its records, for comparison.
struct ZoneSettings {
    struct Setting: Hashable {
        var name: String
        var value: String
    }

    var properties: [Setting] = []
    var metadata: [Setting] = []
    var keys: [KeyData] = []

    /// Unreadable data are skipped.
    ///
    /// - Parameter zone: nil for no data.
    init<T: Transaction & ~Copyable>(
        _ zone: (id: UInt32, info: DomainInfo)?, _ lookup: ZoneLookup, _ main: borrowing T
    ) throws {
        guard let info = zone?.info else { return }
        properties = [
            Setting(name: "kind", value: info.kind.description), Setting(name: "account", value: info.account),
            Setting(name: "catalog", value: info.catalog?.description ?? ""),
            Setting(name: "options", value: info.options),
            Setting(name: "primaries", value: info.primaries.map(\.description).joined(separator: " ")),
        ].filter { !$0.value.isEmpty }
        metadata = try lookup.objects(.metadata, of: info.zone, main) { try? DomainMetadata($0) }
            .compactMap { $0.object.map { Setting(name: $0.kind, value: $0.value) } }
            .sorted { ($0.name, $0.value) < ($1.name, $1.value) }
        keys = try lookup.objects(.keys, of: info.zone, main) { try? KeyData($0) }.compactMap(\.object)
    }
}

/// Objects of the server, outside zones: TSIG keys, views and networks.
struct ServerObjects {
    struct Object: Hashable {
        var kind: String
        var text: String
        var secret: TSIGKey?
    }

    var all: [Object] = []

    /// Unreadable objects are skipped.
    init<T: Transaction & ~Copyable>(_ main: borrowing T) throws {
        for table in [PowerDNSTable.tsigKeys, .views, .networks] {
            guard let database = try main.database(table.rawValue) else { continue }
            var cursor = try main.openCursor(database)
            while try cursor.next() {
                guard let entry = try? EntryHeader.parse(cursor.value), !entry.header.isDeleted else { continue }
                switch try? PowerDNSEntry(table, key: cursor.key, payload: entry.payload) {
                case .tsigKey(_, let key)?:
                    all.append(Object(kind: "tsig-key", text: "\(key.name) \(key.algorithm)", secret: key))
                case .view(let view)?: all.append(Object(kind: "view", text: "\(view.view) \(view.zone)"))
                case .network(let network)?: all.append(Object(kind: "network", text: "\(network) \(network.view)"))
                default: break
                }
            }
        }
    }
}
