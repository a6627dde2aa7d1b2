import Glibc
import Support

/// A local problem that prevents all requests.
package enum HTTPSetupError: Error, Sendable, CustomStringConvertible {
    /// OpenSSL does not provide SHA-256.
    case noSHA256
    /// libcurl cannot be initialised.
    case curlDoesNotStart
    /// A client certificate without its key, or the reverse.
    case certificateWithoutKey
    /// The value of an option is not PEM; the file is empty if the value is inline.
    case notPEM(option: String, file: String)
    /// None of the system's certificate files exists.
    case noSystemAuthorities([String])
    /// The file of an option cannot be read.
    case unreadable(option: String, SystemError)
    /// The first line of an option's file contains no key.
    case noKey(option: String, file: String)

    /// Whether access to a file is denied.
    package var isAccessDenied: Bool {
        if case .unreadable(_, let error) = self { error.code == EACCES } else { false }
    }

    /// One line: problem, place and fix.
    package var description: String {
        switch self {
        case .noSHA256: "OpenSSL does not provide SHA-256: check its installation and configuration"
        case .curlDoesNotStart: "libcurl cannot be initialised"
        case .certificateWithoutKey:
            "tls: a client certificate needs both cert (or cert_file) and key (or key_file)"
        case .notPEM(let option, let file):
            "\(option)\(file.isEmpty ? "" : " \(file.oneLine())") is not PEM: -----BEGIN is missing"
        case .noSystemAuthorities(let places):
            "tls.add_system_ca_pool: none of \(places.joined(separator: ", ")) exists; install ca-certificates"
        case .unreadable(let option, let error): "\(option): \(error)".oneLine()
        case .noKey(let option, let file): "\(option) \(file.oneLine()) has no key in its first line"
        }
    }
}
