/// Looks up fields of a private key in BIND's text format, `Name: value` line by line.
struct PrivateKeyText {
    private let secret: Secret

    init(_ secret: Secret) { self.secret = secret }

    /// The DNSSEC algorithm number, which precedes its name: `13 (ECDSAP256SHA256)`.
    var algorithm: UInt8? {
        guard let value = field("Algorithm") else { return nil }
        let digits = value.prefix { $0 &- UInt8(ascii: "0") < 10 }
        return UInt8(String(decoding: digits, as: UTF8.self))
    }

    /// A field in base64.
    func bytes(_ name: String) -> [UInt8]? { field(name).flatMap { decodeBase64($0) } }

    /// Whether there is such a field.
    func hasField(_ name: String) -> Bool { field(name) != nil }

    private func field(_ name: String) -> ArraySlice<UInt8>? {
        for line in secret.bytes.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), line[..<colon].elementsEqual(name.utf8) else {
                continue
            }
            let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
            let value = line[(colon + 1)...].drop(while: isSpace)
            return value.prefix { !isSpace($0) }
        }
        return nil
    }
}
