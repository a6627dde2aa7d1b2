import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Closes a connection that takes too long, and drops the bodies of requests that nobody reads.
///
/// There is always exactly one deadline: for the head of the next request, for a body that is read, for the current answer,
/// or for the end of a closing connection. Data that a client sends before it has read an answer stay in its system.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limits: ServerLimits
    private let connections: OpenConnections
    private var deadline: Scheduled<Void>?
    // Number of request heads and ends received, and of answers sent. Clients may pipeline requests.
    private var heads = 0
    private var ends = 0
    private var answers = 0
    /// Whether the body of the last request received is read.
    private var readsBody = false
    private var closesAfterAnswer = false
    private var isClosing = false
    /// Whether a read is held until the end of an answer.
    private var holdsRead = false

    private let isRead: @Sendable (HTTPRequest) -> Bool

    /// - Parameter isRead: whether the body of a request is read.
    init(limits: ServerLimits, connections: OpenConnections, isRead: @escaping @Sendable (HTTPRequest) -> Bool) {
        self.limits = limits
        self.isRead = isRead
        self.connections = connections
    }

    func handlerAdded(context: ChannelHandlerContext) {
        expect(.next, context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            heads += 1
            readsBody = isRead(head)
            if heads == answers + 1 { expect(current, context) }
        case .body: if !readsBody { return }
        case .end:
            ends += 1
            if readsBody, ends == answers + 1 { expect(.answer, context) }
        }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        if ends > answers && !isClosing { holdsRead = true } else { context.read() }
    }

    private func readOn(_ context: ChannelHandlerContext) {
        guard holdsRead, ends <= answers || isClosing else { return }
        holdsRead = false
        context.read()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            closesAfterAnswer = head.headerFields[.connection] == "close"
            // The body has been computed, too.
            connections.note(.reader, context.channel)
            context.write(data, promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            let written = promise ?? context.eventLoop.makePromise(of: Void.self)
            written.futureResult.assumeIsolated().whenSuccess { [self] in answered(context) }
            context.write(data, promise: written)
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .output {
            isClosing = true
            expect(.end, context)
            readOn(context)
        }
        context.close(mode: mode, promise: promise)
    }

    private func answered(_ context: ChannelHandlerContext) {
        answers += 1
        guard !isClosing else { return }
        if closesAfterAnswer || ends < answers {
            // Discards further data for a moment: closing at once would make the client's system drop the answer.
            isClosing = true
            expect(.end, context)
            context.close(mode: .output, promise: nil)
        } else {
            expect(current, context)
        }
        readOn(context)
    }

    private enum Expected { case next, body, answer, end }

    /// What an open connection waits for.
    private var current: Expected {
        if heads <= answers { return .next }
        return readsBody && ends <= answers ? .body : .answer
    }

    private func expect(_ expected: Expected, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        connections.note(expected == .answer ? .answer : .request, context.channel)
        let limit =
            switch expected {
            case .next: limits.head
            case .body: limits.body
            case .answer: limits.answer
            case .end: limits.linger
            }
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limit)) {
            context.close(promise: nil)
        }
    }
}

@available(*, unavailable)
extension ConnectionGuard: Sendable {}
