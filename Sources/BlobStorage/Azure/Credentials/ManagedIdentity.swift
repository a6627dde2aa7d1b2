import HTTP
import Support

/// The managed identity of a virtual machine, from its metadata service (IMDS), or of an App Service, a function or a
/// container app, from the service that the environment names.
///
/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
struct ManagedIdentity: Sendable, Equatable {
    var service: ServiceURL
    /// The secret that the service of an application expects; nil for the metadata service.
    var header: String?
    /// One of several identities; empty for the only one.
    var client: String

    var origin: CredentialOrigin {
        header == nil
            ? .azureMachine(client: client, service: service.place)
            : .azureApp(client: client, service: service.place)
    }

    private static let metadata = "http://169.254.169.254"

    /// The service as the environment says.
    static func found(_ environment: (String) -> String?) throws(CredentialSetting) -> ManagedIdentity {
        func variable(_ name: String) -> String { keyText(environment(name) ?? "") }
        let client = variable("AZURE_CLIENT_ID")
        let (endpoint, header) = (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER"))
        if !endpoint.isEmpty, !header.isEmpty {
            guard let service = ServiceURL(endpoint), !service.path.contains("?") else {
                throw .badURL("IDENTITY_ENDPOINT")
            }
            return ManagedIdentity(service: service, header: header, client: client)
        }
        let named = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
        let host = variable(named)
        guard let service = ServiceURL(host.isEmpty ? metadata : host), !service.path.contains("?") else {
            throw .badURL(named)
        }
        return ManagedIdentity(service: service, header: nil, client: client)
    }

    /// - Throws: ``CredentialFailure/Problem``, or `CancellationError`.
    func fetch(
        now: @Sendable () -> WallTime, _ cancellation: CancellationSignal
    ) throws -> Issued<AzureCredentials> {
        let own: [(name: String, value: String)] =
            header.map { [("X-IDENTITY-HEADER", $0)] } ?? [("Metadata", "true")]
        let path =
            header == nil
            ? "/metadata/identity/oauth2/token?api-version=2018-02-01" : "?api-version=2019-08-01"
        let identity = client.isEmpty ? "" : "&client_id=\(percentEncoded(client))"
        let url = service.text("\(path)&resource=\(percentEncoded(AzureToken.resource))\(identity)")
        let answer = try CredentialClient.near().send("GET", url, own + [("Accept", "application/json")], cancellation)
        return try AzureToken.read(answer, hiding: header.map { [$0] } ?? [], now: now())
    }
}
