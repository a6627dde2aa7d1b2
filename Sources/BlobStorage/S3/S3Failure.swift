import HTTP
import Support

/// An operation on a bucket, as named in errors.
enum S3Operation: String, Sendable {
    case list
    case load
    case store
    case delete
    case create
    /// A check whether an object exists after an unusual answer to its upload.
    case verify

    /// The method in metrics.
    var method: StorageCall.Method? {
        switch self {
        case .list: .list
        case .load: .load
        case .store, .verify: .store
        case .delete: .delete
        case .create: nil
        }
    }

    /// The required permission.
    var permission: String {
        switch self {
        case .list: "s3:ListBucket"
        case .load, .verify: "s3:GetObject"
        case .store: "s3:PutObject"
        case .delete: "s3:DeleteObject"
        case .create: "s3:CreateBucket"
        }
    }
}

/// Converts failures to one-line errors with advice. Pure.
struct S3FailureContext: Sendable {
    var operation: S3Operation
    var bucket: String
    /// The object, or a prefix with `*`; nil for the bucket itself.
    var key: String?
    /// Host and port.
    var authority: String
    var region: String
    /// See ``S3Options/isCreatedBySync``.
    var isCreatedBySync = false

    /// The failure for an answer without success.
    ///
    /// - Parameter now: what our clock says.
    func failure(_ answer: HTTPAnswer, now: WallTime) -> RequestFailure {
        let detail = S3ErrorAnswer(answer.body)
        let code = detail?.code ?? Self.code(status: answer.status)
        let message = detail.map { $0.message.isEmpty ? "" : ": \($0.message)" } ?? ""
        let isForeign = detail == nil && Self.isForeign(answer)
        let advice = isForeign ? Self.foreignAdvice(answer) : advice(code, answer, detail, now)
        let kind: BlobStoreError.Kind =
            switch (code, answer.status) {
            case ("RequestTimeout", _), (_, 408), (_, 504): .timeout
            // "Not found" or "forbidden" from another web server means nothing.
            case _ where isForeign: .other
            case _ where Self.identityCodes.contains(code): .other
            case (_, 403), (_, 401): .accessDenied
            case (_, 404): .notFound
            default: .other
            }
        return RequestFailure(
            error: BlobStoreError(
                kind, "\(what): HTTP \(answer.status) \(code)\(message)\(advice.isEmpty ? "" : "; \(advice)")",
                code: code == "NoSuchKey" ? "NotFound" : code),
            isTransient: Self.isTransient(status: answer.status, code: code),
            retryAfter: answer.headers["retry-after"].flatMap { Self.pause(retryAfter: $0, now: now) })
    }

    /// The failure for a request without answer.
    func failure(_ failure: TransferFailure) -> RequestFailure {
        let (kind, code, advice): (BlobStoreError.Kind, String, String) =
            switch failure.reason {
            case .nameResolution: (.other, "DNSError", "check endpoint_url and the name servers of this machine")
            case .refused: (.other, "URLError", "check endpoint_url, that the server runs, and firewalls")
            case .timeout: (.timeout, "Timeout", "check the network and the load of the server")
            case .broken where failure.detail.contains("HTTP/0.9"):
                (.other, "URLError", "this port does not speak http: endpoint_url may need https://")
            case .broken: (.other, "URLError", "")
            case .tls:
                (
                    .other, "URLError",
                    "the server's certificate must be signed by a CA of this machine or of tls.ca_file,"
                        + " and be valid for the host in endpoint_url"
                )
            case .handshake: (.other, "URLError", Self.handshakeAdvice(failure.detail))
            case .unusable: (.other, "URLError", "")
            case .tooLarge: (.other, BlobStoreError.tooLarge, "")
            }
        let isTransient =
            switch failure.reason {
            case .nameResolution, .refused, .timeout, .broken: true
            case .tls, .handshake, .unusable, .tooLarge: false
            }
        return RequestFailure(
            error: BlobStoreError(
                kind, "\(what) at \(authority): \(failure.detail.oneLine())\(advice.isEmpty ? "" : "; \(advice)")",
                code: code),
            isTransient: isTransient)
    }

    /// The failure for a successful but implausible answer.
    ///
    /// Such an answer never counts as success; an upload is retried.
    func failure(unexpected problem: String, in answer: HTTPAnswer = HTTPAnswer()) -> RequestFailure {
        let source = Self.source(of: answer)
        return RequestFailure(
            error: BlobStoreError(
                .other,
                "\(what): \(authority) does not answer like an S3 server\(source.isEmpty ? "" : " (\(source))"):"
                    + " \(problem.oneLine()); check endpoint_url",
                code: "Unknown"),
            isTransient: operation == .store)
    }

    /// The failure for a temporary file with the bytes.
    func failure(_ error: SystemError) -> BlobStoreError { BlobStoreError(.other, "\(what): \(error)".oneLine()) }

    private var what: String {
        let object = key.map { "\($0.oneLine()) in bucket" } ?? "bucket"
        return "cannot \(operation.rawValue) \(object) \(bucket.oneLine())"
    }

    private func advice(_ code: String, _ answer: HTTPAnswer, _ detail: S3ErrorAnswer?, _ now: WallTime) -> String {
        switch code {
        case "InvalidAccessKeyId", "InvalidClientTokenId":
            return "the server does not know this access_key"
        case "SignatureDoesNotMatch":
            return "check secret_key, and that no proxy changes the Host header or the path"
        case "RequestTimeTooSkewed", "RequestExpired":
            guard let theirs = answer.headers["date"].flatMap({ WallTime(httpDate: $0) }) else {
                return "set the clock of this machine or of the server"
            }
            let ahead = now.seconds - theirs.seconds
            return
                "the clock of this machine is \(abs(ahead)) s \(ahead < 0 ? "behind" : "ahead of") the server's: set it"
        case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
            return "the session token has expired: get new temporary credentials"
        case "NoSuchBucket":
            return isCreatedBySync
                ? "check bucket and region; create_bucket is true, so sync creates it at start"
                : "check bucket and region, or set create_bucket"
        case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException",
            "InvalidRegion", "TemporaryRedirect", "IncorrectEndpoint":
            let right = detail?.region ?? answer.headers["x-amz-bucket-region"]?.oneLine(limit: 40)
            if let right, !right.isEmpty, right != region { return "set region to \(right) (it is \(region))" }
            if let location = Self.location(answer) {
                return "the server redirects to \(location): check endpoint_url and region (it is \(region))"
            }
            return "check region (it is \(region)) and endpoint_url"
        case "AccessDenied", "AllAccessDisabled", "Forbidden", "Unauthorized":
            let resource = key == nil || operation == .list ? bucket : "\(bucket)/*"
            return "this key needs the permission \(operation.permission) on \(resource.oneLine())"
        case "BucketAlreadyExists":
            return "another account owns a bucket of this name: choose another name"
        default:
            guard (300..<400).contains(answer.status) else { return "" }
            let location = Self.location(answer).map { "the server redirects to \($0): " } ?? ""
            return "\(location)endpoint_url must name the S3 service itself"
        }
    }

    /// The codes of errors about keys and clocks, which are not about permissions.
    private static let identityCodes: Set<String> = [
        "InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired",
        "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "AuthorizationHeaderMalformed",
    ]

    /// Whether an error has a body that no S3 server sends; an empty one may be from one.
    private static func isForeign(_ answer: HTTPAnswer) -> Bool {
        (400..<500).contains(answer.status) && answer.status != 429 && answer.status != 408 && !answer.body.isEmpty
            && answer.headers["content-encoding"] == nil
    }

    private static func foreignAdvice(_ answer: HTTPAnswer) -> String {
        if answer.status == 400, String(decoding: answer.body, as: UTF8.self).uppercased().contains("HTTPS") {
            return "this port requires https: use https:// in endpoint_url"
        }
        let source = source(of: answer)
        return "this is not an answer of an S3 server\(source.isEmpty ? "" : " (\(source))"): check endpoint_url"
    }

    /// `text/html from nginx`, if the answer contains it.
    private static func source(of answer: HTTPAnswer) -> String {
        let type = (answer.headers["content-type"] ?? "").prefix { $0 != ";" }
        let server = answer.headers["server"] ?? ""
        let isXML = type.hasSuffix("xml")
        return [isXML ? "" : String(type), server.isEmpty ? "" : "from \(server)"].filter { !$0.isEmpty }
            .joined(separator: " ").oneLine(limit: 80)
    }

    private static func handshakeAdvice(_ detail: String) -> String {
        // Messages of OpenSSL and GnuTLS for an answer in another protocol.
        let foreign = ["wrong version number", "packet length too long", "http request", "unexpected TLS packet"]
        if foreign.contains(where: { detail.contains($0) }) {
            return "this port does not speak https: use http:// in endpoint_url, or the https port"
        }
        return "check that the port in endpoint_url speaks https, and the client certificate in tls"
    }

    /// The target of a redirect, without possible secrets: user, password and query.
    private static func location(_ answer: HTTPAnswer) -> String? {
        guard (300..<400).contains(answer.status), let text = answer.headers["location"] else { return nil }
        let address = text.prefix { $0 != "?" && $0 != "#" }
        let start = address.firstRange(of: "://")?.upperBound ?? address.startIndex
        let authority = address[start...].prefix { $0 != "/" }
        let host = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        let shown = "\(address[..<start])\(host)\(address[authority.endIndex...])".oneLine(limit: 120)
        return shown.isEmpty ? nil : shown
    }

    /// Servers may omit the body, and must for HEAD.
    private static func code(status: Int) -> String {
        switch status {
        case 301, 308: "PermanentRedirect"
        case 307: "TemporaryRedirect"
        case 302, 303: "Redirect"
        case 400: "BadRequest"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "NotFound"
        case 408: "RequestTimeout"
        case 429: "TooManyRequests"
        case 503: "ServiceUnavailable"
        default: "Unknown"
        }
    }

    private static func isTransient(status: Int, code: String) -> Bool {
        switch code {
        case "SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "TooManyRequests",
            "ErrTooManyRequest", "ThrottlingException", "Throttling", "RequestLimitExceeded", "BandwidthLimitExceeded":
            return true
        default:
            // 501 (not implemented) and 505 (HTTP version not supported) are permanent.
            return status == 429 || status == 408 || (status >= 500 && status != 501 && status != 505)
        }
    }

    /// Seconds, or a date (RFC 9110, 10.2.3).
    private static func pause(retryAfter text: String, now: WallTime) -> Duration? {
        if let seconds = Int(text) { return .seconds(max(0, min(seconds, 86_400))) }
        return WallTime(httpDate: text).map { .seconds(max(0, min($0.seconds - now.seconds, 86_400))) }
    }
}
