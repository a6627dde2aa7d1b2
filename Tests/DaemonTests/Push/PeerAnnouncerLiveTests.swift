import BlobStorage
import Config
import Glibc
import Monitoring
import Observability
import Replication
import Snapshots
import StatusServer
import Support
import TestSupport
import Testing

@testable import Daemon

/// Telling others over real sockets, whatever they do.
@Suite("Telling others")
struct PeerAnnouncerLiveTests {
    private static let token = String(repeating: "t", count: 32)

    /// An announcer of instance `a` that knows instances with these URLs.
    private final class Site: Sendable {
        let announcer: PeerAnnouncer
        let store = MemoryStore()
        let registry = MetricRegistry()
        let directory: TemporaryDirectory

        init(_ urls: [String: String]) async throws {
            directory = try TemporaryDirectory()
            let file = try directory.write("token", PeerAnnouncerLiveTests.token)
            chmod(file, 0o600)
            announcer = PeerAnnouncer(
                own: "a", url: nil, tokens: TokenFile(file) { _ in }, metrics: PushMetrics(registry),
                logger: .init(label: "test"))
            announcer.attach(store)
            for (name, url) in urls { try await publish(name, url) }
            announcer.observe(.listed(Catalog(try await store.list(prefix: ""), database: "main", now: 1)), of: "main")
        }

        func publish(_ name: String, _ url: String) async throws {
            try await StateObjects(store, database: "main").store(
                InstanceState(
                    instance: name, hostname: "h", software: "s", time: "2026-11-21T00:00:00.000Z", sent: nil,
                    applied: [:],
                    covered: nil, health: "OK", url: url))
        }

        func count(_ result: PushMetrics.Sent) -> Int {
            let line = "lightningstream_push_hints_sent_total{result=\"\(result.rawValue)\"} "
            let text = String(decoding: registry.text(), as: UTF8.self)
            return text.split(separator: "\n").first { $0.hasPrefix(line) }.flatMap { Int($0.dropFirst(line.count)) }
                ?? 0
        }
    }

    private func answering(_ status: Int, _ headers: [String: String] = [:]) throws -> FaultServer {
        try FaultServer { _, _ in .answer(status, headers) }
    }

    @Test("Somebody who is down, hangs, fails or redirects holds up nobody")
    func troubled() async throws {
        let good = try answering(204)
        let (hangs, fails, elsewhere) = (try FaultServer { _, _ in .silence }, try answering(500), try answering(204))
        let redirects = try answering(307, ["Location": "\(elsewhere.endpoint)/hint"])
        let floods = try FaultServer { _, _ in
            .endless("HTTP/1.1 200 OK\r\n\r\n", then: String(repeating: "x", count: 1024))
        }
        defer { for server in [good, hangs, fails, elsewhere, redirects, floods] { server.stop() } }
        let site = try await Site([
            "b": "http://127.0.0.1:1", "c": hangs.endpoint, "d": fails.endpoint, "e": redirects.endpoint,
            "f": floods.endpoint,
            "g": good.endpoint,
        ])
        try await eventually { site.announcer.peers == ["b", "c", "d", "e", "f", "g"] }
        site.announcer.published("main", "main__a.state")
        try await eventually { good.requests.count == 1 }
        let request = try #require(good.requests.first)
        #expect(request.method == "POST" && request.target == "/hint")
        #expect(request.headers["authorization"] == "Bearer \(Self.token)")
        #expect(
            try JSON.decode(PeerHint.self, from: request.body) == PeerHint(database: "main", object: "main__a.state"))
        try await eventually {
            site.count(.accepted) == 1 && site.count(.failed) == 1 && site.count(.refused) == 1
                && site.count(.unreachable) == 3
        }
        #expect(elsewhere.requests.isEmpty)
        // The others are left alone for a while, and the one that answers is not.
        site.announcer.published("main", "main__a.state")
        try await eventually { good.requests.count == 2 }
        try await eventually { site.count(.suppressed) == 5 }
        #expect(hangs.requests.count == 1 && fails.requests.count == 1)
    }

    @Test("What is stored while somebody is being told is told in one, the newest")
    func coalesced() async throws {
        let server = try FaultServer { _, count in
            if count == 0 { usleep(500_000) }
            return .answer(204)
        }
        defer { server.stop() }
        let site = try await Site(["b": server.endpoint])
        try await eventually { site.announcer.peers == ["b"] }
        for number in 1...100 { site.announcer.published("main", "main__a\(number).state") }
        try await eventually { site.count(.accepted) == 2 }
        let objects = try server.requests.map { try JSON.decode(PeerHint.self, from: $0.body).object }
        #expect(objects == ["main__a1.state", "main__a100.state"])
    }

    @Test("A hostile URL gets nothing")
    func hostile() async throws {
        let (good, trap) = (try answering(204), try answering(204))
        defer { for server in [good, trap] { server.stop() } }
        let host = trap.endpoint.dropFirst("http://".count)
        let port = host.split(separator: ":").last ?? ""
        let site = try await Site([
            "b": "http://localhost:\(port)", "c": "http://x@\(host)", "d": "http://\(host)/path",
            "e": "http://\(host)#x",
            "f": "\(trap.endpoint)\r\nX: y", "g": "http://0.0.0.0:\(port)", "h": good.endpoint,
            // No certificate verifies here.
            "i": "https://\(host)",
        ])
        try await eventually { site.announcer.peers == ["h", "i"] }
        site.announcer.published("main", "main__a.state")
        try await eventually { site.count(.accepted) == 1 && site.count(.unreachable) == 1 }
        #expect(trap.requests.allSatisfy { !String(decoding: $0.raw, as: UTF8.self).contains(Self.token) })
    }

    @Test("Somebody new tells of itself, and is told")
    func newcomer() async throws {
        let server = try answering(204)
        defer { server.stop() }
        let site = try await Site([:])
        site.announcer.published("main", "main__a.state")
        try await site.publish("b", server.endpoint)
        site.announcer.heard(of: .state(.init(database: "main", instance: "b")))
        try await eventually { server.requests.count == 1 }
    }
}
