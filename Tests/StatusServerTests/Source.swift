import Logging
import Monitoring
import Synchronization

@testable import StatusServer

/// A source that says what the test wants, and can be held up.
final class Source: StatusSource {
    struct Contents {
        var report = StatusReport()
        var metrics = Array("up 1\n".utf8)
        var isAvailable = true
        var objects: Result<[(name: String, size: Int)], TestError> = .success([])
        var inSync: StatusReport.InSync?
        /// The last question of ``Source/inSync(_:ticket:except:)``.
        var asked: (zone: String, ticket: UInt64?, except: [String])?
        var calls = 0
        var listings = 0
    }
    struct TestError: Error, CustomStringConvertible {
        var description: String
    }

    let contents = Mutex(Contents())
    let gate = Gate()

    func report() async -> StatusReport { contents.withLock { $0.report } }

    func metrics() async -> [UInt8] {
        contents.withLock { $0.calls += 1 }
        await gate.pass()
        return contents.withLock { $0.metrics }
    }

    func health() async -> (isAvailable: Bool, json: [UInt8]) {
        (contents.withLock { $0.isAvailable }, Array(#"{"ok":true}"#.utf8))
    }

    func inSync(_ zone: String, ticket: UInt64?, except: [String]) async -> StatusReport.InSync? {
        contents.withLock {
            $0.asked = (zone, ticket, except)
            return $0.inSync
        }
    }

    func proof(nonce: String, of body: [UInt8]) -> String? { "\(nonce)-\(body.count)" }

    func objects() async throws -> [(name: String, size: Int)] {
        try contents.withLock {
            $0.listings += 1
            return try $0.objects.get()
        }
    }
}

/// Lets nobody pass while it is closed.
final class Gate: Sendable {
    private struct State {
        var isOpen = true
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    func close() { state.withLock { $0.isOpen = false } }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for one in waiting { one.resume() }
    }

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    var waiting: Int { state.withLock { $0.waiting.count } }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Takes what the test's requests tell, for one token.
final class Receiver: PushReceiver {
    struct Contents {
        var token: String? = Receiver.token
        var hints: [PeerHint] = []
        var events: [StorageEvent] = []
        var results: [PushResult] = []
    }

    static let token = "0123456789abcdef0123456789abcdef"
    let contents = Mutex(Contents())

    func accepts(_ token: String) async -> Bool? { contents.withLock(\.token).map { $0 == token } }
    func hint(_ hint: PeerHint) { contents.withLock { $0.hints.append(hint) } }
    func event(_ event: StorageEvent) { contents.withLock { $0.events.append(event) } }
    func answered(_ result: PushResult, at endpoint: PushEndpoint) { contents.withLock { $0.results.append(result) } }
}

/// Runs a test with a server on a free port of the loopback interface.
func withServer(
    _ source: Source = Source(), _ limits: ServerLimits = ServerLimits(), host: String = "127.0.0.1",
    push: Receiver? = nil, _ body: (StatusServer) async throws -> Void
) async throws {
    let server = try await StatusServer.bind(
        to: host, port: 0, source: source, push: push, logger: quiet, limits: limits)
    do {
        try await body(server)
    } catch {
        await server.close()
        throw error
    }
    await server.close()
}
