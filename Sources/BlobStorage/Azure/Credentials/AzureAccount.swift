import HTTP
import Support

/// Where a container is, and how requests to it become acceptable: from the configuration, then from the environment, in the order of
/// Azure's own tools.
struct AzureAccount: Sendable, Equatable {
    var endpoint: AzureEndpoint
    var provider: AzureProvider

    /// Reads a file with a key, and sends no request.
    static func find(
        _ options: AzureOptions, _ environment: (String) -> String?
    ) throws(BlobStoreError) -> AzureAccount {
        do {
            return try look(options, environment)
        } catch let setting as AzureSetting {
            throw BlobStoreError(.other, nil, .azure(setting))
        } catch let setting as CredentialSetting {
            throw BlobStoreError(.other, nil, .badCredentialSetting(setting))
        } catch {
            throw BlobStoreError(.other, "\(error)")
        }
    }

    private static func look(_ options: AzureOptions, _ environment: (String) -> String?) throws -> AzureAccount {
        func variable(_ name: String) -> String { keyText(environment(name) ?? "") }
        let key = keyText(options.accountKey)
        // Whoever configures a key means it, and the account of the configuration.
        let text = key.isEmpty && options.accountKeyFile.isEmpty ? variable(ConnectionString.variable) : ""
        let string = text.isEmpty ? nil : try ConnectionString(text)
        if let other = string?.account, !options.accountName.isEmpty, other != options.accountName {
            throw AzureSetting.otherAccount(configured: options.accountName, inEnvironment: other)
        }
        let named = [
            options.accountName, string?.account ?? "", string == nil ? variable("AZURE_STORAGE_ACCOUNT") : "",
            AzureEndpoint.account(in: options.endpointURL) ?? AzureEndpoint.account(in: string?.endpoint ?? "") ?? "",
        ]
        let account = named.first { !$0.isEmpty } ?? ""
        guard account.isEmpty || AzureEndpoint.isAccountName(account) else {
            throw AzureSetting.badAccountName(account)
        }
        let endpoint: AzureEndpoint
        if !options.endpointURL.isEmpty {
            endpoint = try AzureEndpoint(url: options.endpointURL, container: options.container)
        } else if let given = string?.endpoint {
            endpoint = try AzureEndpoint(url: given, container: options.container, isSecret: true)
        } else {
            guard !account.isEmpty else { throw AzureSetting.noAccount }
            endpoint = try AzureEndpoint(
                url: AzureEndpoint.standard(
                    account: account, scheme: string?.scheme ?? "https", suffix: string?.suffix ?? "core.windows.net"),
                container: options.container)
        }
        let provider = try provider(options, key, account, string, environment)
        if provider.givesToken, endpoint.scheme != "https", !endpoint.isLocal {
            throw AzureSetting.tokenInTheClear(host: endpoint.authority)
        }
        return AzureAccount(endpoint: endpoint, provider: provider)
    }

    private static func provider(
        _ options: AzureOptions, _ key: String, _ account: String, _ string: ConnectionString?,
        _ environment: (String) -> String?
    ) throws -> AzureProvider {
        func known(key text: String, _ origin: CredentialOrigin) throws -> AzureProvider {
            guard !account.isEmpty else { throw AzureSetting.noAccount }
            return .known(try AzureCredentials.key(text, account: account, origin), origin)
        }
        func variable(_ name: String) -> String { keyText(environment(name) ?? "") }
        if !options.accountKeyFile.isEmpty {
            guard !account.isEmpty else { throw AzureSetting.noAccount }
            return .keyFile(options.accountKeyFile, account: account)
        }
        if !key.isEmpty { return try known(key: key, .configuration) }
        let origin = CredentialOrigin.variable(ConnectionString.variable)
        if let key = string?.key { return try known(key: key, origin) }
        if let text = string?.signature, !options.useSharedKey,
            let signature = try AzureCredentials.signature(in: text, origin)
        {
            return .known(signature, origin)
        }
        let inEnvironment = variable("AZURE_STORAGE_KEY")
        if !inEnvironment.isEmpty { return try known(key: inEnvironment, .variable("AZURE_STORAGE_KEY")) }
        guard !options.useSharedKey else { throw AzureSetting.noSharedKey }
        let given = CredentialOrigin.variable("AZURE_STORAGE_SAS_TOKEN")
        if let signature = try AzureCredentials.signature(in: variable("AZURE_STORAGE_SAS_TOKEN"), given) {
            return .known(signature, given)
        }
        if let request = try TokenRequest.found(environment) { return .application(request) }
        return .managed(try ManagedIdentity.found(environment))
    }
}

/// The parts of a connection string, as the portal of Azure shows it.
struct ConnectionString: Sendable, Equatable {
    var account, key, signature, endpoint, suffix, scheme: String?

    static let variable = "AZURE_STORAGE_CONNECTION_STRING"

    init(_ text: String) throws(AzureSetting) {
        var values: [String: String] = [:]
        for part in text.split(separator: ";") {
            guard let equals = part.firstIndex(of: "="), equals > part.startIndex else {
                throw .badConnectionString(.form)
            }
            values[keyText(String(part[..<equals])).lowercased()] =
                keyText(String(part[part.index(after: equals)...]))
        }
        func value(_ name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }
        guard value("usedevelopmentstorage")?.lowercased() != "true" else { throw .badConnectionString(.emulator) }
        account = value("accountname")
        key = value("accountkey")
        signature = value("sharedaccesssignature")
        endpoint = value("blobendpoint")
        suffix = value("endpointsuffix")
        scheme = value("defaultendpointsprotocol")
        guard key != nil || signature != nil else { throw .badConnectionString(.noCredentials) }
    }
}
