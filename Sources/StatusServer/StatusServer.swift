import Glibc
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Serves the status page, metrics, health and the list of objects over HTTP.
///
/// It answers from ``bind(to:port:allowedHosts:source:logger:limits:)`` on, so that start-up is visible, and a bad
/// address is reported before any work begins.
package final class StatusServer: Service {
    /// The port it listens on, also if the system chose it.
    package let port: UInt16

    private let listener: any Channel
    private let connections: OpenConnections
    private let limits: ServerLimits

    /// One thread is enough. It is created with the first server, and idle without requests.
    private static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    private init(listener: any Channel, connections: OpenConnections, limits: ServerLimits) {
        self.listener = listener
        self.connections = connections
        self.limits = limits
        port = UInt16(clamping: listener.localAddress?.port ?? 0)
    }

    /// Listens on an address and starts to answer.
    ///
    /// - Parameters:
    ///   - host: a host name or an IP address without brackets; empty for all interfaces, IPv4 and IPv6.
    ///   - port: 0 lets the system choose one.
    ///   - allowedHosts: further host names for which pages are served.
    ///   - push: takes hints and events; nil for no endpoints.
    /// - Throws: ``ListenError``.
    package static func bind(
        to host: String, port: UInt16, allowedHosts: [String] = [], source: any StatusSource,
        push: (any PushReceiver)? = nil, logger: Logger, limits: ServerLimits = ServerLimits()
    ) async throws -> StatusServer {
        let name = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        let connections = OpenConnections(limit: limits.connections)
        let names = HostNames(listening: host, allowed: allowedHosts)
        let http = channel(
            Answers(source: source, names: names, limits: limits), push.map { PushAnswers($0, limits) }, connections,
            limits
        )
        var failure: Int32 = EADDRNOTAVAIL
        for address in try await ListenAddresses.resolve(host: host, port: port, name: name) {
            do {
                let listener = try await listen(on: address, http, connections)
                let server = StatusServer(listener: listener, connections: connections, limits: limits)
                let place = host.contains(":") ? "[\(host)]" : host.isEmpty ? "localhost" : host
                logger.info(
                    "status page",
                    metadata: ["url": "http://\(place):\(server.port)/", "address": "\(name)"])
                return server
            } catch let error as IOError {
                failure = error.errnoCode
                // Only systems without IPv6 have a second choice.
                guard failure == EAFNOSUPPORT || failure == EADDRNOTAVAIL else { break }
            }
        }
        throw ListenError(address: name, port: port, code: failure)
    }

    /// Waits for the end of the process, and then closes everything.
    package func run() async throws {
        try? await gracefulShutdown()
        await close()
    }

    /// The number of open connections.
    var openConnections: Int { connections.count }
    /// The number of connections with a request in progress.
    var busyConnections: Int { connections.busy }

    /// Shuts down: accepts no more connections, and closes the open ones when their requests are answered, or
    /// when that takes too long.
    package func close() async {
        try? await listener.close()
        connections.quiesce()
        let end = ContinuousClock.now + limits.shutdown
        while connections.count > 0, ContinuousClock.now < end {
            do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
        }
        connections.closeAll()
    }

    private static func channel(
        _ answers: Answers, _ push: PushAnswers?, _ connections: OpenConnections, _ limits: ServerLimits
    ) -> HTTP1Channel {
        let isRead: @Sendable (HTTPRequest) -> Bool = { push != nil && PushAnswers.endpoint(of: $0) != nil }
        var configuration = HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionGuard(limits: limits, connections: connections, isRead: isRead)])
        configuration.httpDecoder.maxHeaderFieldSize = limits.headField
        configuration.httpDecoder.maxHeaderListSize = limits.headBytes
        configuration.httpDecoder.maxHeaderFieldCount = limits.headFields
        return HTTP1Channel(
            responder: { request, writer, _ in
                var response = await push?.response(to: request)
                if response == nil { response = await answers.response(to: request.head) }
                guard let response else { return }
                try await writer.write(response: response.head, body: response.body)
            },
            configuration: configuration)
    }

    private static func listen(
        on address: SocketAddress, _ http: HTTP1Channel, _ connections: OpenConnections
    ) async throws -> any Channel {
        // An error of one connection concerns its client only and is not logged.
        let quiet = Logger(label: "http") { _ in SwiftLogNoOpLogHandler() }
        var bootstrap = ServerBootstrap(group: loops)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                guard connections.admit(channel) else { return channel.close() }
                return http.setup(channel: channel, logger: quiet).map { value in
                    Task { await http.handle(value: value, logger: quiet) }
                    return
                }
            }
        if address.ipAddress == "::" {
            bootstrap = bootstrap.serverChannelOption(.socket(SocketOptionLevel(IPPROTO_IPV6), IPV6_V6ONLY), value: 0)
        }
        return try await bootstrap.bind(to: address).get()
    }
}
