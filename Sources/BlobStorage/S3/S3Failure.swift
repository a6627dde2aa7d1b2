import HTTP
import Support

/// An operation on a bucket, as named in errors.
enum S3Operation: String, Sendable {
    case list
    case load
    case store
    case delete
    case create
    /// A request for announcements of changes.
    case listen = "listen to"
    /// A check whether an object exists after an unusual answer to its upload.
    case verify

    /// The method in metrics.
    var method: StorageCall.Method? {
        switch self {
        case .list: .list
        case .load: .load
        case .store, .verify: .store
        case .delete: .delete
        case .create, .listen: nil
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
        case .listen: "s3:ListenBucketNotification"
        }
    }
}

/// Converts failures of requests to errors. Pure.
struct S3FailureContext: RemoteFailureContext {
    var operation: S3Operation
    var bucket: String
    /// The object, or a prefix with `*`; nil for the bucket itself.
    var key: String?
    /// Host and port.
    var authority: String
    var region: String

    /// The same for another place.
    func at(_ target: S3Target) -> S3FailureContext {
        var other = self
        (other.authority, other.region) = (target.endpoint.authority, target.region)
        return other
    }

    /// The failure for an answer without success.
    ///
    /// - Parameters:
    ///   - secrets: texts that a server may echo, and that must not be shown.
    ///   - direction: what the answer says about the right place for the request.
    ///   - now: what our clock says.
    func failure(
        _ answer: HTTPAnswer, hiding secrets: [String] = [], direction: S3Direction = .stay, now: WallTime
    ) -> RequestFailure {
        var answer = answer
        func masked(_ text: String) -> String { text.masking(secrets) }
        answer.headers = answer.headers.mapValues(masked)
        let detail = S3ErrorAnswer(answer.body)
        let code = detail.map { masked($0.code) } ?? Self.code(status: answer.status)
        let isForeign = detail == nil && answer.isForeignError
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
        let meaning: S3Refusal.Meaning
        if case .elsewhere(let url, let allowed, let region) = direction {
            meaning = .elsewhere(masked(url).oneLine(limit: 280), allowed: allowed, region: region.map(masked))
        } else if isForeign {
            meaning = Self.foreignMeaning(answer)
        } else {
            meaning = self.meaning(code, answer, detail?.region.map(masked), now)
        }
        let refusal = S3Refusal(
            status: answer.status, code: code, message: masked(detail?.message ?? ""), meaning: meaning)
        return RequestFailure(
            error: error(kind, .refused(refusal), code: code == "NoSuchKey" ? "NotFound" : code),
            isTransient: Self.isTransient(status: answer.status, code: code),
            retryAfter: answer.retryAfter(now: now))
    }

    /// The failure for a successful but implausible answer.
    ///
    /// Such an answer never counts as success; an upload is retried.
    func failure(unexpected problem: String, in answer: HTTPAnswer = HTTPAnswer()) -> RequestFailure {
        RequestFailure(
            error: error(
                .other, .implausible(problem, authority: authority, source: answer.source), code: "Unknown"),
            isTransient: operation == .store)
    }

    /// An error of the operation.
    func error(
        _ kind: BlobStoreError.Kind, _ cause: BlobStoreError.Cause, code: String? = nil
    ) -> BlobStoreError {
        let attempt = BlobStoreError.Attempt(operation: operation.rawValue, object: key, place: .bucket(bucket))
        return BlobStoreError(kind, attempt, cause, code: code)
    }

    private func meaning(
        _ code: String, _ answer: HTTPAnswer, _ expectedRegion: String?, _ now: WallTime
    ) -> S3Refusal.Meaning {
        switch code {
        case "InvalidAccessKeyId", "InvalidClientTokenId": return .unknownKey
        case "SignatureDoesNotMatch": return .wrongSignature
        case "RequestTimeTooSkewed", "RequestExpired":
            let theirs = answer.headers["date"].flatMap { WallTime(httpDate: $0) }
            return .clock(ahead: theirs.map { now.seconds - $0.seconds })
        case "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired": return .expiredToken
        case "NoSuchBucket": return .noBucket
        case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException",
            "InvalidRegion", "InvalidRegionName", "TemporaryRedirect", "IncorrectEndpoint":
            let right = expectedRegion ?? answer.headers["x-amz-bucket-region"]?.oneLine(limit: 40)
            if let right, !right.isEmpty, right != region { return .region(used: region, expected: right) }
            if let location = answer.redirectTarget { return .redirected(to: location, region: region) }
            return .region(used: region, expected: nil)
        case "AccessDenied", "AllAccessDisabled", "Forbidden", "Unauthorized":
            let resource = key == nil || operation == .list || operation == .listen ? bucket : "\(bucket)/*"
            return .denied(permission: operation.permission, resource: resource)
        case "BucketAlreadyExists": return .bucketOfAnother
        default: return (300..<400).contains(answer.status) ? .otherService(redirects: answer.redirectTarget) : .none
        }
    }

    /// The codes of errors about temporary credentials that have to be renewed.
    static let expiredCodes: Set<String> = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"]

    /// The codes of errors about keys and clocks, which are not about permissions.
    static let identityCodes: Set<String> = [
        "InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired",
        "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired",
        "AuthorizationHeaderMalformed",
    ]

    private static func foreignMeaning(_ answer: HTTPAnswer) -> S3Refusal.Meaning {
        if answer.status == 400, String(decoding: answer.body, as: UTF8.self).uppercased().contains("HTTPS") {
            return .requiresHTTPS
        }
        return .notS3(source: answer.source)
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
}
