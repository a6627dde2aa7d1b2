import Glibc
import Support

/// The address of a service that hands out credentials.
struct ServiceURL: Sendable, Equatable {
    /// "https" or "http".
    let scheme: String
    /// In lower case, an IPv6 address in brackets.
    let host: String
    /// Host and, if given, port.
    let authority: String
    /// Path and query as given; without a `/` at the end.
    let path: String

    /// nil unless it is `http://host:port/path` or the same with https.
    init?(_ text: String) {
        guard let colon = text.firstRange(of: "://") else { return nil }
        scheme = text[..<colon.lowerBound].lowercased()
        guard scheme == "https" || scheme == "http" else { return nil }
        let rest = text[colon.upperBound...]
        // What is checked here must be what libcurl connects to.
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && !"\\#@".utf8.contains($0) }) else { return nil }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = rest[..<end].lowercased()
        let hostEnd =
            authority.hasPrefix("[")
            ? authority.firstIndex(of: "]").map { authority.index(after: $0) }
            : authority.firstIndex(of: ":") ?? authority.endIndex
        guard let hostEnd else { return nil }
        host = String(authority[..<hostEnd])
        let port = authority[hostEnd...]
        guard !host.isEmpty, host != "[]" else { return nil }
        guard port.isEmpty || port.hasPrefix(":") && (UInt16(port.dropFirst()) ?? 0) > 0 else { return nil }
        self.authority = authority
        var path = rest[end...]
        while path.hasSuffix("/") { path = path.dropLast() }
        self.path = String(path)
    }

    /// The complete address, with `more` after the path.
    func text(_ more: String = "") -> String { "\(scheme)://\(authority)\(path)\(more)" }

    /// Without the path, which may be a secret.
    var place: String { "\(scheme)://\(authority)" }

    /// Whether the host is this one.
    var isLoopback: Bool {
        if host == "localhost" { return true }
        if let bytes = address(AF_INET, host, count: 4) { return bytes[0] == 127 }
        return address(AF_INET6, unbracketed, count: 16) == address(AF_INET6, "::1", count: 16)
    }

    /// Whether the host is a link-local service of ECS or EKS, or this one.
    var isContainerService: Bool {
        isLoopback || ["169.254.170.2", "169.254.170.23"].contains(host)
            || address(AF_INET6, unbracketed, count: 16) == address(AF_INET6, "fd00:ec2::23", count: 16)
    }

    private var unbracketed: String {
        host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : ""
    }
}

/// The bytes of an address; nil if the text is none.
private func address(_ family: Int32, _ text: String, count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    return inet_pton(family, text, &bytes) == 1 ? bytes : nil
}
