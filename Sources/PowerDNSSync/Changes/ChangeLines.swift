import Logging
import PowerDNSFormat
import Support

/// A line of the change log.
struct ChangeLine {
    var message: Logger.Message
    var metadata: Logger.Metadata
}

/// The log lines of a merge or a send. Untrusted names and texts are escaped, as in a zone file.
enum ChangeLines {
    /// Maximum number of zones with a line.
    static let mostZones = 100
    /// Maximum number of records with a line.
    static let mostRecords = 200
    /// Maximum size of a line in bytes.
    static let longest = 500

    /// The lines of a job.
    ///
    /// - Parameter names: the names of zones for which the job has only numbers.
    static func of(_ job: ChangeJob, _ names: [UInt32: ZoneName]) -> [ChangeLine] {
        var lines = Lines(job)
        // Names are converted to text once, not for each comparison: there may be thousands.
        let zones = job.changes.zones.indices.filter { job.changes.zones[$0].counts.isTold }
            .map { (text: name(job.changes.zones[$0].zone, names)?.description ?? "", index: $0) }
            .sorted { $0 < $1 }
        var notes: [Int: [ChangeCollection.Note]] = [:]
        for note in job.changes.notes where job.changes.keepsValues {
            if let zone = note.zone, note.kind.isShown, !note.isLost { notes[zone, default: []].append(note) }
        }
        for (_, index) in zones.prefix(mostZones) {
            let tally = job.changes.zones[index]
            let name = Self.name(tally.zone, names)
            lines.add(tally, name)
            for note in notes[index] ?? [] { lines.add(note, name?.name) }
        }
        // Changes of zones without a line.
        var rest = zones.dropFirst(mostZones).reduce(into: job.changes.others) {
            $0.add(job.changes.zones[$1.index].counts)
        }
        if rest.isTold { lines.add("changes of more zones", rest, ["zones": "\(moreZones(job, zones.count))"]) }
        rest = job.changes.totals
        rest.subtract(job.changes.others)
        for tally in job.changes.zones { rest.subtract(tally.counts) }
        if rest.isTold { lines.add("changes", rest, [:]) }
        lines.finish()
        return lines.lines
    }

    private static func moreZones(_ job: ChangeJob, _ count: Int) -> String {
        let known = max(0, count - mostZones)
        return job.changes.hasMoreZones ? "more than \(known)" : "\(known)"
    }

    private static func name(_ zone: ChangeCollection.Zone, _ names: [UInt32: ZoneName]) -> ZoneName? {
        switch zone {
        case .number(let id): names[id]
        case .name(let name): name
        }
    }

    /// Untrusted text for a line, truncated if too long.
    static func bounded(_ text: String) -> String {
        PrintableText.cut(PrintableText.line(text), longest: longest)
    }
}

/// Collects the lines of a job.
private struct Lines {
    private(set) var lines: [ChangeLine] = []
    private let job: ChangeJob
    private let common: Logger.Metadata
    private var records = 0
    private var hidden = 0

    init(_ job: ChangeJob) {
        self.job = job
        var common: Logger.Metadata = ["db": "\(job.database)", "snapshot_name": "\(job.snapshot)"]
        if job.direction == .merged { common["snapshot_instance"] = "\(job.snapshot.instance)" }
        self.common = common
        hidden = job.changes.unkept
    }

    /// Adds the line of a zone.
    mutating func add(_ tally: ChangeCollection.Tally, _ name: ZoneName?) {
        var metadata: Logger.Metadata = [:]
        switch (name, tally.zone) {
        case (let name?, _): metadata["zone"] = "\(ChangeLines.bounded(name.description))"
        case (nil, .number(let id)): metadata["zone"] = "#\(id)"
        default: break
        }
        if let serial = tally.oldSerial { metadata["serial_old"] = .stringConvertible(serial) }
        if let serial = tally.newSerial { metadata["serial"] = .stringConvertible(serial) }
        add("changes of zone", tally.counts, metadata)
    }

    /// Adds a line with counts.
    mutating func add(_ what: String, _ counts: ChangeCounts, _ metadata: Logger.Metadata) {
        var metadata = metadata.merging(common) { $1 }
        var fields: [String: Int] = [:]
        for (kind, count) in counts.present {
            if let field = kind.field { fields[field, default: 0] += count }
        }
        metadata.merge(fields.mapValues { .stringConvertible($0) }) { $1 }
        lines.append(ChangeLine(message: "\(job.direction.rawValue) \(what)", metadata: metadata))
    }

    /// Adds the lines of an RRset: removed records, then new ones.
    mutating func add(_ note: ChangeCollection.Note, _ zone: DomainName?) {
        // Without the zone's name, neither owner nor RDATA can be shown.
        guard let zone, let texts = texts(note, zone) else {
            hidden += 1
            return
        }
        for text in texts {
            guard records < ChangeLines.mostRecords else {
                hidden += 1
                continue
            }
            records += 1
            lines.append(ChangeLine(message: "\(ChangeLines.bounded(text))", metadata: common))
        }
    }

    /// Adds the line that summarises omitted ones.
    mutating func finish() {
        if hidden > 0 { lines.append(ChangeLine(message: "and \(hidden) more records", metadata: common)) }
        if job.changes.overtaken > 0 {
            lines.append(
                ChangeLine(
                    message: "and some of these changes were overtaken by the application",
                    metadata: common.merging(["changes": .stringConvertible(job.changes.overtaken)]) { $1 }))
        }
    }

    private func texts(_ note: ChangeCollection.Note, _ zone: DomainName) -> [String]? {
        let key = job.changes.bytes(note.key)
        return key.withUnsafeBytes { key -> [String]? in
            guard let record = try? RecordKey(key), let owner = try? record.owner(in: zone) else { return nil }
            if note.old == nil, note.new == nil { return ["- \(owner) \(record.type)"] }
            guard let old = records(note.old, owner, record.type), let new = records(note.new, owner, record.type)
            else { return nil }
            let (before, after) = (Set(old), Set(new))
            return old.filter { !after.contains($0) }.map { "- \($0)" }
                + new.filter { !before.contains($0) }.map { "+ \($0)" }
        }
    }

    private func records(_ range: Range<Int>?, _ owner: DomainName, _ type: RecordType) -> [String]? {
        guard let range else { return [] }
        return job.changes.bytes(range).withUnsafeBytes { payload -> [String]? in
            var text = ZoneText()
            guard (try? text.append(owner: owner, type: type, payload: payload)) != nil else { return nil }
            return text.text.split(separator: "\n").map(String.init)
        }
    }
}

extension ChangeKind {
    /// Its name in the log; nil if it is not logged.
    fileprivate var field: String? {
        switch self {
        case .rrsetAdded: "rrsets_added"
        case .rrsetChanged: "rrsets_changed"
        case .rrsetRemoved: "rrsets_removed"
        case .rrsetRewritten, .rrsetMarked: "rrsets_rewritten"
        case .rrsetWritten: "rrsets_written"
        case .zoneCreated: "zones_created"
        case .zoneChanged: "zones_changed"
        case .zoneDeleted: "zones_deleted"
        case .zoneWritten: "zones_written"
        case .metadata: "metadata"
        case .key: "keys"
        case .tsigKey: "tsig_keys"
        case .view: "views"
        case .network: "networks"
        case .comment: "comments"
        case .setting: "settings"
        case .bookkeeping: nil
        }
    }
}

extension ChangeCounts {
    /// Whether any of them is logged.
    fileprivate var isTold: Bool { contains { $0.field != nil } }
}
