import HTTP
import Support

/// An operation on a container, as named in errors.
enum AzureOperation: String, Sendable {
    case list
    case load
    case store
    case delete
    case create

    /// The method in metrics.
    var method: StorageCall.Method? {
        switch self {
        case .list: .list
        case .load: .load
        case .store: .store
        case .delete: .delete
        case .create: nil
        }
    }

    /// The role that an identity needs.
    fileprivate var role: String {
        switch self {
        case .list, .load: "Storage Blob Data Reader"
        case .store, .delete, .create: "Storage Blob Data Contributor"
        }
    }

    /// The permission that a shared access signature needs, with its letter.
    fileprivate var permission: String {
        switch self {
        case .list: "list (l)"
        case .load: "read (r)"
        case .store: "write (w)"
        case .delete: "delete (d)"
        case .create: "create (c)"
        }
    }
}

/// Converts failures of requests to errors. Pure.
struct AzureFailureContext: RemoteFailureContext {
    var operation: AzureOperation
    var container: String
    /// The object, or a prefix with `*`; nil for the container itself.
    var key: String?
    /// Host and port.
    var authority: String

    /// The failure for an answer without success.
    ///
    /// - Parameters:
    ///   - credentials: those of the request.
    ///   - now: what our clock says.
    func failure(_ answer: HTTPAnswer, _ credentials: AzureCredentials, now: WallTime) -> RequestFailure {
        var answer = answer
        let secrets = credentials.secrets
        answer.headers = answer.headers.mapValues { $0.masking(secrets) }
        let detail = AzureErrorAnswer(answer)
        let code = detail.map { $0.code.masking(secrets) } ?? Self.code(status: answer.status)
        let isForeign = detail == nil && answer.isForeignError && answer.headers["x-ms-request-id"] == nil
        let kind: BlobStoreError.Kind =
            switch (code, answer.status) {
            case ("OperationTimedOut", _), (_, 408), (_, 504): .timeout
            // "Not found" or "forbidden" from another web server means nothing.
            case _ where isForeign: .other
            case _ where Self.identityCodes.contains(code): .other
            case (_, 403), (_, 401): .accessDenied
            case (_, 404): .notFound
            default: .other
            }
        let refusal = AzureRefusal(
            status: answer.status, code: code, message: (detail?.message ?? "").masking(secrets),
            meaning: isForeign ? Self.foreignMeaning(answer) : meaning(code, answer, credentials, now))
        return RequestFailure(
            error: error(kind, .refusedByAzure(refusal), code: code == "BlobNotFound" ? "NotFound" : code),
            isTransient: Self.isTransient(status: answer.status, code: code),
            retryAfter: answer.retryAfter(now: now))
    }

    /// The failure for a successful but implausible answer.
    ///
    /// Such an answer never counts as success; an upload is retried.
    func failure(unexpected problem: String, in answer: HTTPAnswer = HTTPAnswer()) -> RequestFailure {
        RequestFailure(
            error: error(
                .other,
                .implausible(problem, authority: authority, source: answer.source, service: .azure),
                code: "Unknown"),
            isTransient: operation == .store)
    }

    /// An error of the operation.
    func error(
        _ kind: BlobStoreError.Kind, _ cause: BlobStoreError.Cause, code: String? = nil
    ) -> BlobStoreError {
        let attempt = BlobStoreError.Attempt(operation: operation.rawValue, object: key, place: .container(container))
        return BlobStoreError(kind, attempt, cause, code: code)
    }

    private func meaning(
        _ code: String, _ answer: HTTPAnswer, _ credentials: AzureCredentials, _ now: WallTime
    ) -> AzureRefusal.Meaning {
        switch code {
        case "AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation":
            // Azure accepts a quarter of an hour.
            let theirs = answer.headers["date"].flatMap { WallTime(httpDate: $0) }
            let ahead = theirs.map { now.seconds - $0.seconds } ?? 0
            switch credentials {
            case _ where abs(ahead) > 14 * 60: return .clock(ahead: ahead)
            case .sharedKey: return .wrongKey
            case .signature: return .wrongSignature
            case .token: return .wrongToken
            }
        case "KeyBasedAuthenticationNotPermitted": return .keysAreOff
        case "ContainerNotFound": return .noContainer
        case "ContainerBeingDeleted": return .containerIsBeingDeleted
        case "AuthorizationPermissionMismatch", "InsufficientAccountPermissions":
            if case .signature = credentials {
                return .needsPermission(operation.permission, resource: container)
            }
            return .needsRole(operation.role, resource: container)
        case "AuthorizationFailure", "AuthorizationSourceIPMismatch", "AuthorizationServiceMismatch",
            "AuthorizationResourceTypeMismatch":
            return .notAllowedHere
        case "AuthorizationProtocolMismatch", "AccountRequiresHttps": return .requiresHTTPS
        case "AccountIsDisabled": return .accountIsDisabled
        case "BlobArchived", "BlobBeingRehydrated": return .archived
        case "SnapshotsPresent": return .hasSnapshots
        case "LeaseIdMissing", "BlobImmutableDueToPolicy": return .protected
        default:
            return (300..<400).contains(answer.status) ? .otherService(redirects: answer.redirectTarget) : .none
        }
    }

    /// The codes of errors after which credentials are renewed: a key or a token may have been replaced.
    static let expiredCodes: Set<String> = [
        "AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation",
    ]

    /// The codes of errors about keys and clocks, which are not about permissions.
    private static let identityCodes: Set<String> = expiredCodes.union([
        "KeyBasedAuthenticationNotPermitted", "AccountIsDisabled", "AccountRequiresHttps",
        "AuthorizationProtocolMismatch",
    ])

    private static func foreignMeaning(_ answer: HTTPAnswer) -> AzureRefusal.Meaning {
        if answer.status == 400, String(decoding: answer.body, as: UTF8.self).uppercased().contains("HTTPS") {
            return .requiresHTTPS
        }
        return .notAzure(source: answer.source)
    }

    /// Servers may omit the body.
    private static func code(status: Int) -> String {
        switch status {
        case 300..<400: "Redirect"
        case 400: "BadRequest"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "ResourceNotFound"
        case 408: "RequestTimeout"
        case 409: "Conflict"
        case 429: "TooManyRequests"
        case 503: "ServerBusy"
        default: "Unknown"
        }
    }

    private static func isTransient(status: Int, code: String) -> Bool {
        switch code {
        case "ServerBusy", "OperationTimedOut", "InternalError", "ContainerBeingDeleted", "Md5Mismatch": true
        // 501 (not implemented) and 505 (HTTP version not supported) are permanent.
        default: status == 429 || status == 408 || (status >= 500 && status != 501 && status != 505)
        }
    }
}
