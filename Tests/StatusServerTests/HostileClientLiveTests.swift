import TestSupport
import Testing

@testable import StatusServer

/// What clients do to keep the server busy, full or waiting. Each test hangs until its client gives up, and fails, when
/// the limit that it is about is not there.
@Suite("Hostile clients")
struct HostileClientLiveTests {
    private static let request = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"

    @Test("A head that never ends, a byte at a time")
    func slowHead() async throws {
        var limits = ServerLimits()
        limits.head = .milliseconds(300)
        try await withServer(Source(), limits) { server async throws in
            let client = try await Client(server.port)
            let trickle = Task {
                for byte in ("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 2000)).utf8 {
                    guard await client.send([byte]) else { return }
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            #expect(await client.read() == [])
            trickle.cancel()
        }
    }

    @Test("A connection on which nothing comes")
    func silence() async throws {
        var limits = ServerLimits()
        limits.head = .milliseconds(100)
        try await withServer(Source(), limits) { server async throws in
            #expect(try await Client(server.port).read() == [])
        }
    }

    @Test("A connection that is kept and not used")
    func keptAndUnused() async throws {
        var limits = ServerLimits()
        limits.head = .seconds(2)
        try await withServer(Source(), limits) { server async throws in
            let client = try await Client(server.port)
            await client.send(Self.request)
            #expect(Reply(await client.read())?.status == 200)
        }
    }

    @Test(
        "A body that never ends",
        arguments: ["Transfer-Encoding: chunked", "Content-Length: 9000000000000000000"], ["GET", "POST"])
    func endlessBody(field: String, method: String) async throws {
        var limits = ServerLimits()
        limits.linger = .milliseconds(200)
        try await withServer(Source(), limits) { server async throws in
            let client = try await Client(server.port)
            await client.send("\(method) /healthz HTTP/1.1\r\nHost: test\r\n\(field)\r\n\r\n")
            let flood = Task {
                let chunk = field.hasPrefix("T") ? "400\r\n" + String(repeating: "x", count: 1024) + "\r\n" : "xxxxxxxx"
                while await client.send(chunk) { try await Task.sleep(for: .milliseconds(1)) }
            }
            let reply = Reply(await client.read())
            #expect(reply?.status == (method == "GET" ? 200 : 405))
            #expect(reply?.fields["connection"] == "close")
            #expect(await eventually { server.openConnections == 0 })
            flood.cancel()
        }
    }

    @Test("What follows a body is not taken for a request")
    func smuggling() async throws {
        try await withServer { server async throws in
            let client = try await Client(server.port)
            await client.send(
                "GET /healthz HTTP/1.1\r\nHost: test\r\nContent-Length: \(Self.request.utf8.count)\r\n\r\n\(Self.request)"
            )
            let text = String(decoding: try #require(await client.read()), as: UTF8.self)
            #expect(text.split(separator: "HTTP/1.1 ").count == 1)
        }
    }

    @Test("A client that does not read its answer")
    func unreadAnswer() async throws {
        var limits = ServerLimits()
        limits.answer = .seconds(2)
        let source = Source()
        // More than the system buffers.
        source.contents.withLock { $0.metrics = [UInt8](repeating: 0x61, count: 64 << 20) }
        try await withServer(source, limits) { server async throws in
            let client = try await Client(server.port)
            await client.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n")
            #expect(await eventually { server.openConnections == 1 })
            #expect(await eventually { server.openConnections == 0 })
            #expect(await client.read().map { $0.count < 64 << 20 } == true)
        }
    }

    @Test(
        "A head that is too large",
        arguments: [
            "GET /" + String(repeating: "a", count: 1 << 20) + " HTTP/1.1\r\n\r\n",
            "GET /?" + String(repeating: "a", count: 9 << 10) + " HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 1 << 20) + "\r\n\r\n",
            "GET / HTTP/1.1\r\n" + String(repeating: "a", count: 1 << 20) + ": x\r\n\r\n",
            "GET / HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 5000) + "\r\n",
            String(repeating: "G", count: 1 << 20),
        ])
    func hugeHead(head: String) async throws {
        try await withServer { server async throws in
            let client = try await Client(server.port)
            await client.send(head)
            let bytes = await client.read()
            #expect(bytes != nil)
            if let reply = Reply(bytes) { #expect(reply.status == 400) }
            #expect(await eventually { server.openConnections == 0 })
            #expect(try await exchange(server.port, "/healthz").status == 200)
        }
    }

    @Test("Hundreds of connections on which nothing comes: the oldest go, and others are answered")
    func manyIdle() async throws {
        var limits = ServerLimits()
        limits.connections = 20
        try await withServer(Source(), limits) { server async throws in
            var clients: [Client] = []
            for _ in 0..<300 { clients.append(try await Client(server.port)) }
            #expect(await clients[0].read() == [])
            #expect(server.openConnections <= 20)
            #expect(try await exchange(server.port, "/healthz").status == 200)
            #expect(clients.count == 300)
        }
    }

    @Test("Clients that take no answers keep nobody out")
    func unread() async throws {
        var limits = ServerLimits()
        limits.connections = 4
        let source = Source()
        source.contents.withLock { $0.metrics = [UInt8](repeating: UInt8(ascii: "x"), count: 16 << 20) }
        try await withServer(source, limits) { server async throws in
            var clients: [Client] = []
            for _ in 0..<4 {
                clients.append(try await Client(server.port))
                await clients.last?.send(String(repeating: "GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n", count: 100))
            }
            #expect(await eventually { server.busyConnections == 4 })
            for _ in 0..<10 { #expect(try await exchange(server.port, "/healthz").status == 200) }
            #expect(clients.count == 4)
        }
    }

    @Test("What is sent ahead of an answer is not read ahead")
    func readingAhead() async throws {
        let source = Source()
        source.contents.withLock { $0.metrics = [UInt8](repeating: UInt8(ascii: "x"), count: 64 << 20) }
        try await withServer(source) { server async throws in
            let client = try await Client(server.port)
            await client.send("GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n")
            #expect(await eventually { server.busyConnections == 1 })
            // More than the sockets of both sides hold.
            let flood = Task { await client.send([UInt8](repeating: UInt8(ascii: "\n"), count: 24 << 20)) }
            // Time enough to take it all in, for a server that would.
            try await Task.sleep(for: .seconds(2))
            #expect(server.openConnections == 1)
            client.close()
            #expect(await flood.value == false)
        }
    }

    @Test("When all answers are in the making, the one asked for first goes for a new one")
    func allBusy() async throws {
        var limits = ServerLimits()
        limits.connections = 2
        let source = Source()
        try await withServer(source, limits) { server async throws in
            source.gate.close()
            let clients = [try await Client(server.port), try await Client(server.port)]
            for (index, client) in clients.enumerated() {
                await client.send("GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
                #expect(await eventually { server.busyConnections == index + 1 })
            }
            #expect(try await exchange(server.port, "/healthz").status == 200)
            #expect(await clients[0].read() == [])
            source.gate.open()
            #expect(Reply(await clients[1].read())?.status == 200)
        }
    }

    @Test("Many requests without waiting for answers are answered in their order")
    func pipelining() async throws {
        try await withServer { server async throws in
            let client = try await Client(server.port)
            let ends = "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
            await client.send(String(repeating: Self.request, count: 200) + ends)
            let text = String(decoding: try #require(await client.read()), as: UTF8.self)
            #expect(text.split(separator: "HTTP/1.1 200 OK").count == 201)
            #expect(text.hasSuffix("up 1\n"))
        }
    }

    @Test("Requests without end, and no answer is read")
    func endlessPipeline() async throws {
        var limits = ServerLimits()
        limits.answer = .milliseconds(300)
        try await withServer(Source(), limits) { server async throws in
            let client = try await Client(server.port)
            let many = String(repeating: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", count: 1000)
            for _ in 0..<5000 {
                guard await client.send(many) else { break }
            }
            #expect(await eventually { server.openConnections == 0 })
        }
    }

    @Test("Anything that is not HTTP", arguments: 0..<20 as Range<UInt64>)
    func garbage(seed: UInt64) async throws {
        var limits = ServerLimits()
        limits.head = .seconds(5)
        try await withServer(Source(), limits) { server async throws in
            var random = SeededGenerator(seed: seed)
            var bytes = (0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) }
            switch seed % 4 {
            case 0: bytes = Array("GET ".utf8) + bytes
            case 1: bytes = Array("GET / HTTP/1.1\r\nHost: ".utf8) + bytes + Array("\r\n\r\n".utf8)
            case 2: bytes = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01] + bytes
            default: break
            }
            let client = try await Client(server.port)
            await client.send(bytes)
            #expect(await client.read() != nil)
            #expect(await eventually { server.openConnections == 0 })
            #expect(try await exchange(server.port, "/healthz").status == 200)
        }
    }

    @Test(
        "Strange requests that are HTTP",
        arguments: [
            "GET http:// HTTP/1.1", "GET http://a:b@[::1/x?y HTTP/1.1", "GET * HTTP/1.1", "GET /%zz%00 HTTP/1.1",
            "GET \u{ff0f}\u{202e} HTTP/1.1", "GET ?#?# HTTP/1.1", "CONNECT a:1 HTTP/1.1", "GET / HTTP/1.0",
            "PRI * HTTP/2.0",
        ])
    func strange(line: String) async throws {
        try await withServer { server async throws in
            let client = try await Client(server.port)
            await client.send("\(line)\r\nHost: test\r\nConnection: close\r\n\r\n")
            #expect(await client.read() != nil)
            #expect(try await exchange(server.port, "/healthz").status == 200)
        }
    }

    @Test("A client that says it has nothing more to send is answered")
    func halfClosed() async throws {
        try await withServer { server async throws in
            let client = try await Client(server.port)
            await client.send(Self.request)
            client.finish()
            #expect(Reply(await client.read())?.status == 200)
        }
    }
}
