import Daemon
import PowerDNSDatabase
import PowerDNSFormat
import Support

/// Writes a zone in the format of `pdnsutil list-zone`, RRset by RRset.
struct ShownZoneText {
    private let zone: DomainName
    private var text: ZoneText

    init(zone: DomainName, style: ZoneTextStyle) {
        self.zone = zone
        text = ZoneText(style: style)
    }

    /// Metadata and keys are written as comments, so that the output is a valid zone file.
    func begin(
        _ metadata: [DomainMetadata]?, _ keys: [(id: UInt32, object: KeyData)]?, to output: inout BufferedOutput
    ) throws {
        for (kind, values) in metadata.map(MetadataValues.init)?.byKind ?? [] {
            output.append("; metadata \(PrintableText.line("\(kind) = \(values.joined(separator: ", "))"))")
            try output.endLine()
        }
        for (id, key) in keys ?? [] {
            output.append("; key \(id): \(key.shown)")
            try output.endLine()
        }
        output.append("$ORIGIN .")
        try output.endLine()
    }

    mutating func append(_ rrset: StoredRRset, to output: inout BufferedOutput) throws {
        defer { text.bytes.removeAll(keepingCapacity: true) }
        let owner = try rrset.key.owner(in: zone)
        let result = Result { () throws(DecodeError) in
            try text.append(owner: owner, type: rrset.key.type, payload: rrset.payload)
        }
        try output.append(block: text.bytes)
        try result.get()
    }
}

/// The values of metadata, sorted by kind and value.
struct MetadataValues {
    var byKind: [(kind: String, values: [String])]

    init(_ metadata: [DomainMetadata]) {
        byKind = Dictionary(grouping: metadata, by: \.kind)
            .map { ($0, $1.map(\.value).sorted()) }.sorted { $0.kind < $1.kind }
    }
}

extension KeyData {
    /// Its displayable fields.
    var shown: String {
        let tag = (try? dnskey().tag).map { "\($0)" } ?? "unknown"
        return "\(algorithmName), key tag \(tag), flags \(flags), \(isActive ? "active" : "inactive"), "
            + (isPublished ? "published" : "unpublished")
    }
}
