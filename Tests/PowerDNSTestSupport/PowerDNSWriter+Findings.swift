import PowerDNSDatabase

extension PowerDNSWriter {
    /// What the check of everything finds, as "rule owner type".
    package func findings() throws -> [String] { try found().map(\.short) }

    package func found(_ scope: ZoneChecker.Scope = .everything) throws -> [ValidationFinding] {
        var found: [ValidationFinding] = []
        _ = try ZoneChecker.check(scope, main: main, shard: shard) { found.append($0) }
        return found
    }
}

extension ValidationFinding {
    package var short: String { [rule.rawValue, owner, type].compactMap(\.self).joined(separator: " ") }
}
