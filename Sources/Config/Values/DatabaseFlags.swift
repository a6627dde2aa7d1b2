/// LMDB flags that a DBI can be created with; raw values are LMDB's own.
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
        + "), or a number, 0 for none"

    /// Reads names with or without `MDB_`, separated by `|`, `,`, `+` or blanks; or a number of LMDB's bits.
    package static func parse(_ text: String) throws(ValueProblem) -> DatabaseFlags {
        if let number = NumberText.integer(text) {
            guard let bits = UInt32(exactly: number), allKnown.isSuperset(of: DatabaseFlags(rawValue: bits)) else {
                throw ValueProblem(allowed: allowed, advice: "the number has bits that are no flag of a DBI")
            }
            return DatabaseFlags(rawValue: bits)
        }
        var flags = DatabaseFlags()
        let names = text.split { "|,+ \t".contains($0) }
        guard !names.isEmpty else { throw ValueProblem(allowed: allowed) }
        for name in names {
            let short = name.hasPrefix("MDB_") ? name.dropFirst(4) : name
            guard let flag = named.first(where: { $0.name == short })?.flag else {
                throw ValueProblem(allowed: allowed, advice: "there is a name that is none of them")
            }
            flags.insert(flag)
        }
        return flags
    }

    /// `MDB_INTEGERKEY|MDB_DUPSORT`, or `0`.
    package var text: String {
        let names = Self.named.filter { contains($0.flag) }.map { "MDB_\($0.name)" }
        return names.isEmpty ? "0" : names.joined(separator: "|")
    }
}
