import HTTP
import Support

/// An unsigned request for a container or an object; pure.
struct AzureRequest: Sendable {
    struct Body: Sendable {
        var part: HTTPRequest.Body
        /// In base64; nil if it is not available.
        var md5: String?
    }

    var operation: AzureOperation
    var method: String
    /// nil for the container itself.
    var key: String?
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var body: Body?
    var spoolsAnswer = false
    /// Maximum size of a spooled body in bytes.
    var largestAnswer = Int.max
    var progress: TransferProgress.Report?
    /// The object's name in errors, if it is not the key.
    var subject: String?

    var shownKey: String? { subject ?? key }

    /// The version of the protocol: the first one with blocks of any size that all clouds and emulators know.
    static let version = "2020-10-02"

    /// Objects on one page of a listing: with the longest names it fits into the largest answer.
    static let pageSize = 2000

    init(_ operation: AzureOperation, _ method: String, key: String?) {
        self.operation = operation
        self.method = method
        self.key = key
    }

    /// One page of a listing.
    ///
    /// - Parameter marker: where it begins; nil for the first page.
    static func listing(_ prefix: String, after marker: String?, pageSize: Int = pageSize) -> AzureRequest {
        var request = AzureRequest(.list, "GET", key: nil)
        request.query = [("restype", "container"), ("comp", "list"), ("maxresults", String(pageSize))]
        if !prefix.isEmpty { request.query.append(("prefix", prefix)) }
        if let marker { request.query.append(("marker", marker)) }
        request.subject = prefix.isEmpty ? nil : "\(prefix)*"
        return request
    }

    /// The message that goes out.
    func signed(
        _ credentials: AzureCredentials, _ endpoint: AzureEndpoint, time: WallTime
    ) throws(HTTPSetupError) -> HTTPRequest {
        let path = endpoint.path(key: key)
        var headers = headers + [("x-ms-date", time.httpDate), ("x-ms-version", Self.version)]
        if let md5 = body?.md5 { headers.append(("Content-MD5", md5)) }
        var parameters = query.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }
        switch credentials {
        case .sharedKey(let key):
            // libcurl sends the length of the body.
            let length = body.map { [(name: "Content-Length", value: String($0.part.range.count))] } ?? []
            let authorization = try key.authorization(
                method: method, path: path, query: query, headers: headers + length)
            headers.append(("Authorization", authorization))
        case .signature(let signature): parameters.append(signature)
        case .token(let token): headers.append(("Authorization", "Bearer \(token)"))
        }
        let suffix = parameters.isEmpty ? "" : "?\(parameters.joined(separator: "&"))"
        return HTTPRequest(
            method: method, url: "\(endpoint.scheme)://\(endpoint.authority)\(path)\(suffix)", headers: headers,
            body: body?.part, spoolsAnswer: spoolsAnswer, largestSpool: largestAnswer, expectedMD5: contentMD5,
            progress: progress)
    }
}
