import Glibc
import Support

/// Why no request can be made at all: something on this machine has to be put right first.
package enum HTTPSetupError: Error, Sendable, CustomStringConvertible {
    /// OpenSSL does not offer SHA-256.
    case noSHA256
    /// libcurl does not start.
    case curlDoesNotStart
    /// Of a client certificate and its key one is missing.
    case certificateWithoutKey
    /// What an option gives is not PEM; the file, empty where it is inline.
    case notPEM(option: String, file: String)
    /// None of the files with the machine's certificates exists.
    case noSystemAuthorities([String])
    /// The file that an option names can't be read.
    case unreadable(option: String, SystemError)
    /// There is no key in the first line of the file that an option names.
    case noKey(option: String, file: String)

    /// Whether the system refuses access to a file.
    package var isAccessDenied: Bool {
        if case .unreadable(_, let error) = self { error.code == EACCES } else { false }
    }

    /// One line: what, where, and what to do.
    package var description: String {
        switch self {
        case .noSHA256: "OpenSSL does not offer SHA-256: check its installation and configuration"
        case .curlDoesNotStart: "libcurl does not start"
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
