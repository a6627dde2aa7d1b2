/// Names are compared by their bytes, as storages do; Swift's own comparison follows Unicode equivalence.
extension String {
    func precedesBytewise(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

    func startsBytewise(with prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

    /// The text with control characters replaced, so that an error stays one line, and cut where it gets too long.
    func oneLine(limit: Int = 300) -> String {
        var result = String.UnicodeScalarView()
        for scalar in unicodeScalars.prefix(limit) {
            let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || scalar.value == 0x2028
            result.append(isControl ? " " : scalar)
        }
        if unicodeScalars.dropFirst(limit).first != nil { result.append("…") }
        return String(result)
    }
}
