// Dispatch objects may be used from any thread, but on Linux their types don't say so.
@preconcurrency import Dispatch

/// Calls a function at a fixed interval, until ``stop()``.
///
/// One thread wakes up each time. A task that sleeps costs several wake-ups and thread switches.
package final class Pulse: Sendable {
    private let source: any DispatchSourceTimer
    private let queue: DispatchQueue

    /// - Parameters:
    ///   - interval: the time between two calls.
    ///   - label: the name of the queue, for debuggers.
    ///   - action: may block; a call that takes longer delays the next one.
    package init(every interval: Duration, label: String, _ action: @escaping @Sendable () -> Void) {
        queue = DispatchQueue(label: label)
        source = DispatchSource.makeTimerSource(queue: queue)
        let seconds = interval / .seconds(1)
        source.schedule(deadline: .now() + seconds, repeating: seconds, leeway: .milliseconds(5))
        source.setEventHandler(handler: action)
        source.activate()
    }

    /// Ends the calls. Waits for one that is running.
    package func stop() {
        source.cancel()
        queue.sync {}
    }

    deinit { source.cancel() }
}
