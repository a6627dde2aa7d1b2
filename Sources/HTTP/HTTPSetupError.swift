import Glibc
import Support

/// What a local file contains.
package enum FilePurpose: String, Sendable {
    /// Certificates that verify servers.
    case authorities = "CA certificates"
    /// The certificates of the distribution.
    case systemAuthorities = "CA certificates of the system"
    /// The certificate that is shown to servers.
    case certificate = "client certificate"
    /// Its key.
    case certificateKey = "key of the client certificate"
    /// The name of an S3 account's key.
    case accessKey = "access key"
    /// The key itself.
    case secretKey = "secret key"
    /// The profiles of the AWS tools, with their keys.
    case sharedCredentials = "profiles of the AWS tools"
    /// The token for the service that has the role of a container.
    case containerToken = "authorization token of the container"
    /// The token with which a role is assumed.
    case webIdentityToken = "web identity token"
    /// The key of an Azure storage account.
    case accountKey = "account key"
    /// The token that a workload shows to get one for Azure.
    case federatedToken = "federated token"
    /// The key of PowerDNS's API.
    case apiKey = "API key"
}

/// A local problem that prevents all requests.
package enum HTTPSetupError: Error, Sendable, Equatable, CustomStringConvertible {
    /// OpenSSL does not provide SHA-256.
    case noSHA256
    /// libcurl cannot be initialised.
    case curlDoesNotStart
    /// A client certificate without its key, or the reverse.
    case certificateWithoutKey
    /// A text is not PEM; the file is empty if the text is not from a file.
    case notPEM(FilePurpose, file: String)
    /// None of the system's certificate files exists.
    case noSystemAuthorities([String])
    /// A file cannot be read.
    case unreadable(FilePurpose, SystemError)
    /// The first line of a file contains no key.
    case noKey(FilePurpose, file: String)

    /// Whether access to a file is denied.
    package var isAccessDenied: Bool {
        if case .unreadable(_, let error) = self { error.code == EACCES } else { false }
    }

    /// The problem without the purpose of the file.
    package var reason: String {
        if case .unreadable(_, let error) = self { error.description.oneLine() } else { description }
    }

    /// One line: problem and place.
    package var description: String {
        switch self {
        case .noSHA256: "OpenSSL does not provide SHA-256"
        case .curlDoesNotStart: "libcurl cannot be initialised"
        case .certificateWithoutKey: "a client certificate needs both a certificate and a key"
        case .notPEM(let purpose, let file):
            "\(purpose.rawValue)\(file.isEmpty ? "" : ": \(file.oneLine())") is not PEM: -----BEGIN is missing"
        case .noSystemAuthorities(let places):
            "\(FilePurpose.systemAuthorities.rawValue): none of \(places.joined(separator: ", ")) exists"
        case .unreadable(let purpose, let error): "\(purpose.rawValue): \(error)".oneLine()
        case .noKey(let purpose, let file):
            "\(purpose.rawValue): \(file.oneLine()) has no key in its first line"
        }
    }
}
