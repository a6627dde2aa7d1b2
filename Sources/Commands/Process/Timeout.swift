import Dispatch
import Glibc

/// Ends the process when the time given with `--timeout` is over.
enum Timeout {
    /// - Parameters:
    ///   - grace: how long the process may take to end after `warning`.
    ///   - warning: called when the time is over.
    static func start(
        _ duration: Duration, text: String, grace: Duration, in context: CommandContext,
        warning: @escaping @Sendable () -> Void
    ) {
        let queue = DispatchQueue(label: "timeout")
        queue.asyncAfter(deadline: .now() + interval(duration)) {
            context.report("timeout: not done after \(text) (--timeout)")
            warning()
            queue.asyncAfter(deadline: .now() + interval(grace)) { _exit(ExitCode.timeout) }
        }
    }

    private static func interval(_ duration: Duration) -> DispatchTimeInterval {
        let (seconds, attoseconds) = duration.components
        // 290 years are enough, and a Duration can be longer than what fits.
        guard seconds < Int64.max / 1_000_000_000 - 1 else { return .never }
        return .nanoseconds(Int(seconds * 1_000_000_000 + attoseconds / 1_000_000_000))
    }
}
