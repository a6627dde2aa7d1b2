import Synchronization

/// Computes one value at a time. Callers that ask during the computation, or for a while after it, share the value.
///
/// No caller waits longer than the limit; while a computation that exceeds it continues, others return at once.
final class SharedAnswer<Value: Sendable>: Sendable {
    private struct State {
        /// Counts computations, so that a late timer can tell that its own has ended.
        var number = 0
        var isMaking = false
        var isOverdue = false
        var waiting: [CheckedContinuation<Value?, Never>] = []
        /// The last value and its expiry.
        var kept: (value: Value, until: ContinuousClock.Instant)?
    }

    private let limit: Duration
    private let age: Duration
    private let make: @Sendable () async -> Value
    private let state = Mutex(State())

    /// - Parameters:
    ///   - limit: how long a caller waits at most.
    ///   - age: how long a value is reused.
    init(within limit: Duration, for age: Duration = .zero, _ make: @escaping @Sendable () async -> Value) {
        self.limit = limit
        self.age = age
        self.make = make
    }

    /// The shared value; nil if it takes too long.
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
