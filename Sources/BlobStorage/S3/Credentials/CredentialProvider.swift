import HTTP
import Support

/// One way to get credentials, with all that it needs.
indirect enum CredentialProvider: Sendable {
    case configuration(S3Options)
    case environment(S3Credentials)
    case profile(SharedProfiles.Profile, SharedProfiles)
    case webIdentity(TokenService, RoleRequest, tokenFile: String)
    case assumedRole(TokenService, RoleRequest, by: CredentialProvider)
    case container(ContainerRole)
    case instance(InstanceRole)

    /// What is to be said of it.
    var origin: CredentialOrigin {
        switch self {
        case .configuration: .configuration
        case .environment: .environment
        case .profile(let profile, _): .profile(profile.name, file: profile.file)
        case .webIdentity(let service, let role, let file):
            .webIdentity(role: role.arn, tokenFile: file, service: service.url.place)
        case .assumedRole(let service, let role, let base):
            .assumedRole(role: role.arn, by: base.origin, service: service.url.place)
        case .container(let role): role.origin
        case .instance(let role): role.origin
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
    ) throws -> IssuedCredentials {
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
    ) throws -> IssuedCredentials {
        switch self {
        case .configuration(let options):
            guard let keys = try CredentialChain.configured(options) else { break }
            return IssuedCredentials(credentials: keys)
        case .environment(let keys): return IssuedCredentials(credentials: keys)
        case .profile(let profile, let files):
            guard let keys = try Self.keys(profile, files) else { break }
            return IssuedCredentials(credentials: keys)
        case .webIdentity(let service, let role, let file):
            return try service.role(role, webIdentity: try Self.token(file), tls, cancellation)
        case .assumedRole(let service, let role, let base):
            let keys = try base.fetch(tls, now: now, cancellation).credentials
            return try service.role(role, as: keys, at: now(), tls, cancellation)
        case .container(let role): return try role.fetch(tls, cancellation)
        case .instance(let role): return try role.fetch(cancellation)
        }
        throw CredentialFailure.Problem.noKeys
    }

    private static func keys(
        _ profile: SharedProfiles.Profile, _ files: SharedProfiles
    ) throws(CredentialFailure.Problem) -> S3Credentials? {
        var unreadable: HTTPSetupError?
        do throws(HTTPSetupError) {
            if let keys = try files.profile(profile.name, unreadable: { unreadable = unreadable ?? $0 })?.keys {
                return keys
            }
        } catch {
            unreadable = error
        }
        if let unreadable { throw .setup(unreadable) }
        return nil
    }

    /// The token is read each time, because Kubernetes replaces it.
    private static func token(_ file: String) throws(CredentialFailure.Problem) -> String {
        do throws(HTTPSetupError) {
            return try readKeyFile(file, for: .webIdentityToken)
        } catch {
            throw .setup(error)
        }
    }
}

extension SharedProfiles.Profile {
    /// The keys in the profile; nil if they are not complete.
    var keys: S3Credentials? {
        S3Credentials(
            values["aws_access_key_id"], values["aws_secret_access_key"], values["aws_session_token"])
    }
}

extension S3Credentials {
    /// The keys found; nil if one of the two is missing.
    init?(_ access: String?, _ secret: String?, _ token: String?) {
        let (access, secret, token) = (keyText(access ?? ""), keyText(secret ?? ""), keyText(token ?? ""))
        guard !access.isEmpty, !secret.isEmpty else { return nil }
        self.init(accessKey: access, secretKey: secret, sessionToken: token.isEmpty ? nil : token)
    }
}
