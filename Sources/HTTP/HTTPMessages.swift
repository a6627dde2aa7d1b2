import Support

/// A request, complete: what is signed is what is sent.
package struct HTTPRequest: Sendable {
    /// GET, PUT and so on.
    package var method: String
    /// Scheme, authority, path and query as they are sent.
    package var url: String
    /// Sent in addition to what HTTP itself needs (Content-Length).
    package var headers: [(name: String, value: String)]
    /// What is sent; nil for nothing.
    package var body: Body?
    /// Where the body of a 2xx answer goes: to a spool, or into memory.
    package var spoolsAnswer: Bool
    /// Of a body that is spooled, in bytes; a longer one is a failure as soon as that is seen.
    package var largestSpool: Int
    /// The MD5 that a spooled body should have, by the headers of the answer: lower-case hexadecimal digits, nil when they
    /// do not tell.
    package var expectedMD5: (@Sendable (_ headers: [String: String]) -> String?)?
    /// Is told of the bytes of the body, and of an answer that is spooled.
    package var progress: TransferProgress.Report?

    /// Part of a spool.
    package struct Body: Sendable {
        /// Where the bytes are.
        package var spool: Spool
        /// Which of them.
        package var range: Range<Int>

        /// See the properties of the same names.
        package init(spool: Spool, range: Range<Int>) { (self.spool, self.range) = (spool, range) }
    }

    /// See the properties of the same names.
    package init(
        method: String, url: String, headers: [(name: String, value: String)] = [], body: Body? = nil,
        spoolsAnswer: Bool = false, largestSpool: Int = .max,
        expectedMD5: (@Sendable (_ headers: [String: String]) -> String?)? = nil,
        progress: TransferProgress.Report? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.spoolsAnswer = spoolsAnswer
        self.largestSpool = largestSpool
        self.expectedMD5 = expectedMD5
        self.progress = progress
    }
}

/// An answer with its whole body, whatever its status is.
package struct HTTPAnswer: Sendable {
    /// 200 and so on.
    package var status: Int
    /// Names in lower case.
    package var headers: [String: String]
    /// When the last header came, by the system's clock, in nanoseconds since the UNIX epoch.
    package var receivedAt: UInt64
    /// Of a bounded size.
    package var body: [UInt8]
    /// The body, where the request wanted it there and the status is 2xx.
    package var spool: Spool?
    /// The MD5 of a spooled body that is not the one that ``HTTPRequest/expectedMD5`` expects.
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
    /// For name resolution, TCP and TLS together, which is the one limit that libcurl has.
    package var connectTimeout: Duration
    /// From start to end, whatever happens.
    package var totalTimeout: Duration
    /// Without a byte in either direction.
    package var stallTimeout: Duration
    /// Between probes of an idle connection.
    package var keepAlive: Duration
    /// After so long without a request a connection is closed.
    package var idleConnectionTimeout: Duration
    /// Whether the proxy that the environment names, if any, is for this server.
    package var usesProxy: Bool
    /// Of an answer's body in memory, in bytes.
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

/// A transfer that brought no answer.
package struct TransferFailure: Error, Sendable, Hashable {
    /// What went wrong.
    package enum Reason: Sendable, Hashable {
        /// The name of the server is not known.
        case nameResolution
        /// Nobody listens there.
        case refused
        /// Connect, stall or total.
        case timeout
        /// The connection broke, or the body was shorter than announced.
        case broken
        /// The server can't be verified.
        case tls
        /// What is there does not speak TLS, or none that we do.
        case handshake
        /// The request can't even be made.
        case unusable
        /// The answer is larger than anything that makes sense.
        case tooLarge
    }

    /// What went wrong.
    package var reason: Reason
    /// One line for people.
    package var detail: String

    /// See the properties of the same names.
    package init(reason: Reason, detail: String) { (self.reason, self.detail) = (reason, detail) }
}
