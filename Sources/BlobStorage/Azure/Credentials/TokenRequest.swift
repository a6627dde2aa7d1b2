import HTTP
import Support

/// Asks Microsoft Entra ID for the token of an application: one whose workload shows a federated token, or one with a secret.
///
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>
struct TokenRequest: Sendable, Equatable {
    /// How the application proves what it is.
    enum Proof: Sendable, Equatable {
        /// Read before each request: Kubernetes replaces it.
        case federatedToken(file: String)
        case secret(String)
    }

    var authority: ServiceURL
    var tenant: String
    var client: String
    var proof: Proof

    var origin: CredentialOrigin {
        switch proof {
        case .federatedToken(let file):
            .azureWorkload(client: client, tokenFile: file, service: authority.place)
        case .secret: .azureApplication(client: client, service: authority.place)
        }
    }

    private static let publicCloud = "https://login.microsoftonline.com"

    /// The application that the environment names; nil if it names none.
    static func found(_ environment: (String) -> String?) throws(CredentialSetting) -> TokenRequest? {
        func variable(_ name: String) -> String { keyText(environment(name) ?? "") }
        let (tenant, client) = (variable("AZURE_TENANT_ID"), variable("AZURE_CLIENT_ID"))
        let (file, secret) = (variable("AZURE_FEDERATED_TOKEN_FILE"), variable("AZURE_CLIENT_SECRET"))
        guard !file.isEmpty || !secret.isEmpty else { return nil }
        let given = secret.isEmpty ? "AZURE_FEDERATED_TOKEN_FILE" : "AZURE_CLIENT_SECRET"
        for (name, value) in [("AZURE_TENANT_ID", tenant), ("AZURE_CLIENT_ID", client)] where value.isEmpty {
            throw .missing(name, besides: given)
        }
        let host = variable("AZURE_AUTHORITY_HOST")
        guard let authority = ServiceURL(host.isEmpty ? publicCloud : host), !authority.path.contains("?") else {
            throw .badURL("AZURE_AUTHORITY_HOST")
        }
        // Who reads the proof on the way can use it.
        guard authority.scheme == "https" || authority.isLoopback else {
            throw .needsHTTPS("AZURE_AUTHORITY_HOST", host: authority.host)
        }
        return TokenRequest(
            authority: authority, tenant: tenant, client: client,
            proof: secret.isEmpty ? .federatedToken(file: file) : .secret(secret))
    }

    /// - Throws: ``CredentialFailure/Problem``, or `CancellationError`.
    func fetch(
        _ tls: TLSOptions, now: @Sendable () -> WallTime, _ cancellation: CancellationSignal
    ) throws -> Issued<AzureCredentials> {
        var form = [
            ("grant_type", "client_credentials"), ("client_id", client), ("scope", "\(AzureToken.resource).default"),
        ]
        let shown: String
        switch proof {
        case .federatedToken(let file):
            do throws(HTTPSetupError) {
                shown = try readKeyFile(file, for: .federatedToken)
            } catch {
                throw CredentialFailure.Problem.setup(error)
            }
            form += [
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", shown),
            ]
        case .secret(let secret):
            shown = secret
            form.append(("client_secret", secret))
        }
        let body = form.map { "\($0.0)=\(percentEncoded($0.1))" }.joined(separator: "&")
        let answer = try CredentialClient.far(authority, tls).send(
            "POST", authority.text("/\(percentEncoded(tenant))/oauth2/v2.0/token"),
            [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")],
            body: Array(body.utf8), cancellation)
        return try AzureToken.read(answer, hiding: [shown], now: now())
    }
}
