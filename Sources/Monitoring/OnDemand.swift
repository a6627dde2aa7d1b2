import Synchronization

/// A value computed on request: not concurrently, not more often than the interval, and with a bounded wait
/// for callers.
package final class OnDemand<Value: Sendable>: Sendable {
    private struct Flight {
        var waiting: [CheckedContinuation<Void, Never>] = []
        /// Whether no caller waits for it any more.
        var isLate = false
    }

    private enum Next {
        case go
        case wait
        case make(Int)
    }

    private struct State {
        var value: Value?
        var made: ContinuousClock.Instant?
        var flight: Flight?
        var number = 0
    }

    private let interval: Duration
    private let patience: Duration
    private let make: @Sendable () async -> Value?
    private let state = Mutex(State())

    /// - Parameters:
    ///   - interval: a younger value is reused.
    ///   - patience: how long callers wait for a new value.
    ///   - make: computes the value, on a blocking thread if needed; nil keeps the previous one.
    package init(
        interval: Duration = .seconds(1), patience: Duration = .milliseconds(200),
        make: @escaping @Sendable () async -> Value?
    ) {
        self.interval = interval
        self.patience = patience
        self.make = make
    }

    /// The newest value available without a long wait; nil if there is none yet.
    package func value() async -> Value? {
        await withCheckedContinuation { continuation in
            let next: Next = state.withLock { state in
                if let flight = state.flight {
                    guard !flight.isLate else { return .go }
                    state.flight?.waiting.append(continuation)
                    return .wait
                }
                if let made = state.made, .now - made < interval { return .go }
                state.number += 1
                state.flight = Flight(waiting: [continuation])
                return .make(state.number)
            }
            switch next {
            case .go: continuation.resume()
            case .wait: break
            case .make(let number): start(number)
            }
        }
        return state.withLock(\.value)
    }

    /// The newest computed value, at once.
    var latest: Value? { state.withLock(\.value) }

    /// Discards the value.
    func clear() {
        state.withLock { state in
            state.value = nil
            state.made = nil
        }
    }

    private func start(_ number: Int) {
        let patient = Task { [weak self, patience] in
            guard (try? await Task.sleep(for: patience)) != nil else { return }
            self?.release(number, isOver: false)
        }
        Task { [self] in
            let value = await make()
            state.withLock { state in
                if let value { state.value = value }
                state.made = .now
            }
            patient.cancel()
            release(number, isOver: true)
        }
    }

    private func release(_ number: Int, isOver: Bool) {
        let waiting = state.withLock { state in
            guard state.number == number, let flight = state.flight else { return [CheckedContinuation<Void, Never>]() }
            state.flight = isOver ? nil : Flight(isLate: true)
            return flight.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
