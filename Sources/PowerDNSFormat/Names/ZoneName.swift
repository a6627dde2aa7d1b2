/// The name of a zone or of a variant of it (PowerDNS 5: views).
package struct ZoneName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The zone's apex.
    package var name: DomainName
    /// The variant, empty for the zone itself.
    package var variant: String

    /// Creates the name of a zone, or of a variant of it.
    package init(_ name: DomainName, variant: String = "") {
        self.name = name
        self.variant = variant
    }

    /// Parses `example.org` or, for a variant, `example.org..inside`.
    package init(_ text: some StringProtocol) throws(DecodeError) {
        let bytes = Array(text.utf8)
        // Two dots are not part of a name, unless the first is escaped.
        var position = 0
        while position + 1 < bytes.count {
            if bytes[position] == UInt8(ascii: "\\") {
                position += 2
            } else if bytes[position] == UInt8(ascii: "."), bytes[position + 1] == UInt8(ascii: ".") {
                break
            } else {
                position += 1
            }
        }
        guard position + 1 < bytes.count else {
            self.init(try DomainName(text))
            return
        }
        let variant = bytes[(position + 2)...]
        guard !variant.isEmpty else { throw DecodeError(.badText, at: position) }
        let name = String(decoding: bytes[..<position], as: UTF8.self)
        self.init(try DomainName(name.isEmpty ? "." : name), variant: String(decoding: variant, as: UTF8.self))
    }

    /// `example.org.`, or `example.org..inside` for a variant.
    package var description: String {
        variant.isEmpty ? name.description : "\(name).\(variant)"
    }

    /// Orders canonically by name, then by variant.
    package static func < (a: ZoneName, b: ZoneName) -> Bool {
        a.name != b.name ? a.name < b.name : a.variant < b.variant
    }
}
