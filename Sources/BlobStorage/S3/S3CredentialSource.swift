import HTTP
import Support
import Synchronization

/// Provides the keys from the configuration, files, the environment, or the file of the AWS tools.
///
/// The order, and the names in the environment and the file, are those of the AWS tools:
/// <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>
final class S3CredentialSource: Sendable {
    private let options: S3Options
    private let environment: @Sendable (String) -> String?
    private let state: Mutex<(credentials: S3Credentials, readAt: ContinuousClock.Instant)>

    /// - Throws: ``BlobStoreError`` if there are no keys, or a file cannot be read.
    init(_ options: S3Options, environment: @escaping @Sendable (String) -> String?) throws(BlobStoreError) {
        self.options = options
        self.environment = environment
        state = Mutex((try Self.read(options, environment), .now))
    }

    /// May block: reads files.
    func current() -> S3Credentials {
        state.withLock { state in
            if state.readAt.duration(to: .now) >= options.secretsRefreshInterval {
                // The file may be in the middle of a replacement: the old keys stay in use until it can be read.
                if let credentials = try? Self.read(options, environment) { state.credentials = credentials }
                state.readAt = .now
            }
            return state.credentials
        }
    }

    private static func read(
        _ options: S3Options, _ environment: (String) -> String?
    ) throws(BlobStoreError) -> S3Credentials {
        let access = try key(.accessKey, options.accessKey, options.accessKeyFile)
        let secret = try key(.secretKey, options.secretKey, options.secretKeyFile)
        if let access, let secret { return S3Credentials(accessKey: access, secretKey: secret) }
        guard access == nil && secret == nil else {
            throw BlobStoreError(.other, nil, .incompleteKeys(missing: access == nil ? .accessKey : .secretKey))
        }
        let named = S3Credentials(
            environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"), environment("AWS_SESSION_TOKEN"))
        if let named { return named }
        return try fromSharedFile(environment)
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

    private static func fromSharedFile(_ environment: (String) -> String?) throws(BlobStoreError) -> S3Credentials {
        let chosen = keyText(environment("AWS_PROFILE") ?? "")
        let profile = chosen.isEmpty ? "default" : chosen
        let named = environment("AWS_SHARED_CREDENTIALS_FILE") ?? ""
        let path = named.isEmpty ? "\(environment("HOME") ?? "")/.aws/credentials" : named
        let bytes: [UInt8]
        do throws(HTTPSetupError) {
            bytes = try readSmallFile(path, for: .sharedCredentials)
        } catch {
            throw BlobStoreError(error.isAccessDenied ? .accessDenied : .other, nil, .noKeys(error))
        }
        guard let credentials = parseCredentials(String(decoding: bytes, as: UTF8.self), profile: profile) else {
            throw BlobStoreError(.other, nil, .noProfile(profile, file: path))
        }
        return credentials
    }
}

/// The keys of one profile in a file of the AWS tools; nil if it is missing or incomplete.
func parseCredentials(_ text: String, profile: String) -> S3Credentials? {
    var values: [String: String] = [:]
    var isWanted = false
    for line in text.split(whereSeparator: \.isNewline) {
        let line = keyText(String(line))
        if line.hasPrefix("#") || line.hasPrefix(";") { continue }
        if line.hasPrefix("["), let end = line.lastIndex(of: "]") {
            isWanted = keyText(String(line[line.index(after: line.startIndex)..<end])) == profile
        } else if isWanted, let equals = line.firstIndex(of: "=") {
            values[keyText(String(line[..<equals])).lowercased()] = String(line[line.index(after: equals)...])
        }
    }
    return S3Credentials(
        values["aws_access_key_id"], values["aws_secret_access_key"], values["aws_session_token"])
}

extension S3Credentials {
    /// The keys found; nil if one of the two is missing.
    fileprivate init?(_ access: String?, _ secret: String?, _ token: String?) {
        let (access, secret, token) = (keyText(access ?? ""), keyText(secret ?? ""), keyText(token ?? ""))
        guard !access.isEmpty, !secret.isEmpty else { return nil }
        self.init(accessKey: access, secretKey: secret, sessionToken: token.isEmpty ? nil : token)
    }
}
