import Support

/// Where the credentials of a storage come from; without secrets.
package indirect enum CredentialOrigin: Sendable, Equatable {
    /// The configuration, or the files that it names.
    case configuration
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    case environment
    /// The keys of a profile in the files that AWS's tools share.
    case profile(String, file: String)
    /// A role that the STS at this address gives for the token in a file.
    case webIdentity(role: String, tokenFile: String, service: String)
    /// A role that the STS at this address gives to another role or key.
    case assumedRole(role: String, by: CredentialOrigin, service: String)
    /// The role of an ECS task or of an EKS pod, from this address.
    case container(service: String)
    /// The role of an EC2 instance, from the metadata service at this address.
    case instance(service: String)
    /// A variable of the environment.
    case variable(String)
    /// The application that shows Entra ID at this address the federated token in a file.
    case azureWorkload(client: String, tokenFile: String, service: String)
    /// The application that shows Entra ID at this address its secret.
    case azureApplication(client: String, service: String)
    /// The managed identity of this machine, from the metadata service at this address.
    case azureMachine(client: String, service: String)
    /// The managed identity of this application, from the service of its platform at this address.
    case azureApp(client: String, service: String)

    /// One line, to be read after "from".
    package var text: String {
        switch self {
        case .configuration: "the configuration"
        case .environment: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        case .profile(let name, let file): "profile \(name.oneLine()) in \(file.oneLine())"
        case .webIdentity(let role, let file, let service):
            "\(service.oneLine()) for the role \(role.oneLine()) and the web identity token in \(file.oneLine())"
        case .assumedRole(let role, let base, let service):
            "\(service.oneLine()) for the role \(role.oneLine()), with the keys from \(base.text)"
        case .container(let service): "\(service.oneLine()), the service for roles of containers"
        case .instance(let service): "\(service.oneLine()), the metadata service of EC2 instances"
        case .variable(let name): "\(name) in the environment"
        case .azureWorkload(let client, let file, let service):
            "\(service.oneLine()) for the application \(client.oneLine()) and the federated token in \(file.oneLine())"
        case .azureApplication(let client, let service):
            "\(service.oneLine()) for the application \(client.oneLine()) and its secret in the environment"
        case .azureMachine(let client, let service):
            "\(service.oneLine()), the metadata service of Azure" + Self.identity(client)
        case .azureApp(let client, let service):
            "\(service.oneLine()), the service for managed identities" + Self.identity(client)
        }
    }

    private static func identity(_ client: String) -> String {
        client.isEmpty ? "" : ", for the identity \(client.oneLine())"
    }

    /// Whether only files and the environment are read, without requests.
    var isLocal: Bool {
        switch self {
        case .configuration, .environment, .profile, .variable: true
        case .webIdentity, .assumedRole, .container, .instance, .azureWorkload, .azureApplication, .azureMachine,
            .azureApp:
            false
        }
    }
}

/// The credentials in use, without secrets.
package struct CredentialState: Sendable, Equatable {
    /// Where they come from.
    package var origin: CredentialOrigin
    /// Whether there are any: they are requested with the first request to the storage.
    package var isObtained: Bool
    /// When they expire; nil for never or unknown.
    package var expires: WallTime?

    /// See the properties of the same names.
    package init(origin: CredentialOrigin, isObtained: Bool, expires: WallTime?) {
        (self.origin, self.isObtained, self.expires) = (origin, isObtained, expires)
    }
}

/// What happens to the credentials of a storage.
package enum CredentialNotice: Sendable {
    /// There are new ones. Whether a failure was reported before.
    case renewed(CredentialState, afterFailure: Bool)
    /// A renewal has failed; the previous ones stay in use. Reported once until a renewal succeeds.
    case kept(CredentialState, BlobStoreError)
}
