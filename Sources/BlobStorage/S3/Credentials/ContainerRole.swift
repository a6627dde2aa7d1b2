import HTTP
import Support

/// The role of an ECS task or an EKS pod, from the service that the environment names.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
struct ContainerRole: Sendable, Equatable {
    /// What is sent as `Authorization`.
    enum Token: Sendable, Equatable {
        case none
        case text(String)
        /// Read before each request: the pod identity of EKS replaces it.
        case file(String)
    }

    var url: ServiceURL
    var token: Token

    /// Without the path: that of ECS is as good as a password.
    var origin: CredentialOrigin { .container(service: url.place) }

    private static let ecs = "http://169.254.170.2"
    private static let relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    private static let full = "AWS_CONTAINER_CREDENTIALS_FULL_URI"

    /// The service as the environment says; nil if it names none.
    static func found(_ environment: (String) -> String?) throws(CredentialSetting) -> ContainerRole? {
        func variable(_ name: String) -> String { keyText(environment(name) ?? "") }
        let (relative, full) = (variable(relative), variable(full))
        guard !relative.isEmpty || !full.isEmpty else { return nil }
        let name = relative.isEmpty ? Self.full : Self.relative
        guard relative.isEmpty || relative.hasPrefix("/") else { throw .badPath(name) }
        guard let url = ServiceURL(relative.isEmpty ? full : ecs + relative) else { throw .badURL(name) }
        guard url.scheme == "https" || url.isContainerService else { throw .unprotected(name, host: url.host) }
        let (file, text) = (
            variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        )
        return ContainerRole(url: url, token: !file.isEmpty ? .file(file) : text.isEmpty ? .none : .text(text))
    }

    /// - Throws: ``CredentialFailure/Problem``, or `CancellationError`.
    func fetch(_ tls: TLSOptions, _ cancellation: CancellationSignal) throws -> IssuedCredentials {
        var headers = [(name: "Accept", value: "application/json")]
        var secrets: [String] = []
        if let token = try readToken() {
            headers.append(("Authorization", token))
            secrets.append(token)
        }
        let client = url.scheme == "http" ? CredentialClient.near() : .far(url, tls)
        return try IssuedCredentials(
            json: try client.send("GET", url.text(), headers, cancellation), hiding: secrets)
    }

    private func readToken() throws(CredentialFailure.Problem) -> String? {
        switch token {
        case .none: return nil
        case .text(let token): return token
        case .file(let file):
            do throws(HTTPSetupError) {
                return try readKeyFile(file, for: .containerToken)
            } catch {
                throw .setup(error)
            }
        }
    }
}
