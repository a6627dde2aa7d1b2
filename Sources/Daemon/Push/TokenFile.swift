import Support
import Synchronization

/// The file with the push tokens, read again while it is used.
final class TokenFile: Sendable {
    private struct State {
        var tokens: PushTokens?
        var problem: PushTokens.Problem?
        var readAt: Duration?
        var isReading = false
    }

    /// How long its contents are used without another look.
    static let interval = Duration.seconds(1)

    private let path: String
    private let uptime: Uptime
    private let report: @Sendable (String?) -> Void
    private let pool = BlockingPool(label: "push-token", width: 1)
    private let state = Mutex(State())

    /// - Parameter report: called with one line when the file becomes unusable, and with nil when it is usable again.
    init(_ path: String, uptime: @escaping Uptime = systemUptime, report: @escaping @Sendable (String?) -> Void) {
        self.path = path
        self.uptime = uptime
        self.report = report
    }

    /// The tokens; nil if there have never been any.
    ///
    /// A file that cannot be used, perhaps because it is being replaced, leaves the last tokens valid.
    func tokens() async -> PushTokens? {
        let now = uptime()
        let (known, isDue) = state.withLock { state -> (PushTokens?, Bool) in
            let isOld = state.readAt.map { now - $0 >= Self.interval } ?? true
            // Others need not wait for a disk, except for the first reading.
            guard isOld, !state.isReading || state.readAt == nil else { return (state.tokens, false) }
            state.isReading = true
            return (state.tokens, true)
        }
        guard isDue else { return known }
        let result = try? await pool.run { [path] _ -> Result<PushTokens, PushTokens.Problem> in
            Result { () throws(PushTokens.Problem) in try PushTokens.read(path) }
        }
        return take(result, at: now)
    }

    private func take(_ result: Result<PushTokens, PushTokens.Problem>?, at now: Duration) -> PushTokens? {
        let (tokens, news) = state.withLock { state -> (PushTokens?, String??) in
            state.isReading = false
            guard let result else { return (state.tokens, nil) }
            state.readAt = now
            let before = state.problem
            switch result {
            case .success(let tokens): (state.tokens, state.problem) = (tokens, nil)
            case .failure(let problem): state.problem = problem
            }
            let effect = state.tokens == nil ? "hints are off" : "hints use the earlier token"
            return (state.tokens, before == state.problem ? nil : .some(state.problem.map { "\(effect): \($0)" }))
        }
        if let news { report(news) }
        return tokens
    }
}
