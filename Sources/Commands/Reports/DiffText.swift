import Daemon
import PowerDNSDatabase
import PowerDNSFormat
import Support

/// Writes differences as they are found.
protocol DiffText {
    /// Whether there are differences so far.
    var isDifferent: Bool { get }

    mutating func begin(_ output: inout BufferedOutput) throws
    mutating func append(_ event: DatabaseDiff.Event, to output: inout BufferedOutput) throws
    mutating func end(_ output: inout BufferedOutput) throws
}

/// An element that only one side has.
struct DiffChange {
    enum Kind: String { case zone, property, metadata, key, record, object }

    var kind: Kind
    var side: DatabaseDiff.Side
    /// In zone-file format: a record, or a comment.
    var text: String

    /// nil for events that only announce following ones.
    init?(_ event: DatabaseDiff.Event) {
        switch event {
        case .zone, .server: return nil
        case .property(let side, let name, let value): self.init(.property, side, "\(name) \(value)")
        case .metadata(let side, let kind, let value): self.init(.metadata, side, "metadata \(kind) = \(value)")
        case .key(let side, let key): self.init(.key, side, "key \(key.shown)")
        case .object(let side, let kind, let text): self.init(.object, side, "\(kind) \(text)")
        case .record(let side, let owner, let type, let record):
            self.init(.record, side, RecordText.line(type, record, owner: owner))
        }
    }

    private init(_ kind: Kind, _ side: DatabaseDiff.Side, _ text: String) {
        self.kind = kind
        self.side = side
        self.text = PrintableText.line(kind == .record ? text : "; \(text)")
    }
}

extension DatabaseDiff.Side {
    var sign: String { self == .first ? "-" : "+" }
}

extension DatabaseDiff.Zone {
    /// The side on which it exists, nil for both.
    var onlySide: DatabaseDiff.Side? { isInFirst && isInSecond ? nil : isInFirst ? .first : .second }

    /// `example.org., serial 1 -> 2`
    var shown: String {
        let text = { (serial: UInt32?) in serial.map { "\($0)" } ?? "none" }
        let serial =
            switch onlySide {
            case .first?: text(firstSerial)
            case .second?: text(secondSerial)
            case nil where firstSerial == secondSerial: text(firstSerial)
            case nil: "\(text(firstSerial)) -> \(text(secondSerial))"
            }
        let place = onlySide.map { $0 == .first ? ", only in A" : ", only in B" } ?? ""
        return "\(name.shown)\(place), serial \(serial)"
    }
}

/// A header for each zone that differs, and a line for each difference.
struct DiffLines: DiffText {
    private(set) var isDifferent = false
    private var header: String?

    func begin(_ output: inout BufferedOutput) {}

    mutating func append(_ event: DatabaseDiff.Event, to output: inout BufferedOutput) throws {
        switch event {
        case .zone(let zone):
            header = "zone \(zone.shown)"
            if zone.onlySide != nil { try writeHeader(&output) }
        case .server: header = "server"
        default:
            guard let change = DiffChange(event) else { return }
            try writeHeader(&output)
            output.append("\(change.side.sign) \(change.text)")
            try output.endLine()
        }
    }

    private mutating func writeHeader(_ output: inout BufferedOutput) throws {
        isDifferent = true
        guard let header else { return }
        output.append(header)
        try output.endLine()
        self.header = nil
    }

    func end(_ output: inout BufferedOutput) {}
}

/// A JSON array with an object for each difference.
struct DiffJSON: DiffText {
    private(set) var isDifferent = false
    private var zone: String?
    private var array = JSONArrayText()

    private struct Row: Encodable {
        /// Missing for objects outside zones.
        var zone: String?
        var kind: String
        /// `-` or `+`.
        var change: String
        /// The element; missing for a zone on one side only, whose records follow.
        var text: String?
    }

    func begin(_ output: inout BufferedOutput) { array.begin(&output) }

    mutating func append(_ event: DatabaseDiff.Event, to output: inout BufferedOutput) throws {
        switch event {
        case .zone(let zone):
            self.zone = zone.name.shown
            guard let side = zone.onlySide else { return }
            try append(Row(zone: self.zone, kind: "zone", change: side.sign), &output)
        case .server: zone = nil
        default:
            guard let change = DiffChange(event) else { return }
            let text = change.kind == .record ? change.text : String(change.text.dropFirst(2))
            try append(Row(zone: zone, kind: change.kind.rawValue, change: change.side.sign, text: text), &output)
        }
    }

    private mutating func append(_ row: Row, _ output: inout BufferedOutput) throws {
        isDifferent = true
        try array.append(row, to: &output)
    }

    func end(_ output: inout BufferedOutput) throws { try array.end(&output) }
}
