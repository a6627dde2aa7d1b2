import Support

/// A complete request: the signed data are exactly the sent data.
package struct HTTPRequest: Sendable {
    /// GET, PUT and so on.
    package var method: String
    /// Scheme, authority, path and query, as sent.
    package var url: String
    /// Headers in addition to those of HTTP itself (Content-Length).
    package var headers: [(name: String, value: String)]
    /// The body; nil for none.
    package var body: Body?
    /// Whether the body of a 2xx answer is written to a spool instead of memory.
    package var spoolsAnswer: Bool
    /// Maximum size of a spooled body in bytes; a longer one fails as soon as this is detected.
    package var largestSpool: Int
    /// The expected MD5 of a spooled body, from the headers of the answer: lower-case hexadecimal digits, nil if they
    /// do not contain it.
    package var expectedMD5: (@Sendable (_ headers: [String: String]) -> String?)?
    /// Called with the transferred bytes of the body, and of a spooled answer.
    package var progress: TransferProgress.Report?
    /// Receives the body of a 2xx answer as it arrives, instead of the answer, on the thread that performs the request; nil for none.
    /// Called without bytes when the headers are complete. What it throws ends the request.
    package var receive: Receive?

    /// See ``receive``.
    package typealias Receive =
        @Sendable (_ headers: [String: String], _ bytes: UnsafeRawBufferPointer) throws -> Void

    /// Part of a spool.
    package struct Body: Sendable {
        /// The bytes.
        package var spool: Spool
        /// The range to send.
        package var range: Range<Int>

        /// See the properties of the same names.
        package init(spool: Spool, range: Range<Int>) { (self.spool, self.range) = (spool, range) }
    }

    /// See the properties of the same names.
    package init(
        method: String, url: String, headers: [(name: String, value: String)] = [], body: Body? = nil,
        spoolsAnswer: Bool = false, largestSpool: Int = .max,
        expectedMD5: (@Sendable (_ headers: [String: String]) -> String?)? = nil,
        progress: TransferProgress.Report? = nil, receive: Receive? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.spoolsAnswer = spoolsAnswer
        self.largestSpool = largestSpool
        self.expectedMD5 = expectedMD5
        self.progress = progress
        self.receive = receive
    }
}

/// An answer with its whole body, whatever its status.
package struct HTTPAnswer: Sendable {
    /// The status code.
    package var status: Int
    /// Names in lower case.
    package var headers: [String: String]
    /// When the last header arrived, by the system's clock, in nanoseconds since the UNIX epoch.
    package var receivedAt: UInt64
    /// The body in memory, of bounded size.
    package var body: [UInt8]
    /// The body, if it was requested as a spool and the status is 2xx.
    package var spool: Spool?
    /// The MD5 of a spooled body if it differs from ``HTTPRequest/expectedMD5``.
    package var unexpectedMD5: String?

    /// See the properties of the same names.
    package init(status: Int = 0, headers: [String: String] = [:], receivedAt: UInt64 = 0, body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.receivedAt = receivedAt
        self.body = body
    }
}

/// The limits and connection settings of a transfer.
package struct HTTPSettings: Sendable {
    /// Timeout of name resolution, TCP and TLS together, for which libcurl has a single limit.
    package var connectTimeout: Duration
    /// Timeout of the whole transfer.
    package var totalTimeout: Duration
    /// Timeout without a byte in either direction.
    package var stallTimeout: Duration
    /// Interval of probes on an idle connection.
    package var keepAlive: Duration
    /// Idle time after which a connection is closed.
    package var idleConnectionTimeout: Duration
    /// Whether the proxy of the environment is used for this server.
    package var usesProxy: Bool
    /// Maximum size of an answer's body in memory, in bytes.
    package var largestAnswer: Int
    var tls = TLSMaterial()

    /// See the properties of the same names.
    package init(
        connectTimeout: Duration, totalTimeout: Duration, stallTimeout: Duration, keepAlive: Duration,
        idleConnectionTimeout: Duration, usesProxy: Bool = true, largestAnswer: Int = 8 << 20
    ) {
        self.connectTimeout = connectTimeout
        self.totalTimeout = totalTimeout
        self.stallTimeout = stallTimeout
        self.keepAlive = keepAlive
        self.idleConnectionTimeout = idleConnectionTimeout
        self.usesProxy = usesProxy
        self.largestAnswer = largestAnswer
    }
}

/// A transfer without an answer.
package struct TransferFailure: Error, Sendable, Hashable {
    /// The reason for a failure.
    package enum Reason: Sendable, Hashable {
        /// The server's name cannot be resolved.
        case nameResolution
        /// The connection was refused.
        case refused
        /// Connect or stall timeout.
        case timeout
        /// The exchange takes longer than the total timeout.
        case tooSlow
        /// The connection broke, or the body was shorter than announced.
        case broken
        /// The server cannot be verified.
        case tls
        /// The server does not speak TLS, or no common version.
        case handshake
        /// The request is invalid.
        case unusable
        /// The answer exceeds its limit.
        case tooLarge
    }

    /// The reason.
    package var reason: Reason
    /// One line for people.
    package var detail: String

    /// See the properties of the same names.
    package init(reason: Reason, detail: String) { (self.reason, self.detail) = (reason, detail) }
}
