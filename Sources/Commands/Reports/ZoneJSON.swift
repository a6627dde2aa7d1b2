import Daemon
import Monitoring
import PowerDNSDatabase
import PowerDNSFormat

/// Writes a zone as a JSON object whose last member is the array of its records, one element per line.
struct ZoneJSON {
    private let zone: DomainName
    private var array = JSONArrayText()

    init(_ head: ShownZone, zone: DomainName, to output: inout BufferedOutput) throws {
        self.zone = zone
        // The object without its end, because the records are too many for one value.
        output.append(String(String(decoding: try JSON.encode(head), as: UTF8.self).dropLast()) + ",\"records\":")
        array.begin(&output)
    }

    mutating func append(_ rrset: StoredRRset, to output: inout BufferedOutput) throws {
        let owner = try rrset.key.owner(in: zone)
        let name = owner.description
        var value = RecordValue(rrset.payload)
        while let record = try value.next() {
            let row = Row(
                name: name, type: rrset.key.type.description, ttl: record.ttl,
                content: RecordText.content(rrset.key.type, record, owner: owner),
                disabled: record.isDisabled ? true : nil)
            try array.append(row, to: &output)
        }
    }

    func end(_ output: inout BufferedOutput) throws {
        try array.endArray(&output)
        output.append("}")
        try output.endLine()
    }

    private struct Row: Encodable {
        var name: String
        var type: String
        var ttl: UInt32
        var content: String
        var disabled: Bool?
    }
}

/// Records in zone-file format.
enum RecordText {
    /// The RDATA; in the format for unknown types if they cannot be decoded.
    static func content(_ type: RecordType, _ record: StoredRecord, owner: DomainName) -> String {
        if let text = try? RData.text(type, record.rdata, owner: owner) { return text }
        var text: [UInt8] = []
        RData.appendGeneric(record.rdata, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// A line, without its end.
    static func line(_ type: RecordType, _ record: StoredRecord, owner: DomainName) -> String {
        "\(owner) \(record.ttl) IN \(type) \(content(type, record, owner: owner))"
            + (record.isDisabled ? " ; disabled" : "")
    }
}

/// The fields of `show --json` besides the records.
struct ShownZone: Encodable {
    private var zone: String
    private var id: UInt32
    private var kind: String
    private var serial: UInt32?
    private var dnssec: String
    private var account: String
    private var catalog: String?
    private var primaries: [String]
    private var changed: String
    /// Only on request.
    private var metadata: [Metadata]?
    private var keys: [Key]?

    private struct Metadata: Encodable {
        var kind: String
        var values: [String]
    }

    private struct Key: Encodable {
        var id: UInt32
        var algorithm: String
        /// Missing if it cannot be computed, for example for a key in a hardware module.
        var tag: UInt16?
        var flags: UInt16
        var active: Bool
        var published: Bool
    }

    init(_ summary: ZoneSummary, _ metadata: [DomainMetadata]?, _ keys: [(id: UInt32, object: KeyData)]?) {
        let row = ZoneRow(summary)
        (zone, id, kind, serial) = (row.zone, row.id, row.kind, row.serial)
        (dnssec, account, catalog, primaries) = (row.dnssec, row.account, row.catalog, row.primaries)
        changed = row.changed
        self.metadata = metadata.map { MetadataValues($0).byKind.map { Metadata(kind: $0.kind, values: $0.values) } }
        self.keys = keys?.map { id, key in
            Key(
                id: id, algorithm: key.algorithmName, tag: (try? key.dnskey())?.tag, flags: key.flags,
                active: key.isActive, published: key.isPublished)
        }
    }
}
