extension KeyDecoder {
    /// Reports an unknown key and suggests a known one. Shows nothing of its value.
    mutating func unknownKey(_ entry: YAMLEntry, allowed: [String], at scope: Scope) {
        let shown = Display.unknownKey(entry.name)
        let place = Scope(path: scope.path + [shown], position: entry.keyPosition)
        report(place, .key(.unknown(Self.help(entry.name, shown, allowed: allowed))))
    }

    private static func help(_ name: String, _ shown: String, allowed: [String]) -> KeyFault.Unknown {
        // `bucket:name` without the blank is one key.
        if shown != name, let key = allowed.first(where: { name.hasPrefix($0 + ":") }) {
            return .noBlank(after: key)
        }
        if let nearest = Suggestion.nearest(to: name, among: allowed) { return .meant(nearest) }
        let elsewhere = KeyTable.descriptions.filter { $0.path.contains(name) }
        if let known = elsewhere.first, let index = known.path.firstIndex(of: name) {
            return .belongs(known.path[...index].joined(separator: "."))
        }
        return allowed.isEmpty ? .none : .expected(allowed)
    }
}

/// Suggests the intended name for a misspelt one.
package enum Suggestion {
    /// The name with the fewest changes, if they are few for its length.
    static func nearest(to name: String, among candidates: [String]) -> String? {
        let normalised = name.lowercased().map { $0 == "-" ? "_" : $0 }
        guard normalised.count <= 64 else { return nil }
        let ranked = candidates.map { (name: $0, distance: distance(normalised, Array($0))) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(1, best.name.count / 4) ? best.name : nil
    }

    /// The number of characters to add, remove, replace or swap with their neighbour to turn one word into
    /// the other.
    package static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...right.count)
        for (row, leftCharacter) in left.enumerated() {
            var current = [row + 1]
            for (column, rightCharacter) in right.enumerated() {
                let replaced = previous[column] + (leftCharacter == rightCharacter ? 0 : 1)
                var best = min(replaced, previous[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, leftCharacter == right[column - 1], left[row - 1] == rightCharacter {
                    best = min(best, beforePrevious[column - 1] + 1)
                }
                current.append(best)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[right.count]
    }
}
