import Glibc
import Support

/// The host names for which pages are served to a browser.
///
/// Protects against DNS rebinding: a foreign web page can resolve its own name to this host, and is recognised only by
/// that name. Nobody else can own an IP address, `localhost` or the names of this host.
struct HostNames: Sendable {
    private let names: Set<String>

    /// - Parameters:
    ///   - listening: the configured host to listen on.
    ///   - allowed: other configured names.
    init(listening: String, allowed: [String]) {
        let own = Self.hostName
        let first = own.prefix { $0 != "." }
        names = Set(([listening, own, String(first)] + allowed).map(Self.plain).filter { !$0.isEmpty } + ["localhost"])
    }

    /// Whether a request may use this host name. Requests without one do not come from a browser.
    func contain(_ authority: String?) -> Bool {
        guard let authority, !authority.isEmpty else { return true }
        let host = Self.host(of: authority)
        return names.contains(host) || Self.isAddress(host)
    }

    /// The host of `host:port` in lower case, an IPv6 address without its brackets.
    static func host(of authority: String) -> String {
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            let rest = authority[authority.index(after: end)...]
            // Brackets are for addresses only.
            let inside = String(authority[..<end].dropFirst())
            return inside.contains(":") && (rest.isEmpty || rest.hasPrefix(":")) ? inside.lowercased() : authority
        }
        return plain(String(authority.prefix { $0 != ":" }))
    }

    /// In lower case, without the dot at the end of an absolute name.
    private static func plain(_ name: String) -> String {
        let name = name.lowercased()
        return name.hasSuffix(".") ? String(name.dropLast()) : name
    }

    private static func isAddress(_ host: String) -> Bool {
        var address = in6_addr()
        return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1
    }

    private static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
