/// Sizes as they are written: `1000MB`, `1 gb`, `1K`, `64KiB`, `4096`.
package enum SizeText {
    static let allowed = "a size, such as 1000MB, 1GB or a number of bytes"
    private static let prefixes = "kmgt"

    /// Reads digits, blanks and one of B, K, M, G, T, with `B` or `iB` after it or not, in any case; every form counts
    /// in powers of 1024. In bytes.
    package static func parse(_ text: String) throws(ValueProblem) -> UInt64 {
        let digits = text.prefix(while: \.isASCIIDigit)
        let unit = text.dropFirst(digits.count).drop { $0 == " " || $0 == "\t" }.lowercased()
        guard !digits.isEmpty else { throw ValueProblem(allowed: allowed) }
        guard let factor = factor(unit) else {
            let advice = unit.first == "." ? "use a smaller unit instead of a fraction" : "the units are K, M, G and T"
            throw ValueProblem(allowed: allowed, advice: advice)
        }
        guard let count = UInt64(digits),
            case (let bytes, let overflow) = count.multipliedReportingOverflow(by: factor),
            !overflow
        else { throw ValueProblem(allowed: allowed, advice: "it is too large") }
        return bytes
    }

    private static func factor(_ unit: String) -> UInt64? {
        guard let first = unit.first, unit != "b" else { return 1 }
        guard let power = prefixes.firstIndex(of: first) else { return nil }
        guard ["", "b", "ib"].contains(unit.dropFirst()) else { return nil }
        return 1 << (10 * UInt64(prefixes.distance(from: prefixes.startIndex, to: power) + 1))
    }

    /// In the largest unit that divides it: `1GB`, `1000MB`, `4097`.
    package static func format(_ bytes: UInt64) -> String {
        let units: [(String, UInt64)] = [("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)]
        for (unit, size) in units where bytes >= size && bytes % size == 0 { return "\(bytes / size)\(unit)" }
        return "\(bytes)"
    }
}
