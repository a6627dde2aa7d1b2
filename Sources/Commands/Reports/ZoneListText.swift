import Daemon
import Monitoring
import PowerDNSDatabase
import PowerDNSFormat
import Support

/// Writes the list of zones as it is read, because there may be millions: columns have fixed widths.
struct ZoneListText {
    /// Whether the format is JSON.
    let json: Bool
    private var array = JSONArrayText()
    private var zones = 0
    private var records = 0
    private var secured = 0

    init(json: Bool) { self.json = json }

    private static let columns: [(title: String, width: Int, isRight: Bool)] = [
        ("kind", 9, false), ("id", 10, true), ("serial", 10, true), ("records", 8, true), ("keys", 4, true),
        ("dnssec", 9, false), ("changed", 20, false), ("account", 10, false), ("catalog", 14, false),
        ("zone", 0, false),
    ]

    func begin(_ output: inout BufferedOutput) throws {
        if json { array.begin(&output) } else { try line(Self.columns.map(\.title), &output) }
    }

    mutating func append(_ zone: ZoneSummary, _ output: inout BufferedOutput) throws {
        zones += 1
        records += zone.records
        secured += zone.isSecured ? 1 : 0
        let row = ZoneRow(zone)
        guard !json else { return try array.append(row, to: &output) }
        let cells = [
            row.kind, "\(row.id)", row.serial.map { "\($0)" } ?? "-", "\(row.records)", "\(row.keys)", row.dnssec,
            WallTime(nanosecondsSinceEpoch: zone.changed).rfc3339(digits: 0),
            row.account.isEmpty ? "-" : PrintableText.line(row.account), row.catalog ?? "-", row.zone,
        ]
        try line(cells, &output)
    }

    mutating func end(_ output: inout BufferedOutput) throws {
        guard !json else { return try array.end(&output) }
        output.append("\(zones) \(zones == 1 ? "zone" : "zones"), \(records) \(records == 1 ? "record" : "records")")
        output.append(", \(secured) secured")
        try output.endLine()
    }

    private func line(_ cells: [String], _ output: inout BufferedOutput) throws {
        for (index, (cell, column)) in zip(cells, Self.columns).enumerated() {
            let padding = String(repeating: " ", count: max(0, column.width - cell.count))
            if index > 0 { output.append("  ") }
            output.append(column.isRight ? padding + cell : cell + padding)
        }
        try output.endLine()
    }
}

/// A zone in JSON.
struct ZoneRow: Encodable {
    var zone: String
    var id: UInt32
    var kind: String
    /// Missing without an SOA record.
    var serial: UInt32?
    var records: Int
    var keys: Int
    /// `no`, `signed` or `presigned`.
    var dnssec: String
    var account: String
    var catalog: String?
    var primaries: [String]
    var changed: String

    init(_ zone: ZoneSummary) {
        self.zone = zone.info.zone.shown
        id = zone.id
        kind = zone.info.kind.description
        serial = zone.serial
        records = zone.records
        keys = zone.keys.count
        dnssec = zone.isPresigned ? "presigned" : zone.isSecured ? "signed" : "no"
        account = zone.info.account
        catalog = zone.info.catalog?.shown
        primaries = zone.info.primaries.map(\.description)
        changed = WallTime(nanosecondsSinceEpoch: zone.changed).rfc3339(digits: 9)
    }
}

extension ZoneName {
    /// For messages and tables: the variant is arbitrary text.
    var shown: String { PrintableText.line(description) }
}
