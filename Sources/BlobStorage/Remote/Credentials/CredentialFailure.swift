import HTTP
import Support

/// Credentials that are not available from where they should come from. The texts of a server are on one line, without secrets.
package struct CredentialFailure: Error, Sendable, Equatable {
    /// Why.
    package enum Problem: Error, Sendable, Equatable {
        /// A file cannot be read, or TLS cannot be set up.
        case setup(HTTPSetupError)
        /// There is no answer.
        case unanswered(TransferFailure)
        /// The service answers with an error.
        case refused(status: Int, code: String, message: String)
        /// The metadata service has no session tokens (IMDSv2).
        case noSessionTokens(status: Int)
        /// The instance has no role.
        case noRole
        /// An answer that cannot be used.
        case unusable(String)
        /// The credentials in the answer have expired.
        case expired(WallTime)
        /// There are no complete keys any more.
        case noKeys
    }

    /// Where they should come from.
    package var origin: CredentialOrigin
    /// The reason.
    package var problem: Problem

    /// See the properties of the same names.
    package init(origin: CredentialOrigin, problem: Problem) { (self.origin, self.problem) = (origin, problem) }

    /// `no credentials from …: …`
    var text: String { "no credentials from \(origin.text): \(problem.text)" }
}

extension CredentialFailure.Problem {
    /// One line.
    var text: String {
        switch self {
        case .setup(let error): error.description
        case .unanswered(let failure): failure.detail.oneLine()
        case .refused(let status, let code, let message):
            (["HTTP \(status)", code].filter { !$0.isEmpty }.joined(separator: " "))
                + (message.isEmpty ? "" : ": \(message)")
        case .noSessionTokens(let status): "HTTP \(status) to the request for a session token (IMDSv2)"
        case .noRole: "the instance has no role"
        case .unusable(let text): text
        case .expired(let time): "those in the answer have expired at \(time.rfc3339(digits: 0))"
        case .noKeys: "there are no complete keys any more"
        }
    }

    /// Whether a retry can succeed.
    var isTransient: Bool {
        switch self {
        case .unanswered(let failure):
            switch failure.reason {
            case .nameResolution, .refused, .timeout, .tooSlow, .broken: true
            case .tls, .handshake, .unusable, .tooLarge: false
            }
        case .refused(let status, let code, _):
            status >= 500 || status == 429 || status == 408
                || ["Throttling", "ThrottlingException", "IDPCommunicationError"].contains(code)
        case .setup, .noSessionTokens, .noRole, .unusable, .expired, .noKeys: false
        }
    }
}

extension CredentialFailure.Problem {
    /// A refusal with the server's words on one line, without secrets.
    static func refused(_ status: Int, _ code: String, _ message: String, hiding secrets: [String] = []) -> Self {
        .refused(
            status: status, code: code.masking(secrets).oneLine(limit: 80),
            message: message.masking(secrets).oneLine(limit: 240))
    }
}

extension BlobStoreError {
    /// The code of an error about credentials that a retry may bring.
    package static let credentialsUnavailable = "CredentialsUnavailable"

    /// An operation for which there are no credentials.
    init(_ failure: CredentialFailure, _ attempt: Attempt? = nil) {
        self.init(
            .other, attempt, .credentials(failure),
            code: failure.problem.isTransient ? Self.credentialsUnavailable : "NoCredentials")
    }
}

/// Why credentials cannot be looked for as the environment and the shared files say.
package enum CredentialSetting: Error, Sendable, Equatable {
    /// A variable needs another one.
    case missing(String, besides: String)
    /// A variable does not contain the URL of a service.
    case badURL(String)
    /// A variable contains a path that does not start with `/`.
    case badPath(String)
    /// A variable contains an http URL of a host to which tokens are not sent in the clear.
    case unprotected(String, host: String)
    /// A variable contains an http URL of a host to which secrets are not sent in the clear.
    case needsHTTPS(String, host: String)
    /// A profile has only one of two keys of the file.
    case incompleteProfile(String, file: String, missing: String)
    /// A profile needs what this program does not have.
    case unsupportedProfile(String, file: String, key: String)
    /// A profile names another one that has no credentials.
    case noSourceProfile(String, file: String, source: String)

    /// One line.
    var text: String {
        switch self {
        case .missing(let missing, let present): "\(present) is set, and \(missing) is not"
        case .badURL(let name): "\(name) is not a URL of the form http://host:port/path"
        case .badPath(let name): "\(name) does not start with /"
        case .unprotected(let name, let host):
            "\(name) names \(host.oneLine(limit: 80)) with http, which is only allowed for this host and the"
                + " services of ECS and EKS (169.254.170.2, 169.254.170.23, [fd00:ec2::23])"
        case .needsHTTPS(let name, let host):
            "\(name) names \(host.oneLine(limit: 80)) with http, which is only allowed for this host"
        case .incompleteProfile(let name, let file, let missing):
            "profile \(name.oneLine()) in \(file.oneLine()) has no \(missing)"
        case .unsupportedProfile(let name, let file, let key):
            "profile \(name.oneLine()) in \(file.oneLine()) has \(key), which is not supported"
        case .noSourceProfile(let name, let file, let source):
            "profile \(name.oneLine()) in \(file.oneLine()) takes its keys from \(source.oneLine()), which has none"
        }
    }
}
