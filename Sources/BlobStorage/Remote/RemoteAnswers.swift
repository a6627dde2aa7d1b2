import HTTP
import Support

extension String {
    /// The text without secrets that a server may have echoed.
    func masking(_ secrets: [String]) -> String {
        // Shorter texts are not secrets, and masking them would garble the message.
        secrets.reduce(self) { $1.utf8.count < 4 ? $0 : $0.replacing($1, with: "***") }
    }
}

extension HTTPAnswer {
    /// The pause that the server asks for: seconds, or a date (RFC 9110, 10.2.3).
    ///
    /// - Parameter now: what our clock says.
    func retryAfter(now: WallTime) -> Duration? {
        guard let text = headers["retry-after"] else { return nil }
        if let seconds = Int(text) { return .seconds(max(0, min(seconds, 86_400))) }
        return WallTime(httpDate: text).map { .seconds(max(0, min($0.seconds - now.seconds, 86_400))) }
    }

    /// `text/html from nginx`, if the answer contains it.
    var source: String {
        let type = (headers["content-type"] ?? "").prefix { $0 != ";" }
        let server = headers["server"] ?? ""
        let isXML = type.hasSuffix("xml")
        return [isXML ? "" : String(type), server.isEmpty ? "" : "from \(server)"].filter { !$0.isEmpty }
            .joined(separator: " ").oneLine(limit: 80)
    }

    /// Whether an error has a body that no storage sends; an empty one may be from one.
    var isForeignError: Bool {
        (400..<500).contains(status) && status != 429 && status != 408 && !body.isEmpty
            && headers["content-encoding"] == nil
    }

    /// The target of a redirect, without possible secrets: user, password and query.
    var redirectTarget: String? {
        guard (300..<400).contains(status), let text = headers["location"] else { return nil }
        let address = text.prefix { $0 != "?" && $0 != "#" }
        let start = address.firstRange(of: "://")?.upperBound ?? address.startIndex
        let authority = address[start...].prefix { $0 != "/" }
        let host = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        let shown = "\(address[..<start])\(host)\(address[authority.endIndex...])".oneLine(limit: 120)
        return shown.isEmpty ? nil : shown
    }
}

extension TransferFailure {
    /// What it means for a storage: kind and code of the error, and whether a retry can succeed.
    var storageMeaning: (kind: BlobStoreError.Kind, code: String, isTransient: Bool) {
        switch reason {
        case .nameResolution: (.other, "DNSError", true)
        case .timeout, .tooSlow: (.timeout, "Timeout", true)
        case .refused, .broken: (.other, "URLError", true)
        case .tls, .handshake, .unusable: (.other, "URLError", false)
        case .tooLarge: (.other, BlobStoreError.tooLarge, false)
        }
    }
}

/// ETags are quoted in headers and in XML, not by every server in both.
func withoutQuotes(_ etag: String) -> String {
    String(decoding: etag.utf8.filter { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
}

/// Without surrounding blanks and line ends.
func withoutBlanks(_ text: String) -> String {
    var rest = text[...]
    while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
    while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
    return String(rest)
}
