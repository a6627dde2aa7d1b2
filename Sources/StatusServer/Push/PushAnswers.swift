import HTTPTypes
import HummingbirdCore
import Monitoring
import NIOCore
import Support
import Synchronization

/// The answers to `POST /hint` and `POST /events`, which change nothing but when the storage is read.
///
/// The token is checked before anything is read. Only requests with a valid one count for the limit, so that nobody else can
/// use it up.
struct PushAnswers: Sendable {
    /// One line for the client.
    private struct Answer {
        var status: HTTPResponse.Status
        var line = ""
        var field: HTTPField?
        /// Whether the body was read to its end.
        var isWhole = false
    }

    private final class Limits: Sendable {
        let hints, events: Mutex<RateLimit>

        init(rate: Int) {
            hints = Mutex(RateLimit(rate: rate))
            events = Mutex(RateLimit(rate: rate))
        }
    }

    private let receiver: any PushReceiver
    private let limits: ServerLimits
    private let rates: Limits

    init(_ receiver: any PushReceiver, _ limits: ServerLimits) {
        self.receiver = receiver
        self.limits = limits
        rates = Limits(rate: limits.pushRate)
    }

    /// The endpoint of a request; nil if it is another request.
    static func endpoint(of request: HTTPRequest) -> PushEndpoint? {
        guard request.method == .post else { return nil }
        let path = (request.path ?? "/").prefix { $0 != "?" }
        return path.first == "/" ? PushEndpoint(rawValue: String(path.dropFirst())) : nil
    }

    /// The response to a request; nil if it is another request, or if there is no token.
    func response(to request: Request) async -> Response? {
        guard let endpoint = Self.endpoint(of: request.head) else { return nil }
        let token = PushCredentials.token(in: request.headers[.authorization])
        guard let isValid = await receiver.accepts(token ?? "") else { return nil }
        let (answer, result) = await answer(to: request, at: endpoint, isValid: isValid && token != nil)
        receiver.answered(result, at: endpoint)
        return response(answer, to: request)
    }

    private func answer(
        to request: Request, at endpoint: PushEndpoint, isValid: Bool
    ) async -> (Answer, PushResult) {
        guard isValid else {
            return (
                Answer(
                    status: .unauthorized, line: "the token of push.token_file is missing or wrong",
                    field: HTTPField(name: .wwwAuthenticate, value: "Bearer")), .unauthorized
            )
        }
        guard takes(endpoint) else {
            return (
                Answer(
                    status: .tooManyRequests, line: "more than \(limits.pushRate) requests a second",
                    field: HTTPField(name: .retryAfter, value: "1")), .limited
            )
        }
        let most = endpoint == .hint ? limits.hintBytes : limits.eventBytes
        switch await body(of: request, atMost: most) {
        case .tooLarge:
            return (Answer(status: .contentTooLarge, line: "the body has more than \(most) bytes"), .invalid)
        case .broken: return (Answer(status: .badRequest, line: "the body is incomplete"), .invalid)
        case .whole(let bytes):
            guard take(bytes, from: endpoint) else {
                return (Answer(status: .badRequest, line: "the body is not the expected JSON", isWhole: true), .invalid)
            }
            return (Answer(status: .noContent, isWhole: true), .accepted)
        }
    }

    private func takes(_ endpoint: PushEndpoint) -> Bool {
        let now = systemUptime()
        return switch endpoint {
        case .hint: rates.hints.withLock { $0.take(at: now) }
        case .events: rates.events.withLock { $0.take(at: now) }
        }
    }

    private func take(_ bytes: [UInt8], from endpoint: PushEndpoint) -> Bool {
        switch endpoint {
        case .hint:
            guard let hint = try? JSON.decode(PeerHint.self, from: bytes) else { return false }
            receiver.hint(hint)
        case .events:
            guard let events = StorageEvent.parse(bytes) else { return false }
            for event in events { receiver.event(event) }
        }
        return true
    }

    private enum Body {
        case whole([UInt8])
        case tooLarge
        case broken
    }

    private func body(of request: Request, atMost most: Int) async -> Body {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > most { return .tooLarge }
        var bytes: [UInt8] = []
        do {
            for try await part in request.body {
                guard bytes.count + part.readableBytes <= most else { return .tooLarge }
                bytes += part.readableBytesView
            }
        } catch {
            return .broken
        }
        return .whole(bytes)
    }

    private func response(_ answer: Answer, to request: Request) -> Response {
        var headers = HTTPFields()
        let body = answer.line.isEmpty ? ByteBuffer() : ByteBuffer(string: answer.line + "\n")
        if !answer.line.isEmpty { headers[.contentType] = "text/plain; charset=utf-8" }
        headers[.cacheControl] = "no-store"
        headers[.xContentTypeOptions] = "nosniff"
        if answer.status != .noContent { headers[.contentLength] = String(body.readableBytes) }
        if let field = answer.field { headers[field.name] = field.value }
        let asksToClose = (request.headers[.connection] ?? "").lowercased().contains("close")
        // What follows a body that was not read to its end can't be told from it.
        let keeps = answer.isWhole ? !asksToClose : Answers.keepsConnection(request.head)
        if !keeps { headers[.connection] = "close" }
        return Response(status: answer.status, headers: headers, body: ResponseBody(byteBuffer: body))
    }
}
