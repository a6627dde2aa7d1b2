import Dispatch
import Glibc

/// Receives signals on a separate thread, on which a handler may do anything.
enum SignalThread {
    /// The signals that request the end of a process.
    static let endings: [Int32] = [SIGTERM, SIGINT]

    /// Blocks these signals in the calling thread and in all threads that it starts afterwards.
    ///
    /// Must be called before any other thread exists: a thread that does not block them would be killed.
    static func block(_ signals: [Int32]) {
        var set = Self.set(signals)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Calls `handler` for each of the blocked signals that arrives, for the lifetime of the process.
    static func start(_ signals: [Int32], handler: @escaping @Sendable (Int32) -> Void) {
        let thread = DispatchQueue(label: "signals")
        thread.async {
            var set = Self.set(signals)
            while true {
                var signal: Int32 = 0
                if sigwait(&set, &signal) == 0 { handler(signal) }
            }
        }
    }

    static func set(_ signals: [Int32]) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        return set
    }
}
