import Dispatch
import Glibc

/// Takes signals on a thread of their own, where handling them may do anything.
enum SignalThread {
    /// The signals that ask a process to end.
    static let endings: [Int32] = [SIGTERM, SIGINT]

    /// Blocks these signals in the calling thread and in all threads that it starts from now on.
    ///
    /// To be called before any other thread exists: one that does not block them would be killed by them.
    static func block(_ signals: [Int32]) {
        var set = Self.set(signals)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Calls `handler` for each of the blocked signals that arrives, for the rest of the process' life.
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
