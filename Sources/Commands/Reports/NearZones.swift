import Config
import LMDB
import PowerDNSDatabase
import PowerDNSFormat

/// Finds zones with names similar to a missing one; pure, in constant memory.
struct NearZones {
    private static let count = 3

    private let wanted: ZoneName
    private let letters: [Character]
    private var near: [(distance: Int, zone: ZoneName)] = []
    /// The zone that would contain the name.
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

    /// Searches all zones of a main database.
    static func hint(for wanted: ZoneName, _ main: borrowing ReadTransaction) throws -> String {
        var near = NearZones(wanted)
        try ZoneTable(main)?.forEach(main) { _, info in
            if let zone = try? info.get().zone { near.consider(zone) }
        }
        return near.hint
    }

    /// The end of the message: empty, or a question.
    var hint: String {
        if !near.isEmpty { return "; did you mean \(near.map(\.zone.shown).joined(separator: " or "))?" }
        return above.map { "; it would be a name in \($0.shown)" } ?? "; pdns zones lists all zones"
    }
}
