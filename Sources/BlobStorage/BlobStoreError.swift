import HTTP
import Support

/// A failed storage operation, after useless retries have been excluded: what failed, where and why.
package struct BlobStoreError: Error, Sendable, CustomStringConvertible {
    /// The kind of an error, for callers.
    package enum Kind: Sendable, Hashable {
        /// The object (or bucket) does not exist.
        case notFound
        /// The storage refuses this caller.
        case accessDenied
        /// No answer within the configured time.
        case timeout
        /// The object is there as a whole, and must not be used.
        case refused
        /// Anything else.
        case other
    }

    /// What was attempted, and where.
    package struct Attempt: Sendable, Equatable {
        /// The operation as a verb: "load".
        package var operation: String
        /// The object, or a prefix with `*`; nil for the storage itself.
        package var object: String?
        /// The bucket, the directory or the memory.
        package var place: Place

        /// See the properties of the same names.
        package init(operation: String, object: String? = nil, place: Place) {
            self.operation = operation
            self.object = object
            self.place = place
        }

        /// `cannot load NAME in bucket zones`
        var text: String {
            let object = object.map { "\($0.oneLine()) in " } ?? ""
            return "cannot \(operation) \(object)\(place.text)"
        }
    }

    /// Where objects are.
    package enum Place: Sendable, Equatable {
        /// A bucket of this name.
        case bucket(String)
        /// A container of this name.
        case container(String)
        /// A directory.
        case directory(String)
        /// The memory of this process.
        case memory

        var text: String {
            switch self {
            case .bucket(let name): "bucket \(name.oneLine())"
            case .container(let name): "container \(name.oneLine())"
            case .directory(let path): path.oneLine()
            case .memory: "memory"
            }
        }
    }

    /// The kind of the error.
    package var kind: Kind

    /// A short code for metrics: the server's error code, or NotFound, Timeout, DNSError,
    /// URLError, TooLarge, Unknown.
    package var code: String

    /// What was attempted; nil if the storage cannot be opened as configured.
    package var attempt: Attempt?

    /// Why it failed.
    package var cause: Cause

    /// What to do about it, from a room that knows the options of the program; empty if there is nothing to say.
    package var cure = ""

    /// The ``code`` of an error about an answer or an object that exceeds its limit.
    package static let tooLarge = "TooLarge"

    /// Creates an error; the default code depends on the kind.
    package init(_ kind: Kind, _ attempt: Attempt?, _ cause: Cause, code: String? = nil) {
        self.kind = kind
        self.attempt = attempt
        self.cause = cause
        self.code =
            switch kind {
            case .notFound: code ?? "NotFound"
            case .timeout: code ?? "Timeout"
            case .refused: code ?? "Refused"
            case .accessDenied, .other: code ?? "Unknown"
            }
    }

    /// Creates an error of a storage outside of this room, with its line.
    package init(_ kind: Kind, _ text: String, code: String? = nil) {
        self.init(kind, nil, .reported(text), code: code)
    }

    /// One line: operation, object, bucket or directory, cause, and ``cure`` if there is one. No secrets.
    package var description: String {
        let problem = attempt.map { "\($0.text)\(cause.joint)\(cause.text)" } ?? cause.text
        return cure.isEmpty ? problem : "\(problem); \(cure)"
    }
}

extension BlobStoreError {
    /// Whether the bucket itself does not exist, and not an object in it.
    var isPlaceMissing: Bool { code == "NoSuchBucket" || code == "ContainerNotFound" }

    static func tooLarge(_ name: String, _ place: Place, _ limit: Int) -> BlobStoreError {
        BlobStoreError(
            .other, Attempt(operation: "load", object: name, place: place), .objectTooLarge(limit: limit),
            code: tooLarge)
    }

    /// A local problem that affects all requests.
    init(_ error: HTTPSetupError) {
        self.init(error.isAccessDenied ? .accessDenied : .other, nil, .setup(error))
    }
}
