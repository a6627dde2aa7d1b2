import Glibc

/// An address to listen on: `127.0.0.1:8500`, `[::1]:8500`, `localhost:8500`, `:8500` for all interfaces.
package struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// Host name or IP address without brackets; empty for all interfaces.
    package var host: String
    /// TCP port; 0 lets the system choose one.
    package var port: UInt16

    static let allowed = "host:port, such as 127.0.0.1:8500, or :8500 for all interfaces"

    /// Creates an address of a host (empty for all interfaces) and a port.
    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Parses `host:port`; an IPv6 address is in brackets.
    package init(_ text: String) throws(ValueProblem) {
        guard let colon = text.lastIndex(of: ":") else {
            throw ValueProblem(allowed: Self.allowed, .noPort)
        }
        let digits = text[text.index(after: colon)...]
        let isNumber = digits.allSatisfy(\.isASCIIDigit)
        guard !digits.isEmpty, let port = isNumber ? UInt16(digits) : Self.port(named: String(digits)) else {
            throw ValueProblem(allowed: Self.allowed, isNumber ? .largePort : .unknownService)
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard host.contains(":") else { throw ValueProblem(allowed: Self.allowed, .brackets) }
            guard host.allSatisfy({ $0.isHexDigit || ":.%".contains($0) || $0.isLetter || $0.isNumber }) else {
                throw ValueProblem(allowed: Self.allowed)
            }
        } else if host.contains(":") {
            throw ValueProblem(allowed: Self.allowed, .noBrackets)
        } else if !host.unicodeScalars.allSatisfy({ $0.isASCIILetterOrDigit || "-._*".unicodeScalars.contains($0) }) {
            throw ValueProblem(allowed: Self.allowed)
        }
        self.init(host: host == "*" ? "" : String(host), port: port)
    }

    /// The port of a service of this name, such as `http-alt`.
    private static func port(named name: String) -> UInt16? {
        guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        var (entry, found) = (servent(), UnsafeMutablePointer<servent>?.none)
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getservbyname_r(name, "tcp", &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return UInt16(bigEndian: UInt16(truncatingIfNeeded: entry.s_port))
    }

    /// The form in the configuration.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
