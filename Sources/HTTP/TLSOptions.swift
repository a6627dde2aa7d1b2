import Glibc
import Support
import Synchronization

/// Verification of servers, and the client certificate.
package struct TLSOptions: Sendable {
    /// A file of PEM certificates for verifying servers.
    package var caFile: String
    /// The same inline; both are used if both are set.
    package var ca: String
    /// Whether the system's certificates are accepted as well.
    package var addSystemCAPool: Bool
    /// File of the client certificate (PEM).
    package var certFile: String
    /// The same inline.
    package var cert: String
    /// File of its key (PEM).
    package var keyFile: String
    /// The same inline. Secret.
    package var key: String
    /// Whether the files are read again every `watchCertsPollInterval`.
    package var watchCerts: Bool
    /// Interval at which the files are read again with ``watchCerts``.
    package var watchCertsPollInterval: Duration
    /// Accepts every certificate. For experiments only.
    package var insecureSkipVerify: Bool
    /// A file to which session keys are appended, to decrypt a recorded connection. For debugging only.
    ///
    /// libcurl reads it once per process, not per storage, from the environment variable SSLKEYLOGFILE.
    package var insecureKeyLogFile: String

    /// Creates options; the defaults verify servers with the system's certificates, without a client certificate.
    package init(
        caFile: String = "", ca: String = "", addSystemCAPool: Bool = false, certFile: String = "", cert: String = "",
        keyFile: String = "", key: String = "", watchCerts: Bool = false,
        watchCertsPollInterval: Duration = .seconds(5), insecureSkipVerify: Bool = false,
        insecureKeyLogFile: String = ""
    ) {
        self.caFile = caFile
        self.ca = ca
        self.addSystemCAPool = addSystemCAPool
        self.certFile = certFile
        self.cert = cert
        self.keyFile = keyFile
        self.key = key
        self.watchCerts = watchCerts
        self.watchCertsPollInterval = watchCertsPollInterval
        self.insecureSkipVerify = insecureSkipVerify
        self.insecureKeyLogFile = insecureKeyLogFile
    }
}

/// The contents of the files of ``TLSOptions``.
struct TLSMaterial: Sendable, Hashable {
    /// PEM; empty means the system's certificates.
    var authorities: [UInt8] = []
    var certificate: [UInt8] = []
    var key: [UInt8] = []
    var verifies = true
}

/// Reads the files of ``TLSOptions`` again at their interval.
package final class TLSSource: Sendable {
    private let options: TLSOptions
    private let state: Mutex<(material: TLSMaterial, readAt: ContinuousClock.Instant)>

    /// Reads the files.
    package init(_ options: TLSOptions) throws(HTTPSetupError) {
        if options.certFile.isEmpty && options.cert.isEmpty != (options.keyFile.isEmpty && options.key.isEmpty)
            || !options.certFile.isEmpty && options.keyFile.isEmpty && options.key.isEmpty
        {
            throw .certificateWithoutKey
        }
        self.options = options
        state = Mutex((try Self.read(options), .now))
    }

    /// May block: reads files.
    func current() -> TLSMaterial {
        guard options.watchCerts else { return state.withLock { $0.material } }
        return state.withLock { state in
            if state.readAt.duration(to: .now) >= options.watchCertsPollInterval {
                // The file may be in the middle of a replacement: the old contents stay in use until it can be read.
                if let material = try? Self.read(options) { state.material = material }
                state.readAt = .now
            }
            return state.material
        }
    }

    private static func read(_ options: TLSOptions) throws(HTTPSetupError) -> TLSMaterial {
        func content(_ purpose: FilePurpose, _ file: String, _ inline: String) throws(HTTPSetupError) -> [UInt8] {
            var result = Array(inline.utf8)
            if !file.isEmpty { result += Array("\n".utf8) + (try readSmallFile(file, for: purpose)) }
            guard result.isEmpty || String(decoding: result, as: UTF8.self).contains("-----BEGIN ") else {
                throw .notPEM(purpose, file: file)
            }
            return result
        }
        var material = TLSMaterial()
        material.authorities = try content(.authorities, options.caFile, options.ca)
        if options.addSystemCAPool && !material.authorities.isEmpty {
            material.authorities += Array("\n".utf8) + (try systemAuthorities())
        }
        material.certificate = try content(.certificate, options.certFile, options.cert)
        material.key = try content(.certificateKey, options.keyFile, options.key)
        material.verifies = !options.insecureSkipVerify
        return material
    }

    /// The certificate bundle of the distribution.
    private static func systemAuthorities() throws(HTTPSetupError) -> [UInt8] {
        var places = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]
        if let named = getenv("SSL_CERT_FILE") { places.insert(String(cString: named), at: 0) }
        for place in places where access(place, R_OK) == 0 {
            return try readSmallFile(place, for: .systemAuthorities)
        }
        throw .noSystemAuthorities(places)
    }
}
