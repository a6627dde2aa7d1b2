/// The syntax of an `endpoint_url`: `http://` or `https://`, a host, optionally a port.
enum EndpointURL {
    /// The service at the address.
    enum Service: Sendable {
        case s3
        /// Azure's emulator has the account in the path.
        case azure
        case powerDNS
        /// The status server of another instance.
        case peer

        fileprivate var example: String {
            switch self {
            case .s3: "https://s3.example.org:9000"
            case .azure: "https://account.blob.core.windows.net"
            case .powerDNS: "http://127.0.0.1:8081"
            case .peer: "https://ns1.example.net:8443"
            }
        }

        fileprivate var mayHavePath: Bool { self == .s3 || self == .azure }
    }

    static func allowed(_ service: Service) -> String {
        "http:// or https:// and a host, optionally with a port\(service.mayHavePath ? " and a path" : ""), "
            + "such as \(service.example)"
    }

    /// Whether it contains a user name and password, or a shared access signature: then it is never shown.
    @Sendable static func holdsCredentials(_ text: String) -> Bool {
        text.utf8.contains(UInt8(ascii: "@")) || text.contains("sig=")
    }

    /// Checks the syntax; a path is accepted only for services with one.
    static func check(_ text: String, of service: Service) throws(ValueProblem) {
        let allowed = allowed(service)
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw ValueProblem(allowed: allowed, .oddCharacters)
        }
        let scheme = ["http://", "https://"].first { text.lowercased().hasPrefix($0) }
        guard let scheme else {
            throw ValueProblem(allowed: allowed, text.contains("://") ? nil : .noScheme)
        }
        guard !text.utf8.contains(UInt8(ascii: "@")) else {
            throw ValueProblem(allowed: allowed, .credentials)
        }
        guard !text.contains("?"), !text.contains("#") else {
            throw ValueProblem(allowed: allowed, .query)
        }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" }
        let pathText = rest.dropFirst(authority.count)
        guard service.mayHavePath || pathText.isEmpty || pathText == "/" else {
            throw ValueProblem(allowed: allowed, .path)
        }
        try checkAuthority(authority, allowed: allowed)
    }

    private static func checkAuthority(_ authority: Substring, allowed: String) throws(ValueProblem) {
        var host = authority
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { throw ValueProblem(allowed: allowed) }
            host = authority[...end]
            guard host.dropFirst().dropLast().allSatisfy({ $0.isHexDigit || ":.%".contains($0) }), host.count > 2 else {
                throw ValueProblem(allowed: allowed)
            }
        } else {
            host = authority.prefix { $0 != ":" }
            guard host.unicodeScalars.allSatisfy({ $0.isASCIILetterOrDigit || "-._".unicodeScalars.contains($0) })
            else {
                throw ValueProblem(allowed: allowed)
            }
        }
        guard !host.isEmpty else { throw ValueProblem(allowed: allowed, .noHost) }
        let port = authority.dropFirst(host.count)
        guard !port.isEmpty else { return }
        guard port.first == ":", port.dropFirst().allSatisfy(\.isASCIIDigit), let number = UInt16(port.dropFirst()),
            number > 0
        else { throw ValueProblem(allowed: allowed, .badPort) }
    }
}
