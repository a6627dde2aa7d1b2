import BlobStorage
import HTTP
import Observability
import PowerDNSFormat
import Snapshots
import Synchronization
import TestSupport
import Testing

@testable import PowerDNSSync

/// Requests to a server that answers as PowerDNS does, or does not.
@Suite(.timeLimit(.minutes(2))) struct CacheFlusherLiveTests {
    private static let path = "/api/v1/servers/localhost/cache/flush?domain="
    private static let flushed = FaultServer.Reply.answer(
        200, ["Content-Type": "application/json"], #"{"count": 1, "result": "Flushed cache."}"#)

    private struct Node {
        let log = LogLines()
        let registry = MetricRegistry()
        let flusher: CacheFlusher

        init(
            _ url: String, stallTimeout: Duration = .seconds(60), lastWordsLimit: Duration = .seconds(60),
            key: @escaping @Sendable () throws -> String = { "geheim" }
        ) {
            flusher = CacheFlusher(
                PowerDNSAPI(url: url, stallTimeout: stallTimeout, key: key), knowsZones: { true },
                registry: registry, logger: log.logger, lastWordsLimit: lastWordsLimit)
        }

        func change(_ zones: String...) async throws {
            await flusher.zonesChanged(
                MergedZones(
                    database: "shard", role: .shard,
                    snapshot: try #require(
                        SnapshotName("shard__a__20261121-131932-850359279__GX.pb.gz")),
                    zones: .some(try zones.map { MergedZones.Zone(id: 1, name: try ZoneName($0)) })))
        }

        func count(_ result: String) -> Int {
            let prefix = "lightningstream_powerdns_flushes_total{result=\"\(result)\"} "
            let line = String(decoding: registry.text(), as: UTF8.self).split(separator: "\n")
                .first { $0.hasPrefix(prefix) }
            return line.flatMap { Int($0.dropFirst(prefix.count)) } ?? 0
        }
    }

    @Test func zonesAreFlushedOneAfterTheOtherOverOneConnection() async throws {
        let server = try FaultServer { _, _ in Self.flushed }
        defer { server.stop() }
        let node = Node(server.endpoint + "/")
        // Queued before it runs: while it runs, the second change of a zone that is flushed already would be flushed, too.
        try await node.change("example.org", "10-20.2.0.192.in-addr.arpa", #"a\032&b\.c.org"#, "x.org..in side")
        try await node.change("example.org")
        try await node.flusher.run {}
        // All that was left has been done before the end.
        #expect(node.count("success") == server.requests.count)
        #expect(
            server.requests.map(\.target)
                == [
                    "example.org.", "10-20.2.0.192.in-addr.arpa.", "a%5C032%26b%5C.c.org.", "x.org.",
                    "x.org..in%20side",
                ].map { Self.path + $0 })
        #expect(server.requests.allSatisfy { $0.method == "PUT" && $0.headers["x-api-key"] == "geheim" })
        #expect(server.requests.allSatisfy { $0.headers["content-length"] == "0" })
        #expect(server.connections == 1)
    }

    @Test func everythingIsFlushedAtTheRoot() async throws {
        let server = try FaultServer { _, _ in Self.flushed }
        defer { server.stop() }
        try await PowerDNSAPI(url: server.endpoint) { "geheim" }.flush(.everything)
        #expect(server.requests.map(\.target) == [Self.path + "."])
    }

    @Test(arguments: [
        FaultServer.Reply.reset, .raw("HTTP/1.1 200 OK\r\n"), .answer(500, [:], "geheim\u{1b}[2J"),
        .answer(401),
        .answer(403), .answer(404, [:], #"{"error": "Not Found"}"#),
    ])
    func afterAFailureItIsTriedAgain(reply: FaultServer.Reply) async throws {
        let server = try FaultServer { _, number in number == 0 ? reply : Self.flushed }
        defer { server.stop() }
        let node = Node(server.endpoint)
        try await node.flusher.run {
            try await node.change("example.org")
            try await eventually { node.count("success") == 1 }
        }
        #expect(node.count("failure") == 1)
        #expect(server.requests.map(\.target) == [String](repeating: Self.path + "example.org.", count: 2))
        #expect(node.log.count("warning PowerDNS's caches are not flushed") == 1)
        #expect(node.log.contains("info PowerDNS's caches can be flushed again"))
        #expect(!node.log.contains("geheim") && !node.log.contains("\u{1b}"))
    }

    @Test func aKeyThatIsNotTakenIsAWarningAtOnceUntilItIs() async throws {
        let server = try FaultServer { request, _ in request.method == "GET" ? .answer(401) : Self.flushed }
        defer { server.stop() }
        let texts = Mutex<[String?]>([])
        let log = LogLines()
        let flusher = CacheFlusher(
            PowerDNSAPI(url: server.endpoint) { "geheim" }, knowsZones: { true }, registry: MetricRegistry(),
            logger: log.logger, checksAccess: true, health: { text in texts.withLock { $0.append(text) } })
        try await flusher.run {
            try await eventually {
                texts.withLock { $0.last??.contains("check that powerdns.api.key is PowerDNS's api-key") } == true
            }
            let snapshot = try #require(SnapshotName("shard__a__20261121-131932-850359279__GX.pb.gz"))
            await flusher.zonesChanged(
                MergedZones(
                    database: "shard", role: .shard, snapshot: snapshot,
                    zones: .some([MergedZones.Zone(id: 1, name: try ZoneName("example.org"))])))
            try await eventually { texts.withLock { $0.count == 2 && $0[1] == nil } }
        }
        #expect(log.count("cannot use PowerDNS's API to flush its caches") == 1)
    }

    @Test func whoeverDoesNotAnswerIsLeft() async throws {
        let server = try FaultServer { _, number in number == 0 ? .silence : Self.flushed }
        defer { server.stop() }
        let node = Node(server.endpoint, stallTimeout: .milliseconds(300))
        try await node.flusher.run {
            try await node.change("example.org")
            try await eventually { node.count("success") == 1 }
        }
        #expect(node.count("failure") >= 1)
        #expect(node.log.contains("no answer for"))
    }

    @Test func whatPowerDNSDoesNotTakeStopsNothing() async throws {
        let server = try FaultServer { request, _ in
            request.target.hasSuffix("bad.org.") ? .answer(422, [:], #"{"error": "not canonical"}"#) : Self.flushed
        }
        defer { server.stop() }
        let node = Node(server.endpoint)
        try await node.flusher.run { try await node.change("bad.org", "example.org") }
        #expect((node.count("rejected"), node.count("success")) == (1, 1))
        #expect(node.log.contains("422"))
    }

    @Test func anAnswerOfAnySizeIsNotRead() async throws {
        let server = try FaultServer { _, number in
            number == 0 ? .answer(200, [:], String(repeating: "x", count: 100 << 10)) : Self.flushed
        }
        defer { server.stop() }
        let node = Node(server.endpoint)
        try await node.flusher.run {
            try await node.change("example.org")
            try await eventually { node.count("success") == 1 }
        }
        #expect(node.log.contains("the answer is larger than 64 KiB"))
    }

    @Test func nobodyThereKeepsNobodyWaiting() async throws {
        let node = Node("http://127.0.0.1:\(try closedPort())", lastWordsLimit: .milliseconds(10))
        // Returns although the zone is still waiting.
        try await node.flusher.run {
            try await node.change("example.org")
            try await eventually { node.count("failure") > 0 }
            for number in 0..<2000 { try await node.change("zone\(number).org") }
        }
        #expect(node.count("success") == 0)
        #expect(node.log.contains("127.0.0.1"))
        #expect(!node.log.contains("example.org"))
    }

    @Test func theKeyCanBeReplacedWhileItRuns() async throws {
        let directory = try TemporaryDirectory()
        let server = try FaultServer { request, _ in
            request.headers["x-api-key"] == "new" ? Self.flushed : .answer(401)
        }
        defer { server.stop() }
        let file = directory.file("key")
        let node = Node(server.endpoint) { try readKeyFile(file, for: .apiKey) }
        try await node.flusher.run {
            try await node.change("example.org")
            try await eventually { node.log.contains("API key: cannot open") }
            try directory.write("key", "old\n")
            try await eventually { node.log.contains("401") }
            try directory.write("key", "new\nsecond line\n")
            try await eventually { node.count("success") == 1 }
        }
        #expect(!node.log.contains("old"))
    }
}
