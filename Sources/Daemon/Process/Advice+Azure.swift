import BlobStorage

/// What to do about failures of an Azure storage.
extension Advice {
    static func cure(of setting: AzureSetting) -> String {
        switch setting {
        case .noContainer, .badContainerName: "set \(option("container"))"
        case .noAccount, .badAccountName: "set \(option("account_name"))"
        case .badEndpoint(nil): "check \(option("endpoint_url")), or BlobEndpoint in AZURE_STORAGE_CONNECTION_STRING"
        case .badEndpoint: "set \(option("endpoint_url")), as in https://account.blob.core.windows.net"
        case .badKey(.configuration): "check \(option("account_key")) or its file"
        case .badKey, .badConnectionString: "copy it again from the access keys of the storage account"
        case .badSignature: "copy it again, without the address in front of it"
        case .noSharedKey:
            "set \(option("account_key")) or \(option("account_key_file")), or \(option("use_shared_key")) to false"
        case .otherAccount: "unset one of the two"
        case .tokenInTheClear: "use https:// in \(option("endpoint_url"))"
        case .noCredentials(let failure):
            "set \(option("account_name")) and \(option("account_key")); for an identity of this machine, "
                + cure(of: failure)
        }
    }

    static func cure(of meaning: AzureRefusal.Meaning, createsPlace: Bool) -> String {
        switch meaning {
        case .wrongKey:
            "check \(option("account_key")) and \(option("account_name")), and that no proxy changes the path or headers"
        case .wrongSignature: "create a new one"
        case .wrongToken: "check the tenant of the identity and of the storage account"
        case .clock(nil): "set the clock of this machine or of the server"
        case .clock: "set it"
        case .keysAreOff: "use an identity, or allow key access in the settings of the account"
        case .noContainer:
            createsPlace
                ? "check \(option("container")); create_container is true, so sync creates it at start"
                : "check \(option("container")), or set create_container"
        case .notAllowedHere: "check the firewall of the account"
        case .archived: "move it to the hot or cool tier"
        case .hasSnapshots: "delete them"
        case .otherService: "\(option("endpoint_url")) must name the blob service itself"
        case .notAzure: checkEndpoint
        case .requiresHTTPS: "use https:// in \(option("endpoint_url"))"
        // The answer says what is missing.
        case .needsRole, .needsPermission, .containerIsBeingDeleted, .accountIsDisabled, .protected, .none: ""
        }
    }
}
