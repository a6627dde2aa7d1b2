import Glibc

/// The URL of an instance's status server, for hints of other instances: scheme, host and port.
///
/// Anybody with write access to the bucket can write one there, and the token of all instances is sent to it. So it has no
/// path, query or credentials, and `http` is limited to addresses of private networks, where a token in clear text does not
/// cross the Internet.
package struct PeerURL: Sendable, Hashable, CustomStringConvertible {
    /// Without a slash at the end.
    package let description: String

    static let allowed =
        "https:// and a host, optionally with a port, such as https://ns1.example.net:8443 (http:// only with an IP address of "
        + "a private network)"
    /// Longer than any host name with scheme and port.
    private static let longest = 300

    /// Checks a text.
    package init(_ text: String) throws(ValueProblem) {
        do throws(ValueProblem) {
            try EndpointURL.check(text, of: .peer)
        } catch {
            throw ValueProblem(allowed: Self.allowed, error.hint)
        }
        let url = text.hasSuffix("/") ? String(text.dropLast()) : text
        guard url.utf8.count <= Self.longest else { throw ValueProblem(allowed: Self.allowed, .tooLarge) }
        guard url.lowercased().hasPrefix("https://") || Self.isPrivate(Self.host(of: url)) else {
            throw ValueProblem(allowed: Self.allowed, .openNetwork)
        }
        description = url
    }

    private static func host(of url: String) -> String {
        let authority = url.drop { $0 != ":" }.drop { $0 == ":" || $0 == "/" }
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return String(authority.prefix { $0 != ":" })
    }

    /// Whether a host is an address of a private network (RFC 1918, 6598, 4193) or of this host.
    private static func isPrivate(_ host: String) -> Bool {
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 {
            let address = UInt32(bigEndian: four.s_addr)
            let networks: [(UInt32, UInt32)] = [
                (0x0a00_0000, 8), (0xac10_0000, 12), (0xc0a8_0000, 16), (0x6440_0000, 10), (0x7f00_0000, 8),
            ]
            return networks.contains { address >> (32 - $0.1) == $0.0 >> (32 - $0.1) }
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, host, &six) == 1 else { return false }
        return withUnsafeBytes(of: &six) { bytes in
            bytes[0] & 0xfe == 0xfc || bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1
        }
    }
}
