import CCurl
import Glibc
import Support

/// One libcurl connection: performs one request at a time on the calling thread, and keeps the
/// connection for the next one.
// Unchecked: libcurl's handles may be used by any thread, one at a time, and HTTPClient gives each handle to
// one transfer at a time. Only wakeUp() is called from other threads, which curl_multi_wakeup(3) allows.
final class CurlHandle: @unchecked Sendable {
    private let easy: UnsafeMutableRawPointer
    private let multi: UnsafeMutableRawPointer

    /// nil if memory or file descriptors are exhausted.
    init?() {
        guard let easy = curl_easy_init() else { return nil }
        guard let multi = curl_multi_init() else {
            curl_easy_cleanup(easy)
            return nil
        }
        self.easy = easy
        self.multi = multi
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_multi_cleanup(multi)
    }

    /// Wakes ``perform(_:_:_:)`` from its wait, so that it checks for cancellation.
    func wakeUp() { curl_multi_wakeup(multi) }

    /// Sends a request and reads its answer.
    ///
    /// - Throws: ``TransferFailure``, `CancellationError`, or what a spool threw.
    func perform(
        _ request: HTTPRequest, _ settings: HTTPSettings, _ cancellation: CancellationSignal
    ) throws -> HTTPAnswer {
        let transfer = CurlTransfer(request, largestAnswer: settings.largestAnswer)
        // libcurl keeps these pointers until the reset at the end.
        return try withExtendedLifetime(transfer) {
            defer { curl_easy_reset(easy) }
            var headers: UnsafeMutablePointer<curl_slist>?
            defer { curl_slist_free_all(headers) }
            // Expect: 100-continue makes some servers hang, and costs a round trip with all.
            // Identity encoding, so that the loaded bytes are the stored ones.
            let encoding = request.spoolsAnswer ? [("Accept-Encoding", "identity")] : []
            for (name, value) in request.headers + [("Expect", ""), ("Transfer-Encoding", "")] + encoding {
                guard !(name + value).utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
                    throw TransferFailure(
                        reason: .unusable, detail: "the value of \(name) contains a control character")
                }
                guard let longer = curl_slist_append(headers, value.isEmpty ? "\(name):" : "\(name): \(value)") else {
                    throw TransferFailure(reason: .unusable, detail: "out of memory")
                }
                headers = longer
            }
            try configure(request, settings, transfer, headers)
            let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
            defer { errorText.deallocate() }
            errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
            try set(curl_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText))
            do {
                let code = try run(settings, transfer, cancellation)
                if let error = transfer.error { throw error }
                guard code == CURLE_OK || transfer.hasEnough else {
                    throw failure(code, String(cString: errorText), settings)
                }
                let answer = try transfer.finish()
                if !(200..<300).contains(answer.status) { transfer.takeBackProgress() }
                return answer
            } catch {
                transfer.takeBackProgress()
                throw error
            }
        }
    }

    private func run(
        _ settings: HTTPSettings, _ transfer: CurlTransfer, _ cancellation: CancellationSignal
    ) throws -> CURLcode {
        guard curl_multi_add_handle(multi, easy) == CURLM_OK else {
            throw TransferFailure(reason: .unusable, detail: "libcurl is out of memory")
        }
        // Closes the connection of an incomplete transfer.
        defer { curl_multi_remove_handle(multi, easy) }
        cancellation.onCancel { [self] in wakeUp() }
        let start = ContinuousClock.now
        var lastMove = start
        var moved = 0
        while true {
            var running: Int32 = 0
            guard curl_multi_perform(multi, &running) == CURLM_OK else {
                throw TransferFailure(reason: .unusable, detail: "libcurl is out of memory")
            }
            var left: Int32 = 0
            if let message = curl_multi_info_read(multi, &left), message.pointee.msg == CURLMSG_DONE {
                return message.pointee.data.result
            }
            try cancellation.check()
            let now = ContinuousClock.now
            if transfer.moved != moved { (moved, lastMove) = (transfer.moved, now) }
            // libcurl's own timeout applies while connecting.
            if transfer.moved == 0, !isConnected { lastMove = now }
            let untilEnd = settings.totalTimeout - (now - start)
            let untilStalled = settings.stallTimeout - (now - lastMove)
            guard untilEnd > .zero else {
                throw TransferFailure(
                    reason: .tooSlow, detail: "not complete after \(settings.totalTimeout)")
            }
            guard untilStalled > .zero else {
                throw TransferFailure(
                    reason: .timeout,
                    detail: transfer.answer.status == 0
                        ? "no answer for \(settings.stallTimeout)"
                        : "the answer stopped for \(settings.stallTimeout)")
            }
            let pause = min(min(untilEnd, untilStalled), .seconds(1))
            curl_multi_poll(multi, nil, 0, pause.milliseconds(limit: 1000) + 1, nil)
        }
    }

    private var isConnected: Bool {
        var port = 0
        curl_get_long(easy, CURLINFO_PRIMARY_PORT, &port)
        return port != 0
    }

    private func set(_ code: CURLcode) throws {
        guard code == CURLE_OK else {
            throw TransferFailure(reason: .unusable, detail: String(cString: curl_easy_strerror(code)))
        }
    }

    private func configure(
        _ request: HTTPRequest, _ settings: HTTPSettings, _ transfer: CurlTransfer,
        _ headers: UnsafeMutablePointer<curl_slist>?
    ) throws {
        try set(curl_set_string(easy, CURLOPT_URL, request.url))
        try set(curl_set_long(easy, CURLOPT_NOSIGNAL, 1))
        // One connection carries one transfer at a time, so HTTP/2 would only add its flow control.
        try set(curl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)))
        // An object whose Content-Encoding is gzip is loaded as is; other answers are always decoded.
        if request.spoolsAnswer {
            try set(curl_set_long(easy, CURLOPT_HTTP_CONTENT_DECODING, 0))
        } else {
            try set(curl_set_string(easy, CURLOPT_ACCEPT_ENCODING, "identity"))
        }
        // The path is signed as is.
        try set(curl_set_long(easy, CURLOPT_PATH_AS_IS, 1))
        try set(curl_set_headers(easy, headers))
        try set(curl_set_string(easy, CURLOPT_USERAGENT, "lightningstream"))
        // Refused without harm if a failed transfer still has its buffer.
        _ = curl_set_long(easy, CURLOPT_BUFFERSIZE, 256 << 10)
        try set(curl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeout.milliseconds(limit: Int32.max)))
        try set(curl_set_long(easy, CURLOPT_MAXAGE_CONN, settings.idleConnectionTimeout.wholeSeconds))
        try set(curl_set_long(easy, CURLOPT_MAXCONNECTS, 1))
        try set(curl_set_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1))
        if settings.keepAlive > .zero {
            try set(curl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1))
            try set(curl_set_long(easy, CURLOPT_TCP_KEEPIDLE, settings.keepAlive.wholeSeconds))
            try set(curl_set_long(easy, CURLOPT_TCP_KEEPINTVL, settings.keepAlive.wholeSeconds))
        }
        if !settings.usesProxy { try set(curl_set_string(easy, CURLOPT_NOPROXY, "*")) }
        try configure(settings.tls)

        let context = Unmanaged.passUnretained(transfer).toOpaque()
        if request.method == "HEAD" {
            try set(curl_set_long(easy, CURLOPT_NOBODY, 1))
        } else if let body = request.body {
            try set(curl_set_long(easy, CURLOPT_UPLOAD, 1))
            _ = curl_set_long(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256 << 10)
            try set(curl_set_size(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t(body.range.count)))
            try set(curl_set_reader(easy, { CurlTransfer.at($3)?.send(into: $0, $1 * $2) ?? 0 }, context))
            try set(curl_set_seeker(easy, { CurlTransfer.at($0)?.seek(to: Int($1), from: $2) ?? 1 }, context))
            try set(curl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method))
        } else if request.method != "GET" {
            try set(curl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method))
        }
        try set(curl_set_on_header(easy, { CurlTransfer.at($3)?.takeHeader($0, $1 * $2) ?? 0 }, context))
        try set(curl_set_on_body(easy, { CurlTransfer.at($3)?.takeBody($0, $1 * $2) ?? 0 }, context))
    }

    private func configure(_ tls: TLSMaterial) throws {
        if !tls.verifies {
            try set(curl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 0))
            try set(curl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 0))
        }
        if !tls.authorities.isEmpty {
            try set(curl_set_blob(easy, CURLOPT_CAINFO_BLOB, tls.authorities, tls.authorities.count))
            // Otherwise the system's certificate directory is used too.
            try set(curl_set_string(easy, CURLOPT_CAPATH, nil))
        }
        if !tls.certificate.isEmpty {
            try set(curl_set_blob(easy, CURLOPT_SSLCERT_BLOB, tls.certificate, tls.certificate.count))
            try set(curl_set_blob(easy, CURLOPT_SSLKEY_BLOB, tls.key, tls.key.count))
        }
    }

    /// The system's error for a failed connection, such as `connection refused`; nil if there was none.
    private var lastSystemError: String? {
        var number = 0
        guard curl_get_long(easy, CURLINFO_OS_ERRNO, &number) == CURLE_OK, number > 0 else { return nil }
        return String(cString: strerror(CInt(truncatingIfNeeded: number))).lowercased()
    }

    private func failure(_ code: CURLcode, _ detail: String, _ settings: HTTPSettings) -> TransferFailure {
        var text = (detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail).oneLine(limit: 200)
        if code == CURLE_COULDNT_CONNECT, let cause = lastSystemError, !text.lowercased().contains(cause) {
            text += ": \(cause)"
        }
        let reason: TransferFailure.Reason =
            switch code {
            case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .nameResolution
            case CURLE_COULDNT_CONNECT: .refused
            case CURLE_OPERATION_TIMEDOUT: .timeout
            case CURLE_SSL_CONNECT_ERROR: .handshake
            case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE,
                CURLE_SSL_ISSUER_ERROR, CURLE_SSL_ENGINE_INITFAILED:
                .tls
            case CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING, CURLE_SEND_FAIL_REWIND,
                CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING:
                .broken
            default: .unusable
            }
        return TransferFailure(reason: reason, detail: text)
    }
}

extension Duration {
    /// At least 1, at most `limit`.
    fileprivate func milliseconds(limit: Int32) -> Int {
        let (seconds, attoseconds) = components
        guard seconds < Int64(limit) / 1000 else { return Int(limit) }
        return Int(max(1, min(Int64(limit), seconds * 1000 + attoseconds / 1_000_000_000_000_000)))
    }

    fileprivate func milliseconds(limit: Int32) -> Int32 { Int32(clamping: milliseconds(limit: limit) as Int) }

    /// At least 1, at most a day.
    fileprivate var wholeSeconds: Int { Int(max(1, min(86_400, components.seconds))) }
}
