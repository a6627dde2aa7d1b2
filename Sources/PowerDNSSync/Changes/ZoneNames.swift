import LMDB
import PowerDNSDatabase
import PowerDNSFormat
import Support

/// Finds the names of zones by their numbers: in the main database, and for deleted zones among earlier names.
struct ZoneNames: Sendable {
    /// Maximum number of remembered names.
    private static let most = 10_000

    private let pool = BlockingPool(label: "zone-names", width: 1)
    private var seen: [UInt32: ZoneName] = [:]

    /// Records names.
    mutating func learn(_ names: [UInt32: ZoneName]) {
        if seen.count + names.count > Self.most { seen = [:] }
        seen.merge(names) { $1 }
    }

    /// - Parameter environments: the LMDBs that may contain zones.
    /// - Returns: the known names.
    mutating func find(_ numbers: [UInt32], in environments: [Environment]) async -> [UInt32: ZoneName] {
        var found = (try? await pool.run { _ in Self.read(numbers, environments) }) ?? [:]
        learn(found)
        for id in numbers where found[id] == nil { found[id] = seen[id] }
        return found
    }

    /// The names that databases have for numbers now. Blocks.
    static func read(_ numbers: [UInt32], _ environments: [Environment]) -> [UInt32: ZoneName] {
        environments.reduce(into: [:]) { names, main in
            names.merge((try? read(numbers, main)) ?? [:]) { $1 }
        }
    }

    private static func read(_ numbers: [UInt32], _ main: Environment) throws -> [UInt32: ZoneName] {
        try main.read { transaction in
            var names: [UInt32: ZoneName] = [:]
            guard let table = try ZoneTable(transaction) else { return names }
            for id in numbers { names[id] = (try? table.zone(id, transaction))?.zone }
            return names
        }
    }
}
