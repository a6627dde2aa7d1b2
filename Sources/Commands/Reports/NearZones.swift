import Config
import LMDB
import PowerDNSDatabase
import PowerDNSFormat

/// Looks for what may have been meant by the name of a zone that is not there; pure, in constant memory.
struct NearZones {
    private static let count = 3

    private let wanted: ZoneName
    private let letters: [Character]
    private var near: [(distance: Int, zone: ZoneName)] = []
    /// The zone that a name would be in.
    private var above: ZoneName?

    init(_ wanted: ZoneName) {
        self.wanted = wanted
        letters = Array(wanted.name.lowercased.description)
    }

    mutating func consider(_ zone: ZoneName) {
        if wanted.name.isSubdomain(of: zone.name), wanted.name != zone.name, !zone.name.isRoot {
            if above.map({ zone.name.isSubdomain(of: $0.name) }) ?? true { above = zone }
        }
        let other = zone.name.lowercased.description
        guard abs(other.utf8.count - letters.count) <= 2 else { return }
        let distance = Suggestion.distance(letters, Array(other))
        guard distance <= 2 else { return }
        near.append((distance, zone))
        near.sort { ($0.distance, $0.zone) < ($1.distance, $1.zone) }
        near = Array(near.prefix(Self.count))
    }

    /// Looks through all zones of a main database for what may have been meant.
    static func hint(for wanted: ZoneName, _ main: borrowing ReadTransaction) throws -> String {
        var near = NearZones(wanted)
        try ZoneTable(main)?.forEach(main) { _, info in
            if let zone = try? info.get().zone { near.consider(zone) }
        }
        return near.hint
    }

    /// The rest of the message: nothing, or a question.
    var hint: String {
        if !near.isEmpty { return "; did you mean \(near.map(\.zone.shown).joined(separator: " or "))?" }
        return above.map { "; it would be a name in \($0.shown)" } ?? "; pdns zones lists those that are there"
    }
}
