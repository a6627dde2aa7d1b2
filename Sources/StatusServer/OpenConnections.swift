import NIOCore
import Synchronization

/// The connections of a server: how many there may be, and which goes when there are too many.
final class OpenConnections: Sendable {
    private struct Entry {
        var channel: any Channel
        /// Since when no request is being answered; nil while one is.
        var idleSince: NIODeadline?
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
    /// - Returns: false when there is no room: it is to be closed.
    func admit(_ channel: any Channel) -> Bool {
        let (admitted, evicted) = state.withLock { state -> (Bool, (any Channel)?) in
            guard !state.isEnding else { return (false, nil) }
            var evicted: (any Channel)?
            if state.entries.count >= limit {
                let idle = state.entries.filter { $0.value.idleSince != nil }
                let oldest = idle.min {
                    ($0.value.idleSince ?? .distantFuture) < ($1.value.idleSince ?? .distantFuture)
                }
                guard let oldest else { return (false, nil) }
                state.entries[oldest.key] = nil
                evicted = oldest.value.channel
            }
            state.entries[ObjectIdentifier(channel)] = Entry(channel: channel, idleSince: .now())
            return (true, evicted)
        }
        evicted?.close(promise: nil)
        if admitted { channel.closeFuture.whenComplete { [self] _ in remove(channel) } }
        return admitted
    }

    /// Notes whether a request is being answered on a connection.
    func setBusy(_ isBusy: Bool, _ channel: any Channel) {
        state.withLock { $0.entries[ObjectIdentifier(channel)]?.idleSince = isBusy ? nil : .now() }
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
    var busy: Int { state.withLock { $0.entries.values.count { $0.idleSince == nil } } }

    private func remove(_ channel: any Channel) {
        state.withLock { $0.entries[ObjectIdentifier(channel)] = nil }
    }
}
