import Logging
import ServiceLifecycle
import StatusServer

/// The status server of a daemon. It starts when its address is available; syncing does not wait for that.
struct StatusEndpoint: Service {
    /// The interval at which an unavailable address is retried.
    static let interval = Duration.seconds(5)

    /// The server, if the first attempt succeeded.
    private let server: StatusServer?
    private let bind: @Sendable () async throws -> StatusServer
    /// Called with the problem, and with nil when it is resolved.
    private let report: @Sendable (String?) -> Void
    private let logger: Logger

    init(
        logger: Logger, report: @escaping @Sendable (String?) -> Void,
        bind: @escaping @Sendable () async throws -> StatusServer
    ) async {
        self.bind = bind
        self.report = report
        self.logger = logger
        do {
            server = try await bind()
        } catch {
            server = nil
            Self.fail(error, logger, report)
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
                report(nil)
                return server
            } catch {
                Self.fail(error, logger, report)
            }
        }
    }

    private static func fail(_ error: any Error, _ logger: Logger, _ report: (String?) -> Void) {
        logger.error(
            "cannot serve the status page; retrying, syncing continues", metadata: ["error": "\(error)"])
        report("\(error)")
    }
}
