import Glibc
import Support

/// The names by which a browser may know this server.
///
/// A page of somebody else can have its own name point here, and then read what is here as if it were its own: the name is
/// all that tells. IP addresses, `localhost` and names of this host nobody else can have.
struct HostNames: Sendable {
    private let names: Set<String>

    /// - Parameters:
    ///   - listening: the host that is listened on, as it is configured.
    ///   - allowed: other names, as they are configured.
    init(listening: String, allowed: [String]) {
        let own = Self.hostName
        let first = own.prefix { $0 != "." }
        names = Set(([listening, own, String(first)] + allowed).map(Self.plain).filter { !$0.isEmpty } + ["localhost"])
    }

    /// Whether a request may name this host; one without a name is no browser's.
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
