import Support

/// The address of a container.
struct AzureEndpoint: Sendable, Hashable {
    /// "https" or "http".
    var scheme: String
    /// Host and, if given, port.
    var authority: String
    /// The encoded path of the container; no `/` at the end.
    var containerPath: String
    /// Whether the server runs on this machine: no proxy is used, and nobody else can listen.
    let isLocal: Bool

    /// - Parameters:
    ///   - url: the address of the account's blob service, which may have a path, as emulators need.
    ///   - isSecret: whether it is not to be shown.
    init(url text: String, container: String, isSecret: Bool = false) throws(AzureSetting) {
        guard !container.isEmpty else { throw .noContainer }
        guard Self.isContainerName(container) else { throw .badContainerName(container) }
        // A part after the `?` would be a signature.
        guard let url = ServiceURL(text), !url.path.contains("?") else {
            let isShown = !isSecret && !text.contains("@") && !text.contains("?")
            throw .badEndpoint(isShown ? text : nil)
        }
        scheme = url.scheme
        authority = url.authority
        containerPath = "\(percentEncoded(url.path, keeping: "/%"))/\(percentEncoded(container))"
        isLocal = url.isLoopback
    }

    /// Microsoft's own address of an account.
    static func standard(account: String, scheme: String = "https", suffix: String = "core.windows.net") -> String {
        "\(scheme)://\(account).blob.\(suffix)"
    }

    /// The account in an address like Microsoft's own; nil for another one.
    static func account(in text: String) -> String? {
        guard let host = ServiceURL(text)?.host, let dot = host.firstRange(of: ".blob.") else { return nil }
        let account = String(host[..<dot.lowerBound])
        return isAccountName(account) ? account : nil
    }

    static func isAccountName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 63
            && text.utf8.allSatisfy { isLowerCaseOrDigit($0) || (65...90).contains($0) || $0 == UInt8(ascii: "-") }
    }

    /// Also those with a special meaning, such as `$root`.
    private static func isContainerName(_ text: String) -> Bool {
        let name = text.hasPrefix("$") ? text.dropFirst() : text[...]
        return (3...63).contains(name.utf8.count)
            && name.utf8.allSatisfy { isLowerCaseOrDigit($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isLowerCaseOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// The path of an object, or of the container, percent-encoded.
    func path(key: String?) -> String {
        key.map { "\(containerPath)/\(percentEncoded($0, keeping: "/"))" } ?? containerPath
    }
}
