import BlobStorage
import HTTP

/// What to do about credentials that the environment of the process should provide.
extension Advice {
    static func cure(of setting: CredentialSetting) -> String {
        switch setting {
        case .missing(let variable, _): "set \(variable)"
        case .badURL(let variable), .badPath(let variable): "check \(variable)"
        case .unprotected, .needsHTTPS: "use https"
        case .incompleteProfile: "complete the profile"
        case .unsupportedProfile:
            "use a profile with keys or a role, or set storage.options.access_key and storage.options.secret_key"
        case .noSourceProfile: "check source_profile or credential_source"
        }
    }

    static func cure(of failure: CredentialFailure) -> String {
        switch (failure.problem, failure.origin) {
        case (.setup(let error), _): cure(of: error)
        case (.unanswered(let failure), .instance) where failure.reason == .timeout || failure.reason == .tooSlow:
            "in a container on the instance, raise the hop limit of its metadata service to 2"
        case (.unanswered, .azureMachine): "check that this machine runs on Azure"
        case (.unanswered, .azureApp): "check IDENTITY_ENDPOINT"
        case (.unanswered, .instance): "check that this host is an EC2 instance, and AWS_EC2_METADATA_SERVICE_ENDPOINT"
        case (.unanswered(let failure), _) where failure.reason == .tls:
            "the certificate must be signed by a CA of this machine or of storage.options.tls.ca_file"
        case (.unanswered, .container):
            "check AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI, and the service there"
        case (.unanswered, .azureWorkload), (.unanswered, .azureApplication):
            "check the network and AZURE_AUTHORITY_HOST"
        case (.unanswered, _): "check the network, AWS_REGION and AWS_ENDPOINT_URL_STS"
        case (.noSessionTokens, _): "enable the metadata service of the instance with IMDSv2"
        case (.noRole, _): "attach an instance profile with a role"
        case (.refused, .webIdentity): "check the trust policy of the role, and that the token is valid"
        case (.refused, .assumedRole): "check the trust policy of the role, and the keys that assume it"
        case (.refused, .container): "check the role of the task or pod, and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
        case (.refused, .azureMachine), (.refused, .azureApp):
            "assign a managed identity to it, and check AZURE_CLIENT_ID"
        case (.refused, .azureWorkload):
            "check AZURE_TENANT_ID, AZURE_CLIENT_ID and the federated credentials of the application"
        case (.refused, .azureApplication): "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
        case (.refused, _): "check the role of the instance"
        case (.unusable, _): "check the address: another service may answer"
        case (.expired, _): "check the clock of this machine"
        case (.noKeys, _): "restore them"
        }
    }
}
