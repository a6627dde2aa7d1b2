import Config
import Dispatch
import Glibc
import Synchronization

/// Ends the process when the time given with `--timeout` has expired: at once, or gracefully after
/// ``soften(grace:_:)``.
package final class TimeLimit: Sendable {
    private struct Softness {
        var grace: Duration
        var action: @Sendable (String) -> Void
    }

    private let softness = Mutex<Softness?>(nil)
    private let queue = DispatchQueue(label: "time limit")

    /// Starts the timer.
    func start(_ duration: Duration, in context: CommandContext) {
        queue.asyncAfter(deadline: .now() + Self.interval(duration)) { [self] in
            let text = "timeout: not done after \(DurationText.format(duration)) (--timeout)"
            guard let softness = softness.withLock(\.self) else {
                context.report(text)
                _exit(ExitCode.timeout)
            }
            softness.action(text)
            queue.asyncAfter(deadline: .now() + Self.interval(softness.grace)) { _exit(ExitCode.timeout) }
        }
    }

    /// Calls `action` with a text for the log when the time has expired; the process ends `grace` later if it still
    /// runs.
    package func soften(grace: Duration, _ action: @escaping @Sendable (String) -> Void) {
        softness.withLock { $0 = Softness(grace: grace, action: action) }
    }

    /// A duration for Dispatch.
    static func interval(_ duration: Duration) -> DispatchTimeInterval {
        let (seconds, attoseconds) = duration.components
        // Longer durations, centuries, do not fit.
        guard seconds < Int64.max / 2_000_000_000 else { return .never }
        return .nanoseconds(Int(seconds * 1_000_000_000 + attoseconds / 1_000_000_000))
    }
}
