import Daemon
import PowerDNSDatabase
import PowerDNSFormat

/// One line for each zone that differs.
struct DiffSummary: DiffText {
    private let json: Bool
    private var array = JSONArrayText()
    private var zone: DatabaseDiff.Zone?
    private var isServer = false
    private var counts: [DiffChange.Kind: Count] = [:]
    private var changedZones = 0
    private var records = Count()
    private(set) var isDifferent = false

    private struct Count: Encodable, Equatable {
        var removed = 0
        var added = 0

        mutating func add(_ side: DatabaseDiff.Side) { if side == .first { removed += 1 } else { added += 1 } }
    }

    private struct Row: Encodable {
        /// Missing for objects outside zones.
        var zone: String?
        /// `-` for a zone only in A, `+` for one only in B.
        var change: String?
        var oldSerial: UInt32?
        var newSerial: UInt32?
        var records: Count?
        var metadata: Count?
        var keys: Count?
        var properties: Count?
        var objects: Count?
    }

    init(json: Bool) { self.json = json }

    func begin(_ output: inout BufferedOutput) { if json { array.begin(&output) } }

    mutating func append(_ event: DatabaseDiff.Event, to output: inout BufferedOutput) throws {
        switch event {
        case .zone(let next):
            try finish(&output)
            zone = next
        case .server:
            try finish(&output)
            isServer = true
        default:
            if let change = DiffChange(event) { counts[change.kind, default: Count()].add(change.side) }
        }
    }

    mutating func end(_ output: inout BufferedOutput) throws {
        try finish(&output)
        guard !json else { return try array.end(&output) }
        guard isDifferent else { return }
        output.append("\(changedZones) \(changedZones == 1 ? "zone differs" : "zones differ"): ")
        output.append("records -\(records.removed) +\(records.added)")
        try output.endLine()
    }

    /// Writes the counts of a zone.
    private mutating func finish(_ output: inout BufferedOutput) throws {
        defer { (zone, counts) = (nil, [:]) }
        guard isServer || zone != nil, !counts.isEmpty || zone?.onlySide != nil else { return }
        isDifferent = true
        changedZones += zone == nil ? 0 : 1
        records.removed += counts[.record]?.removed ?? 0
        records.added += counts[.record]?.added ?? 0
        guard !json else {
            let row = Row(
                zone: zone?.name.shown, change: zone?.onlySide?.sign, oldSerial: zone?.firstSerial,
                newSerial: zone?.secondSerial, records: counts[.record], metadata: counts[.metadata],
                keys: counts[.key], properties: counts[.property], objects: counts[.object])
            return try array.append(row, to: &output)
        }
        var parts = [zone?.shown ?? "server"]
        for (kind, name) in [
            (DiffChange.Kind.record, "records"), (.metadata, "metadata"), (.key, "keys"), (.property, "properties"),
            (.object, "objects"),
        ] {
            if let count = counts[kind] { parts.append("\(name) -\(count.removed) +\(count.added)") }
        }
        output.append("\(zone?.onlySide?.sign ?? "~") \(parts.joined(separator: ", "))")
        try output.endLine()
    }
}
