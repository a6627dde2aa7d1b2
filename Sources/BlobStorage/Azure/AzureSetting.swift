import HTTP

/// Why an Azure storage cannot be opened as it is configured; without secrets.
package enum AzureSetting: Error, Sendable, Equatable {
    /// No container is given.
    case noContainer
    /// A text that cannot be the name of a container.
    case badContainerName(String)
    /// No account is given, and the address does not name one.
    case noAccount
    /// A text that cannot be the name of a storage account.
    case badAccountName(String)
    /// A text that is not the address of a storage account's blob service; nil if it may contain a secret.
    case badEndpoint(String?)
    /// A key from here is not base64.
    case badKey(CredentialOrigin)
    /// A text from here is not a shared access signature.
    case badSignature(CredentialOrigin)
    /// The key of the account is to be used, and there is none.
    case noSharedKey
    /// The connection string in the environment cannot be used.
    case badConnectionString(ConnectionStringProblem)
    /// The connection string in the environment is for another account than the configuration.
    case otherAccount(configured: String, inEnvironment: String)
    /// A token must not be sent to this host in the clear.
    case tokenInTheClear(host: String)
    /// There are no credentials anywhere, and why this machine has no identity.
    case noCredentials(CredentialFailure)

    /// What is wrong with a connection string.
    package enum ConnectionStringProblem: Sendable, Equatable {
        /// A part has no `=`, or no name.
        case form
        /// It has neither a key nor a signature.
        case noCredentials
        /// It names the emulator without its address.
        case emulator

        var text: String {
            switch self {
            case .form: "it does not consist of NAME=VALUE, separated by semicolons"
            case .noCredentials: "it has neither AccountKey nor SharedAccessSignature"
            case .emulator: "UseDevelopmentStorage is not supported"
            }
        }
    }

    /// One line.
    var text: String {
        switch self {
        case .noContainer: "no Azure container is set"
        case .badContainerName(let name):
            "\(name.oneLine()) is not a valid container name: 3 to 63 lower-case letters, digits and - are allowed"
        case .noAccount: "no Azure storage account is set"
        case .badAccountName(let name):
            "\(name.oneLine()) is not a valid name of an Azure storage account: only letters, digits and - are allowed"
        case .badEndpoint(let url?): "\(url.oneLine()) is not the URL of the blob service of an Azure storage account"
        case .badEndpoint(nil): "the URL of the blob service is not valid"
        case .badKey(let origin): "the account key from \(origin.text) is not base64"
        case .badSignature(let origin):
            "the shared access signature from \(origin.text) is not of the form NAME=VALUE&sig=VALUE"
        case .noSharedKey: "no account key is set"
        case .badConnectionString(let problem): "AZURE_STORAGE_CONNECTION_STRING cannot be used: \(problem.text)"
        case .otherAccount(let configured, let other):
            "the configuration names the account \(configured.oneLine()), but AZURE_STORAGE_CONNECTION_STRING is for"
                + " \(other.oneLine())"
        case .tokenInTheClear(let host):
            "the token of an identity would be sent to \(host.oneLine(limit: 80)) in the clear"
        case .noCredentials(let failure):
            "no account key is set, and the environment has neither a key nor a signature nor an identity; "
                + failure.text
        }
    }
}
