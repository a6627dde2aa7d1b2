/// The text form of sizes: `1000MB`, `1 gb`, `1K`, `64KiB`, `4096`.
package enum SizeText {
    static let allowed = "a size, such as 1000MB, 1GB or a number of bytes"
    /// Each is 1024 times the previous one.
    private static let units = ["kilo", "mega", "giga", "tera", "peta", "exa"]

    /// Parses digits, blanks and one of B, K, M, G, T, P, E, with or without `B` or `iB` after it, in any case, or the unit
    /// as a word; all count in powers of 1024. In bytes; an empty text is 0.
    package static func parse(_ text: String) throws(ValueProblem) -> UInt64 {
        if text.isEmpty { return 0 }
        let digits = text.prefix(while: \.isASCIIDigit)
        var unit = text.dropFirst(digits.count).drop { $0 == " " || $0 == "\t" }.lowercased()
        while unit.last == " " || unit.last == "\t" { unit.removeLast() }
        guard !digits.isEmpty else { throw ValueProblem(allowed: allowed) }
        guard let factor = factor(unit) else {
            throw ValueProblem(allowed: allowed, unit.first == "." ? .fraction : .sizeUnits)
        }
        guard let count = UInt64(digits),
            case (let bytes, let overflow) = count.multipliedReportingOverflow(by: factor),
            !overflow
        else { throw ValueProblem(allowed: allowed, .tooLarge) }
        return bytes
    }

    private static func factor(_ unit: String) -> UInt64? {
        if ["", "b", "byte", "bytes"].contains(unit) { return 1 }
        for (index, name) in units.enumerated() {
            let letter = String(name.prefix(1))
            let spellings = [letter, letter + "b", letter + "ib", name, name + "byte", name + "bytes"]
            if spellings.contains(unit) { return 1 << (10 * UInt64(index + 1)) }
        }
        return nil
    }

    /// In the largest unit that divides it: `1GB`, `1000MB`, `4097`.
    package static func format(_ bytes: UInt64) -> String {
        let units: [(String, UInt64)] = [
            ("PB", 1 << 50), ("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10),
        ]
        for (unit, size) in units where bytes >= size && bytes % size == 0 { return "\(bytes / size)\(unit)" }
        return "\(bytes)"
    }
}
