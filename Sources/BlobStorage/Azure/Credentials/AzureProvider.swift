import HTTP
import Support

/// One way to get credentials for an Azure storage, with all that it needs.
enum AzureProvider: Sendable, Equatable {
    /// A key or signature of the configuration or the environment.
    case known(AzureCredentials, CredentialOrigin)
    /// The key in a file of the configuration.
    case keyFile(String, account: String)
    /// An application with a token that Kubernetes puts into a file, or with a secret.
    case application(TokenRequest)
    /// The managed identity that a service of the platform hands out.
    case managed(ManagedIdentity)

    /// What is to be said of it.
    var origin: CredentialOrigin {
        switch self {
        case .known(_, let origin): origin
        case .keyFile: .configuration
        case .application(let request): request.origin
        case .managed(let identity): identity.origin
        }
    }

    /// Whether it is asked only because there is nothing else.
    var isLastResort: Bool { if case .managed(let identity) = self { identity.header == nil } else { false } }

    /// Whether it gives a token, which must not be sent in the clear.
    var givesToken: Bool {
        switch self {
        case .known(.token, _), .application, .managed: true
        case .known, .keyFile: false
        }
    }

    /// Gets credentials on the calling thread; may send requests.
    ///
    /// - Parameters:
    ///   - tls: verifies services with https.
    ///   - now: returns the current time.
    /// - Throws: ``CredentialFailure``, `BlobStoreError` about the configuration, or `CancellationError`.
    func fetch(
        _ tls: TLSOptions, now: @Sendable () -> WallTime, _ cancellation: CancellationSignal
    ) throws -> Issued<AzureCredentials> {
        do {
            let issued = try issue(tls, now, cancellation)
            if let expires = issued.expires, expires.seconds <= now().seconds {
                throw CredentialFailure.Problem.expired(expires)
            }
            return issued
        } catch let problem as CredentialFailure.Problem {
            throw CredentialFailure(origin: origin, problem: problem)
        }
    }

    private func issue(
        _ tls: TLSOptions, _ now: @Sendable () -> WallTime, _ cancellation: CancellationSignal
    ) throws -> Issued<AzureCredentials> {
        switch self {
        case .known(let credentials, _): return Issued(credentials: credentials)
        case .keyFile(let file, let account):
            do {
                let text = try readKeyFile(file, for: .accountKey)
                return Issued(credentials: try AzureCredentials.key(text, account: account, .configuration))
            } catch let error as HTTPSetupError {
                throw BlobStoreError(error)
            } catch let setting as AzureSetting {
                throw BlobStoreError(.other, nil, .azure(setting))
            }
        case .application(let request): return try request.fetch(tls, now: now, cancellation)
        case .managed(let identity): return try identity.fetch(now: now, cancellation)
        }
    }
}
