import HTTP
import Support

/// The keys for signing requests.
struct S3Credentials: Sendable, Hashable {
    var accessKey: String
    var secretKey: String
    /// For temporary credentials.
    var sessionToken: String?
}

/// AWS Signature Version 4, in the Authorization header.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
struct SigV4: Sendable {
    var credentials: S3Credentials
    var region: String
    var service = "s3"

    /// The value of the Authorization header.
    ///
    /// - Parameters:
    ///   - path: as in the request line, percent-encoded once.
    ///   - query: from ``canonicalQuery(_:)``, exactly as sent.
    ///   - headers: all signed headers, including `host` and `x-amz-date` (of `time`).
    ///   - payloadHash: SHA-256 of the body, lower-case hexadecimal.
    func authorization(
        method: String, path: String, query: String, headers: [(name: String, value: String)],
        payloadHash: String, time: WallTime
    ) throws(HTTPSetupError) -> String {
        let canonical = Self.canonicalHeaders(headers)
        let signedHeaders = canonical.map(\.name).joined(separator: ";")
        let request =
            ([method, path, query] + canonical.map { "\($0.name):\($0.value)" } + ["", signedHeaders, payloadHash])
            .joined(separator: "\n")
        let scope = "\(time.basicDay)/\(region)/\(service)/aws4_request"
        let toSign = "AWS4-HMAC-SHA256\n\(time.basicISO)\n\(scope)\n\(hexadecimal(try Digest.sha256(request.utf8)))"
        var key = Array("AWS4\(credentials.secretKey)".utf8)
        for step in [time.basicDay, region, service, "aws4_request"] { key = try Digest.hmac(key: key, step) }
        let signature = hexadecimal(try Digest.hmac(key: key, toSign))
        return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), "
            + "SignedHeaders=\(signedHeaders), Signature=\(signature)"
    }

    /// `query` encoded and sorted: the only form that every server verifies, and therefore the form that is sent.
    static func canonicalQuery(_ query: [(name: String, value: String)]) -> String {
        query.map { (percentEncoded($0.name), percentEncoded($0.value)) }
            .sorted { $0.0 == $1.0 ? $0.1.precedesBytewise($1.1) : $0.0.precedesBytewise($1.0) }
            .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }

    /// Names in lower case and sorted, values trimmed with runs of blanks collapsed, repeated names joined.
    private static func canonicalHeaders(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)]
    {
        var values: [String: [String]] = [:]
        for (name, value) in headers {
            values[name.lowercased(), default: []].append(
                value.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\n" }).joined(separator: " "))
        }
        return values.map { ($0.key, $0.value.joined(separator: ",")) }
            .sorted { $0.name.precedesBytewise($1.name) }
    }
}
