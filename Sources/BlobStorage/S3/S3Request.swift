import HTTP
import Support

/// An unsigned request for a bucket or an object; pure.
struct S3Request: Sendable {
    /// The position at which a listing continues.
    enum Continuation: Sendable, Hashable {
        case token(String)
        /// After this key.
        case name(String)
    }

    struct Body: Sendable {
        var part: HTTPRequest.Body
        var digest: BodyDigest
    }

    var operation: S3Operation
    var method: String
    /// nil for the bucket itself.
    var key: String?
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var body: Body?
    var spoolsAnswer = false
    /// Maximum size of a spooled body in bytes.
    var largestAnswer = Int.max
    var progress: TransferProgress.Report?
    /// Receives the body as it arrives.
    var receive: HTTPRequest.Receive?
    /// The object's name in errors, if it is not the key.
    var subject: String?

    var shownKey: String? { subject ?? key }

    init(_ operation: S3Operation, _ method: String, key: String?) {
        self.operation = operation
        self.method = method
        self.key = key
    }

    /// One page of a listing.
    static func listing(_ prefix: String, after continuation: Continuation?, _ options: S3Options) -> S3Request {
        var request = S3Request(.list, "GET", key: nil)
        request.query = [("list-type", "2"), ("prefix", prefix), ("encoding-type", "url")]
        if options.hideFolders || options.prefixFolders { request.query.append(("delimiter", "/")) }
        switch continuation {
        case .token(let token): request.query.append(("continuation-token", token))
        case .name(let name): request.query.append(("start-after", name))
        case nil: break
        }
        request.subject = prefix.isEmpty ? nil : "\(prefix)*"
        return request
    }

    /// The message that goes out.
    func signed(_ signer: SigV4, _ endpoint: S3Endpoint, time: WallTime) throws(HTTPSetupError) -> HTTPRequest {
        let path = endpoint.path(key: key)
        let query = SigV4.canonicalQuery(query)
        let payloadHash = body?.digest.sha256 ?? emptySHA256
        var headers = headers
        headers += [("Host", endpoint.authority), ("x-amz-date", time.basicISO), ("x-amz-content-sha256", payloadHash)]
        if let md5 = body?.digest.md5 { headers.append(("Content-MD5", md5)) }
        if let token = signer.credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
        let authorization = try signer.authorization(
            method: method, path: path, query: query, headers: headers, payloadHash: payloadHash, time: time)
        headers.append(("Authorization", authorization))
        return HTTPRequest(
            method: method, url: endpoint.url(path: path, query: query), headers: headers, body: body?.part,
            spoolsAnswer: spoolsAnswer, largestSpool: largestAnswer, expectedMD5: md5InETag,
            progress: progress, receive: receive)
    }
}

/// The hash of an empty body.
private let emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
