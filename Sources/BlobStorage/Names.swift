import Bytes

/// Names are compared by their bytes, as storages do; Swift's own comparison follows Unicode equivalence.
extension String {
    func precedesBytewise(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

    func startsBytewise(with prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

    /// The text as one line, and cut where it gets too long. What servers say often has several.
    func oneLine(limit: Int = 300) -> String { PrintableText.line(self, longest: limit, substitute: " ") }
}
