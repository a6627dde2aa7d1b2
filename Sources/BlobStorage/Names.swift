extension Blob {
    /// What the names of sealed objects end with.
    package static let sealSuffix = ".age"

    /// The name of a sealed object without that; nil if it is the name of another one.
    package static func nameWithoutSeal(_ name: String) -> String? {
        let bytes = name.utf8
        guard bytes.count > sealSuffix.utf8.count, bytes.suffix(sealSuffix.utf8.count).elementsEqual(sealSuffix.utf8)
        else { return nil }
        return String(decoding: bytes.dropLast(sealSuffix.utf8.count), as: UTF8.self)
    }
}

/// Compares names bytewise, as storages do; Swift's own comparison uses Unicode equivalence.
extension String {
    func precedesBytewise(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

    func startsBytewise(with prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }
}
