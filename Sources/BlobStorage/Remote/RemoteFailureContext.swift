import HTTP

/// A request to a storage on a network, for its errors.
protocol RemoteFailureContext: Sendable {
    /// The server, as in its URL.
    var authority: String { get }

    /// The error of this request.
    func error(_ kind: BlobStoreError.Kind, _ cause: BlobStoreError.Cause, code: String?) -> BlobStoreError
}

extension RemoteFailureContext {
    /// The failure for a request without answer.
    func failure(_ failure: TransferFailure) -> RequestFailure {
        let (kind, code, isTransient) = failure.storageMeaning
        return RequestFailure(
            error: error(kind, .unanswered(failure, authority: authority), code: code), isTransient: isTransient)
    }

    /// The failure for a request without credentials.
    func failure(_ failure: CredentialFailure) -> RequestFailure {
        let attempt = error(.other, .credentials(failure), code: nil).attempt
        return RequestFailure(error: BlobStoreError(failure, attempt), isTransient: failure.problem.isTransient)
    }
}
