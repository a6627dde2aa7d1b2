import HTTP
import Support

/// Signs requests with the key of a storage account.
///
/// <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>
struct SharedKey: Sendable, Hashable {
    var account: String
    var key: [UInt8]

    /// The standard headers that are signed, in this order. Those that are missing are signed as empty.
    private static let signedHeaders = [
        "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
        "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
    ]

    /// The value of the Authorization header.
    ///
    /// - Parameters:
    ///   - path: as in the request line, percent-encoded.
    ///   - query: not encoded, each name once.
    ///   - headers: all headers, including `x-ms-date` and the Content-Length.
    func authorization(
        method: String, path: String, query: [(name: String, value: String)], headers: [(name: String, value: String)]
    ) throws(HTTPSetupError) -> String {
        let text = textToSign(method: method, path: path, query: query, headers: headers)
        return "SharedKey \(account):\(base64(try Digest.hmac(key: key, text)))"
    }

    func textToSign(
        method: String, path: String, query: [(name: String, value: String)], headers: [(name: String, value: String)]
    ) -> String {
        let all = headers.map { (name: $0.name.lowercased(), value: $0.value) }
        let standard = Self.signedHeaders.map { name in
            let value = all.first { $0.name == name }?.value ?? ""
            return name == "content-length" && value == "0" ? "" : value
        }
        let own = all.filter { $0.name.hasPrefix("x-ms-") }.sorted { $0.name.precedesBytewise($1.name) }
            .map { "\($0.name):\($0.value)" }
        let parameters = query.map { (name: $0.name.lowercased(), value: $0.value) }
            .sorted { $0.name.precedesBytewise($1.name) }.map { "\($0.name):\($0.value)" }
        return ([method] + standard + own + ["/\(account)\(path)"] + parameters).joined(separator: "\n")
    }
}
