import Synchronization

/// Makes one thing at a time: whoever asks while it is being made, or for a while after that, gets the same one.
///
/// Nobody waits longer than the limit; while one that exceeds it is still being made, others are told so at once.
final class SharedAnswer<Value: Sendable>: Sendable {
    private struct State {
        /// Counts what has been made, so that a late timer knows that its own is done.
        var number = 0
        var isMaking = false
        var isOverdue = false
        var waiting: [CheckedContinuation<Value?, Never>] = []
        /// What was made last, and until when it will do.
        var kept: (value: Value, until: ContinuousClock.Instant)?
    }

    private let limit: Duration
    private let age: Duration
    private let make: @Sendable () async -> Value
    private let state = Mutex(State())

    /// - Parameters:
    ///   - limit: how long anybody waits.
    ///   - age: for how long what was made is given again.
    init(within limit: Duration, for age: Duration = .zero, _ make: @escaping @Sendable () async -> Value) {
        self.limit = limit
        self.age = age
        self.make = make
    }

    /// The one that is made; nil when it takes too long.
    func value() async -> Value? {
        if let kept = state.withLock(\.kept), ContinuousClock.now < kept.until { return kept.value }
        return await withCheckedContinuation { continuation in
            let (started, isLate) = state.withLock { state -> (Int?, Bool) in
                guard !state.isOverdue else { return (nil, true) }
                state.waiting.append(continuation)
                guard !state.isMaking else { return (nil, false) }
                state.isMaking = true
                return (state.number, false)
            }
            if isLate { continuation.resume(returning: nil) }
            if let started { start(started) }
        }
    }

    private func start(_ number: Int) {
        let timer = Task { [self] in
            do { try await Task.sleep(for: limit) } catch { return }
            giveUp(number)
        }
        Task { [self] in
            let value = await make()
            timer.cancel()
            let kept = age > .zero ? (value, ContinuousClock.now + age) : nil
            let waiting = state.withLock { state in
                defer { state = State(number: number &+ 1, kept: kept) }
                return state.waiting
            }
            for continuation in waiting { continuation.resume(returning: value) }
        }
    }

    private func giveUp(_ number: Int) {
        let waiting = state.withLock { state -> [CheckedContinuation<Value?, Never>] in
            guard state.number == number else { return [] }
            state.isOverdue = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume(returning: nil) }
    }
}
