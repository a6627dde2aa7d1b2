import NIOCore
import Synchronization

/// The connections of a server: limits their number and selects the one to close.
final class OpenConnections: Sendable {
    /// What a connection waits for.
    enum Phase {
        /// The client's next request.
        case request
        /// The computation of the answer.
        case answer
        /// The client reading the answer.
        case reader
    }

    private struct Entry {
        var channel: any Channel
        var phase = Phase.request
        var since = NIODeadline.now()

        /// Connections with slow clients close first, then those whose answer takes long; among these, the oldest.
        func closes(before other: Entry) -> Bool {
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

    /// Admits a new connection; another one may be closed for it.
    ///
    /// New connections are never rejected: otherwise clients that occupy connections could block health checks.
    ///
    /// - Returns: false if the server is shutting down: the connection is to be closed.
    func admit(_ channel: any Channel) -> Bool {
        let (admitted, evicted) = state.withLock { state -> (Bool, (any Channel)?) in
            guard !state.isEnding else { return (false, nil) }
            var evicted: (any Channel)?
            if state.entries.count >= limit, let first = state.entries.min(by: { $0.value.closes(before: $1.value) }) {
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

    /// Records what a connection is waiting for.
    func note(_ phase: Phase, _ channel: any Channel) {
        state.withLock { state in
            guard let entry = state.entries[ObjectIdentifier(channel)] else { return }
            state.entries[ObjectIdentifier(channel)] = Entry(channel: entry.channel, phase: phase)
        }
    }

    /// Closes idle connections, lets current answers finish, and admits no more connections.
    func quiesce() {
        let channels = state.withLock { state in
            state.isEnding = true
            return state.entries.values.map(\.channel)
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
    }

    /// Closes all connections.
    func closeAll() {
        for entry in state.withLock({ $0.entries.values }) { entry.channel.close(promise: nil) }
    }

    /// The number of connections.
    var count: Int { state.withLock { $0.entries.count } }

    /// The number of connections with a request in progress.
    var busy: Int { state.withLock { $0.entries.values.count { $0.phase != .request } } }

    private func remove(_ channel: any Channel) {
        state.withLock { $0.entries[ObjectIdentifier(channel)] = nil }
    }
}
