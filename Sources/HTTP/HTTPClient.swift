import CCurl
import Glibc
import Support
import Synchronization

/// Performs requests on blocking threads, over persistent connections.
package final class HTTPClient: Sendable {
    private struct Kept {
        var handle: CurlHandle
        var since: ContinuousClock.Instant
    }

    private let settings: HTTPSettings
    private let maximumIdleConnections: Int
    private let tls: TLSSource
    private let kept = Mutex<[Kept]>([])

    /// - Parameters:
    ///   - settings: settings of all requests.
    ///   - maximumIdleConnections: further connections are closed after use.
    ///   - tls: verification of servers.
    ///   - keyLogFile: file for session keys, for debugging; empty for none.
    package init(
        _ settings: HTTPSettings, maximumIdleConnections: Int, tls: TLSSource, keyLogFile: String
    ) throws(HTTPSetupError) {
        self.settings = settings
        self.maximumIdleConnections = maximumIdleConnections
        self.tls = tls
        // libcurl opens the file once per process, when it starts.
        if !keyLogFile.isEmpty { setenv("SSLKEYLOGFILE", keyLogFile, 1) }
        guard startCurl == CURLE_OK else { throw .curlDoesNotStart }
    }

    /// Performs a request on the calling thread.
    ///
    /// - Throws: ``TransferFailure``, `CancellationError`, or what a spool threw.
    package func perform(_ request: HTTPRequest, _ cancellation: CancellationSignal) throws -> HTTPAnswer {
        try cancellation.check()
        var settings = settings
        settings.tls = tls.current()
        guard let handle = take() ?? CurlHandle() else {
            throw TransferFailure(reason: .unusable, detail: "libcurl is out of memory or file descriptors")
        }
        defer { keep(handle) }
        return try handle.perform(request, settings, cancellation)
    }

    /// The most recently used connection, so that the others can time out.
    private func take() -> CurlHandle? {
        kept.withLock { $0.popLast()?.handle }
    }

    private func keep(_ handle: CurlHandle) {
        let now = ContinuousClock.now
        // Closing connections takes time, so it happens outside the lock.
        let closed = kept.withLock { kept in
            if kept.count < maximumIdleConnections { kept.append(Kept(handle: handle, since: now)) }
            let old = kept.prefix { $0.since.duration(to: now) > settings.idleConnectionTimeout }
            kept.removeFirst(old.count)
            return Array(old)
        }
        withExtendedLifetime(closed) {}
    }
}

private let startCurl: CURLcode = curl_global_init(Int(CURL_GLOBAL_ALL))
