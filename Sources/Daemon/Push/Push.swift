import Config
import Logging
import Monitoring
import Observability

/// What a daemon has for hints: those it takes, and those it sends. Nil if no token is configured.
struct Push: Sendable {
    let hub: PushHub
    /// nil if nothing is stored.
    let announcer: PeerAnnouncer?
    private let tokens: TokenFile

    /// - Parameter warn: called with the name of a health check and one line, or nil if there is no problem.
    init?(
        _ configuration: Configuration, receiveOnly: Bool, registry: MetricRegistry, logger: Logger,
        warn: @escaping @Sendable (_ check: String, _ text: String?) -> Void
    ) {
        guard !configuration.push.tokenFile.isEmpty else { return nil }
        let tokens = TokenFile(configuration.push.tokenFile) { problem in
            warn("push_token", problem)
            if let problem { logger.warning("\(problem)") }
        }
        if receiveOnly, configuration.push.advertise != nil {
            logger.warning(
                "push.advertise is not used: a receiver publishes nothing; use a webhook, docs/push.md#webhook")
        }
        let metrics = PushMetrics(registry)
        self.tokens = tokens
        announcer =
            receiveOnly
            ? nil
            : PeerAnnouncer(
                own: configuration.instance, url: configuration.push.advertise, tokens: tokens, metrics: metrics,
                logger: logger)
        hub = PushHub(
            tokens: tokens, storage: configuration.storage.backend, announcer: announcer, metrics: metrics)
    }

    /// Reads the token, so that a problem is reported at the start.
    func begin() async { _ = await tokens.tokens() }
}
