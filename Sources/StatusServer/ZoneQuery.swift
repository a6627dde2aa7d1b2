/// The requested zone, in the query of a path.
enum ZoneQuery {
    /// The decoded value of `name` or `zone`; nil if it is missing, empty or not valid text.
    static func name(in path: String) -> String? {
        guard let mark = path.firstIndex(of: "?") else { return nil }
        for field in path[path.index(after: mark)...].split(separator: "&") {
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0] == "name" || parts[0] == "zone" else { continue }
            guard let text = decoded(parts[1]), !text.isEmpty else { return nil }
            return text
        }
        return nil
    }

    /// Decodes `%` and two hexadecimal digits; `+` is a blank, which a typed name may end with.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
                else { return nil }
                bytes.append(value)
                rest = rest.dropFirst(2)
            default: bytes.append(byte)
            }
        }
        guard let name = String(validating: bytes, as: UTF8.self) else { return nil }
        let trimmed = name.drop { $0 == " " }
        return String(trimmed.reversed().drop { $0 == " " }.reversed())
    }
}
