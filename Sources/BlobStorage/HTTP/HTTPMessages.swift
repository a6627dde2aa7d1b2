import Bytes

/// A request, complete: what is signed is what is sent.
struct HTTPRequest: Sendable {
    var method: String
    var url: String
    /// Sent in addition to what HTTP itself needs (Content-Length).
    var headers: [(name: String, value: String)]
    var body: Body?
    /// Where the body of a 2xx answer goes: to a spool, or into memory.
    var spoolsAnswer = false
    /// Of a body that is spooled, in bytes; a longer one is a failure as soon as that is seen.
    var largestSpool = Int.max
    /// Is told of the bytes of the body, and of an answer that is spooled.
    var progress: TransferProgress.Report?

    /// Part of a spool.
    struct Body: Sendable {
        var spool: Spool
        var range: Range<Int>
    }
}

/// An answer with its whole body, whatever its status is.
struct HTTPAnswer: Sendable {
    var status = 0
    /// Names in lower case.
    var headers: [String: String] = [:]
    /// When the last header came, by the system's clock, in nanoseconds since the UNIX epoch.
    var receivedAt: UInt64 = 0
    /// Of a bounded size.
    var body: [UInt8] = []
    /// The body, where the request wanted it there and the status is 2xx.
    var spool: Spool?
    /// The MD5 of a spooled body whose ETag looks like one but is another.
    var unexpectedMD5: String?
}

/// The limits and connection settings of a transfer.
struct HTTPSettings: Sendable {
    /// For name resolution, TCP and TLS together, which is the one limit that libcurl has.
    var connectTimeout: Duration
    /// From start to end, whatever happens.
    var totalTimeout: Duration
    /// Without a byte in either direction.
    var stallTimeout: Duration
    var keepAlive: Duration
    var idleConnectionTimeout: Duration
    /// Whether the proxy that the environment names, if any, is for this server.
    var usesProxy = true
    var tls = TLSMaterial()
    /// Of an answer's body in memory, in bytes.
    var largestAnswer = 8 << 20
}

/// A transfer that brought no answer.
struct TransferFailure: Error, Sendable, Hashable {
    enum Reason: Sendable, Hashable {
        case nameResolution
        case refused
        /// Connect, stall or total.
        case timeout
        /// The connection broke, or the body was shorter than announced.
        case broken
        case tls
        /// What is there does not speak TLS, or none that we do.
        case handshake
        /// The request can't even be made.
        case unusable
        /// The answer is larger than anything that makes sense.
        case tooLarge
    }

    var reason: Reason
    var detail: String
}
