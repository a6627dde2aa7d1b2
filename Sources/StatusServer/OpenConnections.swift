import NIOCore
import Synchronization

/// The connections of a server: how many there may be, and which goes when there are too many.
final class OpenConnections: Sendable {
    /// What a connection waits for.
    enum Phase {
        /// For its client's next request.
        case request
        /// For the answer to be made.
        case answer
        /// For its client to take the answer.
        case reader
    }

    private struct Entry {
        var channel: any Channel
        var phase = Phase.request
        var since = NIODeadline.now()

        /// Those whose clients take their time go first, then what we take our own for; the oldest of them.
        func goes(before other: Entry) -> Bool {
            (phase == .answer ? 1 : 0, since) < (other.phase == .answer ? 1 : 0, other.since)
        }
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var isEnding = false
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Takes a new connection in; another one may be closed for it.
    ///
    /// Somebody new is never turned away: whoever keeps connections busy would keep health checks out with that.
    ///
    /// - Returns: false when the server ends: it is to be closed.
    func admit(_ channel: any Channel) -> Bool {
        let (admitted, evicted) = state.withLock { state -> (Bool, (any Channel)?) in
            guard !state.isEnding else { return (false, nil) }
            var evicted: (any Channel)?
            if state.entries.count >= limit, let first = state.entries.min(by: { $0.value.goes(before: $1.value) }) {
                state.entries[first.key] = nil
                evicted = first.value.channel
            }
            state.entries[ObjectIdentifier(channel)] = Entry(channel: channel)
            return (true, evicted)
        }
        evicted?.close(promise: nil)
        if admitted { channel.closeFuture.whenComplete { [self] _ in remove(channel) } }
        return admitted
    }

    /// Notes what a connection waits for from now on.
    func note(_ phase: Phase, _ channel: any Channel) {
        state.withLock { state in
            guard let entry = state.entries[ObjectIdentifier(channel)] else { return }
            state.entries[ObjectIdentifier(channel)] = Entry(channel: entry.channel, phase: phase)
        }
    }

    /// Closes what is idle, lets what is being answered be answered, and admits nothing any more.
    func quiesce() {
        let channels = state.withLock { state in
            state.isEnding = true
            return state.entries.values.map(\.channel)
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
    }

    /// Closes all.
    func closeAll() {
        for entry in state.withLock({ $0.entries.values }) { entry.channel.close(promise: nil) }
    }

    /// How many there are.
    var count: Int { state.withLock { $0.entries.count } }

    /// On how many a request is being answered.
    var busy: Int { state.withLock { $0.entries.values.count { $0.phase != .request } } }

    private func remove(_ channel: any Channel) {
        state.withLock { $0.entries[ObjectIdentifier(channel)] = nil }
    }
}
