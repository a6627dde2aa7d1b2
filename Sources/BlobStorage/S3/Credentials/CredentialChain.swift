import HTTP
import Support

/// Finds where credentials come from: the first of the configuration, then of what AWS's SDKs look for, in their order.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
struct CredentialChain {
    private let options: S3Options
    private let environment: (String) -> String?
    private let files: SharedProfiles

    init(_ options: S3Options, environment: @escaping (String) -> String?) {
        self.options = options
        self.environment = environment
        files = SharedProfiles(environment)
    }

    /// What was found; nil if there is nothing, and whether it is the metadata service, which is always the last one and may not be there.
    struct Found {
        var provider: CredentialProvider?
        var isLastResort = false
        /// Files that could not be read.
        var unreadable: [HTTPSetupError] = []
    }

    /// Reads files, and sends no request.
    func find() throws(BlobStoreError) -> Found {
        if try Self.configured(options) != nil { return Found(provider: .configuration(options)) }
        if let keys = environmentKeys { return Found(provider: .environment(keys)) }
        var unreadable: [HTTPSetupError] = []
        do throws(CredentialSetting) {
            if let provider = try webIdentity() { return Found(provider: provider) }
        } catch {
            throw BlobStoreError(.other, nil, .badCredentialSetting(error))
        }
        if let provider = try profile(&unreadable) { return Found(provider: provider) }
        do throws(CredentialSetting) {
            if let role = try ContainerRole.found(environment) { return Found(provider: .container(role)) }
            let role = try InstanceRole.found(environment)
            return Found(provider: role.map { .instance($0) }, isLastResort: true, unreadable: unreadable)
        } catch {
            throw BlobStoreError(.other, nil, .badCredentialSetting(error))
        }
    }

    /// The keys of the configuration; nil if there are none.
    static func configured(_ options: S3Options) throws(BlobStoreError) -> S3Credentials? {
        let access = try key(.accessKey, options.accessKey, options.accessKeyFile)
        let secret = try key(.secretKey, options.secretKey, options.secretKeyFile)
        if let access, let secret { return S3Credentials(accessKey: access, secretKey: secret) }
        guard access == nil && secret == nil else {
            throw BlobStoreError(.other, nil, .incompleteKeys(missing: access == nil ? .accessKey : .secretKey))
        }
        return nil
    }

    private static func key(
        _ purpose: FilePurpose, _ inline: String, _ file: String
    ) throws(BlobStoreError) -> String? {
        guard !file.isEmpty else {
            let key = keyText(inline)
            return key.isEmpty ? nil : key
        }
        do throws(HTTPSetupError) {
            return try readKeyFile(file, for: purpose)
        } catch {
            throw BlobStoreError(error)
        }
    }

    private func variable(_ name: String) -> String { keyText(environment(name) ?? "") }

    private var environmentKeys: S3Credentials? {
        S3Credentials(
            environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"), environment("AWS_SESSION_TOKEN"))
    }

    private func webIdentity() throws(CredentialSetting) -> CredentialProvider? {
        let (file, role) = (variable("AWS_WEB_IDENTITY_TOKEN_FILE"), variable("AWS_ROLE_ARN"))
        // A role without a token is none of ours: tools use the variable for other purposes, too.
        guard !file.isEmpty else { return nil }
        guard !role.isEmpty else {
            throw .missing("AWS_ROLE_ARN", besides: "AWS_WEB_IDENTITY_TOKEN_FILE")
        }
        return .webIdentity(
            try TokenService(environment, region: options.region),
            RoleRequest(arn: role, sessionName: variable("AWS_ROLE_SESSION_NAME")), tokenFile: file)
    }

    // MARK: Profiles

    private func profile(_ unreadable: inout [HTTPSetupError]) throws(BlobStoreError) -> CredentialProvider? {
        let chosen = variable("AWS_PROFILE")
        let name = chosen.isEmpty ? "default" : chosen
        let found: SharedProfiles.Profile?
        do throws(HTTPSetupError) {
            found = try files.profile(name) { unreadable.append($0) }
        } catch {
            throw BlobStoreError(error)
        }
        guard let found else {
            if chosen.isEmpty { return nil }
            if let denied = unreadable.first(where: \.isAccessDenied) { throw BlobStoreError(denied) }
            throw BlobStoreError(.other, nil, .noProfile(name, file: files.place))
        }
        do throws(CredentialSetting) {
            return try provider(found, [])
        } catch {
            throw BlobStoreError(.other, nil, .badCredentialSetting(error))
        }
    }

    /// What a profile says; nil if that is nothing about credentials.
    ///
    /// - Parameter users: the profiles that take their keys from this one.
    private func provider(
        _ profile: SharedProfiles.Profile, _ users: [String]
    ) throws(CredentialSetting) -> CredentialProvider? {
        if !profile["role_arn"].isEmpty, users.last != profile.name {
            if let base = try roleBase(profile, users) {
                if !profile["mfa_serial"].isEmpty { throw unsupported(profile, "mfa_serial") }
                return .assumedRole(try tokenService(profile), role(profile), by: base)
            }
            let token = profile["web_identity_token_file"]
            if !token.isEmpty { return .webIdentity(try tokenService(profile), role(profile), tokenFile: token) }
        }
        if profile.keys != nil { return .profile(profile, files) }
        for (key, other) in [
            ("aws_access_key_id", "aws_secret_access_key"), ("aws_secret_access_key", "aws_access_key_id"),
        ] where !profile[key].isEmpty {
            throw .incompleteProfile(profile.name, file: profile.file, missing: other)
        }
        for key in ["sso_session", "sso_start_url", "credential_process", "login_session"]
        where !profile[key].isEmpty {
            throw unsupported(profile, key)
        }
        return nil
    }

    /// The credentials with which a profile assumes its role; nil if it names none.
    private func roleBase(
        _ profile: SharedProfiles.Profile, _ users: [String]
    ) throws(CredentialSetting) -> CredentialProvider? {
        let (source, kind) = (profile["source_profile"], profile["credential_source"])
        guard !source.isEmpty || !kind.isEmpty else { return nil }
        var base: CredentialProvider?
        if source.isEmpty {
            switch kind.lowercased() {
            // If there are keys, they come before any profile.
            case "environment": break
            case "ec2instancemetadata": base = try InstanceRole.found(environment).map { .instance($0) }
            case "ecscontainer": base = try ContainerRole.found(environment).map { .container($0) }
            default: throw unsupported(profile, "credential_source = \(kind.oneLine(limit: 40))")
            }
        } else if !users.contains(source), let other = try? files.profile(source) {
            // A profile that names itself has keys of its own.
            base = try provider(other, users + [profile.name])
        }
        guard let base else {
            let name = source.isEmpty ? kind : "profile \(source)"
            throw .noSourceProfile(profile.name, file: profile.file, source: name)
        }
        return base
    }

    private func tokenService(_ profile: SharedProfiles.Profile) throws(CredentialSetting) -> TokenService {
        let region = profile["region"]
        return try TokenService(environment, region: region.isEmpty ? options.region : region)
    }

    private func role(_ profile: SharedProfiles.Profile) -> RoleRequest {
        RoleRequest(
            arn: profile["role_arn"], sessionName: profile["role_session_name"], externalID: profile["external_id"],
            duration: Int(profile["duration_seconds"]))
    }

    private func unsupported(_ profile: SharedProfiles.Profile, _ key: String) -> CredentialSetting {
        .unsupportedProfile(profile.name, file: profile.file, key: key)
    }
}
