import TestSupport
import Testing

@testable import StatusServer

/// `POST /hint` and `POST /events`: who may send what.
@Suite("Push endpoints")
struct PushEndpointLiveTests {
    private static let body = #"{"database":"main","object":"main__b.state"}"#
    private static let bearer = "Bearer \(Receiver.token)"

    private static func request(
        _ path: String = "/hint", method: String = "POST", token: String? = bearer, body: String = body,
        fields: String = ""
    ) -> String {
        let authorization = token.map { "Authorization: \($0)\r\n" } ?? ""
        return
            "\(method) \(path) HTTP/1.1\r\nHost: ns1.example.net\r\n\(authorization)Content-Length: \(body.utf8.count)\r\n"
            + "\(fields)\r\n\(body)"
    }

    private func send(_ text: String, _ port: UInt16) async throws -> Reply {
        let client = try await Client(port)
        await client.send(text)
        client.finish()
        return try #require(Reply(await client.read()))
    }

    @Test("A hint is taken, under any host name")
    func hint() async throws {
        let receiver = Receiver()
        try await withServer(push: receiver) { server async throws in
            let reply = try await send(Self.request(fields: "Connection: close\r\n"), server.port)
            #expect(reply.status == 204 && reply.body.isEmpty)
            #expect(receiver.contents.withLock { $0.hints } == [PeerHint(database: "main", object: "main__b.state")])
        }
    }

    @Test(
        "A wrong or missing token, which nothing else is asked of",
        arguments: [
            nil, "", "Bearer", "Bearer ", "Bearer x", "Bearer \(Receiver.token)0",
            "Bearer 0\(Receiver.token.dropLast())",
            Receiver.token, "Basic \(Receiver.token)", "Basic ====", "Basic Og==", "Digest \(Receiver.token)",
        ])
    func wrongToken(token: String?) async throws {
        let receiver = Receiver()
        try await withServer(push: receiver) { server async throws in
            for path in ["/hint", "/events", "/hint?token=\(Receiver.token)"] {
                let reply = try await send(Self.request(path, token: token), server.port)
                #expect(reply.status == 401)
                #expect(reply.fields["www-authenticate"] == "Bearer")
                #expect(reply.fields["connection"] == "close")
                #expect(!reply.body.contains(Receiver.token))
            }
            let contents = receiver.contents.withLock(\.self)
            #expect(contents.hints.isEmpty && contents.events.isEmpty)
            #expect(contents.results == [.unauthorized, .unauthorized, .unauthorized])
        }
    }

    @Test("A token as the password of basic authentication")
    func basic() async throws {
        let receiver = Receiver()
        try await withServer(push: receiver) { server async throws in
            // Of `any:` and the token.
            let token = "Basic YW55OjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm"
            #expect(try await send(Self.request(token: token), server.port).status == 204)
        }
    }

    @Test("Without a token there are no endpoints: the answer is that for any other path")
    func withoutToken() async throws {
        let receiver = Receiver()
        receiver.contents.withLock { $0.token = nil }
        for receiver in [receiver, nil] {
            try await withServer(push: receiver) { server async throws in
                var texts: Set<String> = []
                for path in ["/hint", "/events", "/other"] {
                    let text = Self.request(path).replacing("ns1.example.net", with: "localhost")
                    let reply = try await send(text, server.port)
                    #expect(reply.status == 404)
                    texts.insert(reply.body)
                }
                #expect(texts.count == 1)
            }
        }
    }

    @Test("Only POST", arguments: ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
    func methods(method: String) async throws {
        let receiver = Receiver()
        try await withServer(push: receiver) { server async throws in
            let text = Self.request(method: method).replacing("ns1.example.net", with: "localhost")
            #expect(try await send(text, server.port).status == 404)
            #expect(receiver.contents.withLock { $0.hints }.isEmpty)
        }
    }

    @Test(
        "A body that is something else",
        arguments: [
            "", "{", "null", "[]", "1", #""x""#, "{}", #"{"database":"main"}"#, #"{"database":1,"object":"o"}"#,
            #"{"database":null,"object":null}"#, String(repeating: "[", count: 4000), "\u{0}",
            #"{"database":"main","object":"#,
        ])
    func malformed(body: String) async throws {
        let receiver = Receiver()
        try await withServer(push: receiver) { server async throws in
            #expect(try await send(Self.request(body: body), server.port).status == 400)
            #expect(receiver.contents.withLock { $0.hints }.isEmpty)
        }
    }

    @Test("A body that is too large, announced or in chunks", arguments: ["/hint", "/events"], [true, false])
    func oversized(path: String, isAnnounced: Bool) async throws {
        let receiver = Receiver()
        try await withServer(push: receiver) { server async throws in
            let size = path == "/hint" ? 4097 : (64 << 10) + 1
            let body = Self.body + String(repeating: " ", count: size - Self.body.utf8.count)
            var text = Self.request(path, body: body)
            if !isAnnounced {
                text = text.replacing("Content-Length: \(size)", with: "Transfer-Encoding: chunked")
                    .replacing(body, with: "\(String(size, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
            }
            let reply = try await send(text, server.port)
            #expect(reply.status == 413 && reply.fields["connection"] == "close")
            #expect(receiver.contents.withLock { $0.results } == [.invalid])
        }
    }

    @Test("A body of the greatest size, in chunks of one byte")
    func chunks() async throws {
        let receiver = Receiver()
        try await withServer(push: receiver) { server async throws in
            let body = Self.body + String(repeating: " ", count: 4096 - Self.body.utf8.count)
            let chunks = body.map { "1\r\n\($0)\r\n" }.joined() + "0\r\n\r\n"
            let text = Self.request(body: body).replacing("Content-Length: 4096", with: "Transfer-Encoding: chunked")
                .replacing(body, with: chunks)
            #expect(try await send(text, server.port).status == 204)
        }
    }

    @Test("A body that comes a byte at a time, or not at all", arguments: [true, false])
    func slowBody(trickles: Bool) async throws {
        var limits = ServerLimits()
        limits.body = .milliseconds(300)
        let receiver = Receiver()
        try await withServer(Source(), limits, push: receiver) { server async throws in
            let client = try await Client(server.port)
            await client.send(Self.request(body: String(repeating: " ", count: 4000)).replacing("    ", with: ""))
            let trickle = Task {
                while trickles, await client.send(" ") { try await Task.sleep(for: .milliseconds(20)) }
            }
            #expect(await client.read() == [])
            #expect(await eventually { server.openConnections == 0 })
            trickle.cancel()
            #expect(receiver.contents.withLock { $0.hints }.isEmpty)
        }
    }

    @Test("A flood is limited, and those without a token don't use up the limit")
    func flood() async throws {
        var limits = ServerLimits()
        limits.pushRate = 3
        let receiver = Receiver()
        try await withServer(Source(), limits, push: receiver) { server async throws in
            for _ in 0..<20 { #expect(try await send(Self.request(token: nil), server.port).status == 401) }
            #expect(try await send(Self.request(), server.port).status == 204)
            var limited: Reply?
            for _ in 0..<10_000 where limited == nil {
                let reply = try await send(Self.request(), server.port)
                if reply.status == 429 { limited = reply } else { #expect(reply.status == 204) }
            }
            #expect(limited?.fields["retry-after"] == "1")
            // Events have a limit of their own, and the limit ends.
            #expect(try await send(Self.request("/events", body: "{}"), server.port).status == 204)
            #expect(await eventually { (try? await send(Self.request(), server.port).status) == 204 })
        }
    }

    @Test("Requests with and without bodies on one connection, all at once")
    func pipelined() async throws {
        let receiver = Receiver()
        try await withServer(push: receiver) { server async throws in
            let client = try await Client(server.port)
            let get = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"
            let last = Self.request(fields: "Connection: close\r\n")
            await client.send(
                Self.request() + get + Self.request("/events", body: "{}") + Self.request(body: "x") + last)
            let text = String(decoding: try #require(await client.read()), as: UTF8.self)
            let statuses = text.split(separator: "HTTP/1.1 ").map { String($0.prefix(3)) }
            #expect(statuses == ["204", "200", "204", "400", "204"])
            #expect(receiver.contents.withLock { $0.hints.count } == 2)
        }
    }

    @Test("One connection, one request after the other, its body later than its head")
    func keptConnection() async throws {
        let receiver = Receiver()
        try await withServer(push: receiver) { server async throws in
            let client = try await Client(server.port)
            for _ in 0..<3 {
                await client.send(Self.request().replacing(Self.body, with: ""))
                try await Task.sleep(for: .milliseconds(20))
                await client.send(Self.body)
                let reply = Reply(await client.read { $0.suffix(4) == Array("\r\n\r\n".utf8) })
                #expect(reply?.status == 204)
            }
            #expect(receiver.contents.withLock { $0.hints.count } == 3)
        }
    }

    @Test("What follows an unread body is not taken for a request")
    func smuggling() async throws {
        let receiver = Receiver()
        try await withServer(push: receiver) { server async throws in
            let client = try await Client(server.port)
            await client.send(Self.request(token: "Bearer x", body: Self.request()))
            let text = String(decoding: try #require(await client.read()), as: UTF8.self)
            #expect(text.split(separator: "HTTP/1.1 ").count == 1)
            #expect(receiver.contents.withLock { $0.hints }.isEmpty)
        }
    }
}
