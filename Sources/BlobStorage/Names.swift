/// Compares names bytewise, as storages do; Swift's own comparison uses Unicode equivalence.
extension String {
    func precedesBytewise(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

    func startsBytewise(with prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }
}
