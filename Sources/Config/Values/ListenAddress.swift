/// Where to listen: `127.0.0.1:8500`, `[::1]:8500`, `localhost:8500`, `:8500` for all interfaces.
package struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// Host name or IP address without brackets; empty for all interfaces.
    package var host: String
    /// TCP port; 0 lets the system choose one.
    package var port: UInt16

    static let allowed = "host:port, such as 127.0.0.1:8500, or :8500 for all interfaces"

    /// Listens on this host (empty for all interfaces) and port.
    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port`; an IPv6 address is in brackets.
    package init(_ text: String) throws(ValueProblem) {
        guard let colon = text.lastIndex(of: ":") else {
            throw ValueProblem(allowed: Self.allowed, advice: "the port is missing")
        }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.allSatisfy(\.isASCIIDigit), let port = UInt16(digits) else {
            throw ValueProblem(allowed: Self.allowed, advice: "the port is a number up to 65535")
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard host.contains(":") else { throw ValueProblem(allowed: Self.allowed, advice: "brackets are for IPv6") }
            guard host.allSatisfy({ $0.isHexDigit || ":.%".contains($0) || $0.isLetter || $0.isNumber }) else {
                throw ValueProblem(allowed: Self.allowed)
            }
        } else if host.contains(":") {
            throw ValueProblem(allowed: Self.allowed, advice: "an IPv6 address goes into brackets: [::1]:8500")
        } else if !host.unicodeScalars.allSatisfy({ $0.isASCIILetterOrDigit || "-._*".unicodeScalars.contains($0) }) {
            throw ValueProblem(allowed: Self.allowed)
        }
        self.init(host: host == "*" ? "" : String(host), port: port)
    }

    /// As it is written in the configuration.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
