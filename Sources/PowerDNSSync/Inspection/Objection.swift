import PowerDNSFormat
import Replication

/// An objection to a merge: rule, place and fix.
struct Objection: Sendable {
    /// A zone, as known in the merged database.
    enum Zone: Hashable, Sendable {
        /// For records, which contain only the number.
        case number(UInt32)
        case name(ZoneName)
    }

    /// Maximum number of named zones.
    static let mostZones = 5

    /// The name of the rule.
    var rule: String
    /// The first zones concerned; empty if none is.
    var zones: [Zone] = []
    /// The number of further zones.
    var moreZones = 0
    /// The owner name relative to the zone, as `KeyName`.
    var owner: [UInt8]?
    /// The type of the RRset.
    var type: RecordType?
    /// The problem and its fix.
    var text: String

    /// An objection to a row of the records, with the place from its key.
    static func row(_ rule: String, _ key: UnsafeRawBufferPointer, _ text: String) -> Objection {
        guard let key = try? RecordKey(key) else { return Objection(rule: rule, text: text) }
        return Objection(
            rule: rule, zones: [.number(key.domainID)], owner: Array(key.ownerKey), type: key.type, text: text)
    }

    /// The zone numbers to be replaced by names.
    var numbers: [UInt32] { zones.compactMap { if case .number(let id) = $0 { id } else { nil } } }

    /// The rejection for this reason.
    ///
    /// - Parameter names: the known names of zones.
    func refusal(_ names: [UInt32: ZoneName] = [:]) -> RefusedSnapshot {
        var facts = ["rule": rule]
        var place: [String] = []
        if !zones.isEmpty {
            var texts = zones.map { Self.text($0, names) }
            facts["zone"] = texts[0]
            if moreZones > 0 { texts.append("\(moreZones) more") }
            place.append((texts.count == 1 ? "zone " : "zones ") + texts.joined(separator: ", "))
        }
        if let owner = ownerText(names) {
            facts["owner"] = owner
            facts["type"] = type.map { "\($0)" }
            place.append(type.map { "\(owner) \($0)" } ?? owner)
        }
        return RefusedSnapshot((["rule \(rule)"] + place + [text]).joined(separator: ": "), facts: facts)
    }

    private static func text(_ zone: Zone, _ names: [UInt32: ZoneName]) -> String {
        switch zone {
        case .name(let name): "\(name)"
        case .number(let id): names[id].map { "\($0)" } ?? "#\(id)"
        }
    }

    /// The absolute owner name; the relative one without a final dot, or `@`, if the zone is unknown.
    private func ownerText(_ names: [UInt32: ZoneName]) -> String? {
        guard let owner else { return nil }
        let zone = numbers.first.flatMap { names[$0] }
        let name = owner.withUnsafeBytes { key in
            try? KeyName.decode(key, relativeTo: zone?.name ?? .root)
        }
        guard let name else { return nil }
        if zone == nil, owner.count == 1 { return "@" }
        return name.text(finalDot: zone != nil)
    }
}
