/// LMDB flags for creating a DBI; raw values are LMDB's own.
package struct DatabaseFlags: OptionSet, Sendable, Hashable {
    /// LMDB's bits.
    package let rawValue: UInt32

    /// The flags with LMDB's bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Every flag with its name, in the order of their bits.
    static let named: [(name: String, flag: DatabaseFlags)] = [
        ("REVERSEKEY", DatabaseFlags(rawValue: 0x02)), ("DUPSORT", DatabaseFlags(rawValue: 0x04)),
        ("INTEGERKEY", DatabaseFlags(rawValue: 0x08)), ("DUPFIXED", DatabaseFlags(rawValue: 0x10)),
        ("INTEGERDUP", DatabaseFlags(rawValue: 0x20)), ("REVERSEDUP", DatabaseFlags(rawValue: 0x40)),
    ]
    private static let allKnown = DatabaseFlags(named.map(\.flag))
    static let allowed =
        "names of LMDB flags separated by | (" + named.map { "MDB_\($0.name)" }.joined(separator: ", ")
        + "), or numbers, 0 for none"

    /// Parses names with or without `MDB_` in any case, and numbers of LMDB's bits, decimal or with `0x`, separated by
    /// `|`, `,`, `+` or blanks. An empty text means no flags.
    package static func parse(_ text: String) throws(ValueProblem) -> DatabaseFlags {
        var flags = DatabaseFlags()
        for part in text.uppercased().split(whereSeparator: { "|,+ \t".contains($0) }) {
            if let bits = number(part) {
                guard allKnown.isSuperset(of: DatabaseFlags(rawValue: bits)) else {
                    throw ValueProblem(allowed: allowed, .unknownBits)
                }
                flags.formUnion(DatabaseFlags(rawValue: bits))
                continue
            }
            let short = part.hasPrefix("MDB_") ? part.dropFirst(4) : part
            guard let flag = named.first(where: { $0.name == short })?.flag else {
                throw ValueProblem(allowed: allowed, .unknownFlag)
            }
            flags.insert(flag)
        }
        return flags
    }

    /// Digits are decimal even with a leading 0, as in release 1.0.
    private static func number(_ text: Substring) -> UInt32? {
        let (digits, radix) = text.hasPrefix("0X") ? (text.dropFirst(2), 16) : (text, 10)
        guard digits.first?.isHexDigit == true else { return nil }
        return UInt32(digits, radix: radix)
    }

    /// `MDB_INTEGERKEY|MDB_DUPSORT`, or `0`.
    package var text: String {
        let names = Self.named.filter { contains($0.flag) }.map { "MDB_\($0.name)" }
        return names.isEmpty ? "0" : names.joined(separator: "|")
    }
}
