import FoundationEssentials

/// The token in a request: a bearer token (RFC 6750), or the password of basic authentication (RFC 7617), for servers that
/// can only be given credentials in a URL.
///
/// A token in a path or query is not taken: it would end up in the logs of servers and proxies.
enum PushCredentials {
    /// The token in the field `Authorization`; nil if there is none.
    static func token(in field: String?) -> String? {
        guard let field, let blank = field.firstIndex(of: " ") else { return nil }
        let value = field[blank...].drop { $0 == " " }
        switch field[..<blank].lowercased() {
        case "bearer": return value.isEmpty ? nil : String(value)
        case "basic": return password(in: value)
        default: return nil
        }
    }

    private static func password(in text: Substring) -> String? {
        guard let bytes = Data(base64Encoded: String(text)), let pair = String(validating: bytes, as: UTF8.self),
            let colon = pair.firstIndex(of: ":")
        else { return nil }
        let password = pair[pair.index(after: colon)...]
        return password.isEmpty ? nil : String(password)
    }
}
