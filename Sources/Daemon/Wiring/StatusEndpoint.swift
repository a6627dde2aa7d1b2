import Logging
import ServiceLifecycle
import StatusServer

/// The status server of a daemon, which begins now, or as soon as its address can be had: syncing does not wait for that.
struct StatusEndpoint: Service {
    /// How often an address is tried that could not be had.
    static let interval = Duration.seconds(5)

    /// The server, where the first attempt succeeded.
    private let server: StatusServer?
    private let bind: @Sendable () async throws -> StatusServer
    /// Is told what is wrong, and when nothing is any more.
    private let tell: @Sendable (String?) -> Void
    private let logger: Logger

    init(
        logger: Logger, tell: @escaping @Sendable (String?) -> Void,
        bind: @escaping @Sendable () async throws -> StatusServer
    ) async {
        self.bind = bind
        self.tell = tell
        self.logger = logger
        do {
            server = try await bind()
        } catch {
            server = nil
            Self.complain(error, logger, tell)
        }
    }

    func run() async throws {
        if let server { return try await server.run() }
        guard let late = try? await cancelWhenGracefulShutdown({ try await bindLater() }) else { return }
        try await late.run()
    }

    private func bindLater() async throws -> StatusServer {
        while true {
            try await Task.sleep(for: Self.interval)
            do {
                let server = try await bind()
                tell(nil)
                return server
            } catch {
                Self.complain(error, logger, tell)
            }
        }
    }

    private static func complain(_ error: any Error, _ logger: Logger, _ tell: (String?) -> Void) {
        logger.error(
            "the status page can't be served; it is tried again, and syncing goes on", metadata: ["error": "\(error)"])
        tell("\(error)")
    }
}
