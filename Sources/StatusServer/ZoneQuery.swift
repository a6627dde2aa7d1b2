import Support

/// The requested zone, ticket and exceptions, in the query of a path.
enum ZoneQuery {
    /// The decoded value of `name` or `zone`; nil if it is missing, empty or not valid text.
    static func name(in path: String) -> String? { value(of: ["name", "zone"], in: path) }

    /// The number of an earlier answer; nil if there is none.
    static func ticket(in path: String) -> UInt64? { value(of: ["ticket"], in: path).flatMap { UInt64($0) } }

    /// The names of instances that need not have a change; without those that are empty or not valid text.
    static func except(in path: String) -> [String] { values(of: ["except"], in: path).compactMap(\.self) }

    private static func value(of names: Set<Substring>, in path: String) -> String? {
        values(of: names, in: path).first ?? nil
    }

    /// The decoded values of all fields with one of these names, in their order; nil for one that is empty or not valid text.
    private static func values(of names: Set<Substring>, in path: String) -> [String?] {
        guard let mark = path.firstIndex(of: "?") else { return [] }
        return path[path.index(after: mark)...].split(separator: "&").compactMap { field -> String?? in
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, names.contains(parts[0]) else { return .none }
            return .some(decoded(parts[1]).flatMap { $0.isEmpty ? nil : $0 })
        }
    }

    /// Without blanks around it, which a typed name may have.
    private static func decoded(_ text: Substring) -> String? {
        guard let name = percentDecoded(text) else { return nil }
        let trimmed = name.drop { $0 == " " }
        return String(trimmed.reversed().drop { $0 == " " }.reversed())
    }
}
