import Monitoring
import TestSupport
import Testing

@testable import StatusServer

@Suite("Endpoints")
struct EndpointLiveTests {
    @Test(
        "Each path has its type",
        arguments: [
            ("/", "text/html; charset=utf-8"), ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
            ("/healthz", "application/json; charset=utf-8"), ("/status.json", "application/json; charset=utf-8"),
            ("/storage", "text/plain; charset=utf-8"), ("/metrics?name=up", "text/plain; version=0.0.4; charset=utf-8"),
        ])
    func types(path: String, type: String) async throws {
        try await withServer { server async throws in
            let reply = try await exchange(server.port, path)
            #expect(reply.status == 200)
            #expect(reply.fields["content-type"] == type)
            #expect(reply.fields["cache-control"] == "no-store")
            #expect(reply.fields["x-content-type-options"] == "nosniff")
            #expect(reply.fields["referrer-policy"] == "no-referrer")
            #expect(reply.fields["content-security-policy"]?.hasPrefix("default-src 'none'") == true)
        }
    }

    @Test("Only the page may run anything, and that is our own script")
    func securityPolicy() async throws {
        try await withServer { server async throws in
            let page = try await exchange(server.port, "/")
            let policy = try #require(page.fields["content-security-policy"])
            #expect(policy.contains("script-src 'sha256-"))
            #expect(policy.contains("style-src 'sha256-"))
            #expect(!policy.contains("unsafe"))
            let metrics = try await exchange(server.port, "/metrics")
            #expect(metrics.fields["content-security-policy"]?.contains("sha256") == false)
        }
    }

    @Test("HEAD tells the length and sends nothing")
    func head() async throws {
        try await withServer { server async throws in
            let reply = try await exchange(server.port, "/metrics", method: "HEAD")
            #expect(reply.status == 200)
            #expect(reply.fields["content-length"] == "5")
            #expect(reply.body == "")
        }
    }

    @Test("Other methods are refused", arguments: ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
    func methods(method: String) async throws {
        try await withServer { server async throws in
            let reply = try await exchange(server.port, "/healthz", method: method)
            #expect(reply.status == 405)
            #expect(reply.fields["allow"] == "GET, HEAD")
        }
    }

    @Test("Elsewhere there is nothing", arguments: ["/favicon.ico", "/metrics/", "//", "/../etc/passwd", "/%2e%2e/"])
    func notFound(path: String) async throws {
        try await withServer { server async throws in
            let reply = try await exchange(server.port, path)
            #expect(reply.status == 404)
            #expect(reply.body.hasSuffix("\n"))
            #expect(reply.body.split(separator: "\n").count == 1)
        }
    }

    @Test("/healthz is 503 when a check fails")
    func health() async throws {
        let source = Source()
        try await withServer(source) { server async throws in
            #expect(try await exchange(server.port, "/healthz").status == 200)
            source.contents.withLock { $0.isAvailable = false }
            let reply = try await exchange(server.port, "/healthz")
            #expect(reply.status == 503)
            #expect(reply.body == #"{"ok":true}"#)
        }
    }

    @Test("/insync tells by its status whether a zone is everywhere")
    func inSync() async throws {
        let source = Source()
        try await withServer(source) { server async throws in
            #expect(try await exchange(server.port, "/insync").status == 400)
            #expect(try await exchange(server.port, "/insync?zone=").status == 400)
            #expect(try await exchange(server.port, "/insync?zone=a.test").status == 404)
            let states: [(StatusReport.InSync.State, Int)] = [
                (.inSync, 200), (.waiting, 425), (.noZone, 404), (.impossible, 404), (.unknown, 503),
            ]
            for (state, status) in states {
                source.contents.withLock { $0.inSync = StatusReport.InSync("a.test.", state, problem: "problem") }
                let reply = try await exchange(server.port, "/insync?zone=+%61.test&ticket=12")
                #expect(reply.status == status)
                #expect(reply.fields["content-type"] == "application/json; charset=utf-8")
                #expect(
                    reply.body.contains("\"state\" : \"\(state.rawValue)\"")
                        || reply.body.contains("\"state\": \"\(state.rawValue)\""))
                #expect(source.contents.withLock { $0.asked?.zone == "a.test" && $0.asked?.ticket == 12 })
            }
            _ = try await exchange(server.port, "/insync?ticket=-1&name=b.test")
            #expect(source.contents.withLock { $0.asked?.zone == "b.test" && $0.asked?.ticket == nil })
            #expect(source.contents.withLock { $0.asked?.except } == [])
            _ = try await exchange(server.port, "/insync?zone=a.test&except=ns1&except=&except=%6es2")
            #expect(source.contents.withLock { $0.asked?.except } == ["ns1", "ns2"])
            #expect(try await exchange(server.port, "/insync?zone=a.test", method: "POST").status == 405)
        }
    }

    @Test("/storage has a line for each object, whatever it is called; an error is one line too")
    func storage() async throws {
        let source = Source()
        var limits = ServerLimits()
        limits.listingAge = .zero
        try await withServer(source, limits) { server async throws in
            source.contents.withLock { $0.objects = .success([("a__b.pb.gz", 12), ("two\nlines\tand a tab", 0)]) }
            #expect(
                try await exchange(server.port, "/storage").body
                    == "Name\tSize\na__b.pb.gz\t12\ntwo.lines.and a tab\t0\n")
            source.contents.withLock { $0.objects = .failure(.init(description: "list: access\ndenied")) }
            let reply = try await exchange(server.port, "/storage")
            #expect(reply.status == 500)
            #expect(reply.body == "list: access.denied\n")
        }
    }

    @Test("Who asks for /storage again gets the same list, without another look at the storage")
    func listingIsKept() async throws {
        let source = Source()
        var limits = ServerLimits()
        limits.listingAge = .seconds(600)
        try await withServer(source, limits) { server async throws in
            for _ in 0..<5 { #expect(try await exchange(server.port, "/storage").status == 200) }
            #expect(source.contents.withLock { $0.listings } == 1)
        }
    }

    @Test(
        "Pages are for who asks by a name that nobody else can have",
        arguments: ["/", "/status.json", "/storage", "/no"])
    func names(path: String) async throws {
        let server = try await StatusServer.bind(
            to: "127.0.0.1", port: 0, allowedHosts: ["status.example.org"], source: Source(), logger: quiet)
        let right = path == "/no" ? 404 : 200
        for host in [
            "127.0.0.1", "127.0.0.1:8500", "[::1]:8500", "[::1]", "localhost", "LOCALHOST:1", "status.example.org:80",
            "Status.Example.Org.", "",
        ] {
            #expect(try await exchange(server.port, path, host: host).status == right, "\(host)")
        }
        for host in [
            "evil.example", "evil.example:8500", "localhost.evil.example", "127.0.0.1.evil.example", "[evil.example]",
            "a@localhost", "2130706433", "x\u{1b}[31m",
        ] {
            let reply = try await exchange(server.port, path, host: host)
            #expect(reply.status == 421 || reply.status == 400, "\(host)")
            #expect(HostileText.found(in: reply.body, lines: true).isEmpty)
            if host == "evil.example" { #expect(reply.body.contains("http.allowed_hosts")) }
        }
        await server.close()
    }

    @Test("Monitoring asks by any name", arguments: ["/healthz", "/metrics"])
    func anyName(path: String) async throws {
        try await withServer { server async throws in
            #expect(try await exchange(server.port, path, host: "ns1.service.consul:8500").status == 200)
        }
    }

    @Test("/status.json is the report")
    func report() async throws {
        var report = StatusReport()
        report.instance = "ns1"
        report.databases = [StatusReport.Database()]
        let source = Source()
        source.contents.withLock { [report] in $0.report = report }
        try await withServer(source) { server async throws in
            let reply = try await exchange(server.port, "/status.json")
            #expect(try JSON.decode(StatusReport.self, from: Array(reply.body.utf8)) == report)
        }
    }

    @Test("A report that JSON can't hold is an error")
    func badReport() async throws {
        let source = Source()
        source.contents.withLock {
            var database = StatusReport.Database()
            var minute = StatusReport.Minute()
            minute.latency = .infinity
            database.history = [minute]
            $0.report.databases = [database]
        }
        try await withServer(source) { server async throws in
            #expect(try await exchange(server.port, "/status.json").status == 500)
            #expect(try await exchange(server.port, "/").status == 200)
        }
    }

    @Test("Many requests at once are answered by one look")
    func sharing() async throws {
        let source = Source()
        try await withServer(source) { server async throws in
            source.gate.close()
            async let first = exchange(server.port, "/metrics")
            #expect(await eventually { source.gate.waiting == 1 })
            let others = (0..<40).map { _ in Task { try await exchange(server.port, "/metrics").status } }
            #expect(await eventually { server.busyConnections == 41 })
            // What does not look at metrics is answered meanwhile.
            #expect(try await exchange(server.port, "/healthz").status == 200)
            source.gate.open()
            #expect(try await first.status == 200)
            for other in others { #expect(try await other.value == 200) }
            // A request that comes in just after the first look is done takes a second one.
            #expect(source.contents.withLock { $0.calls } <= 3)
        }
    }

    @Test("What takes too long is said to; it is not begun again before it ends")
    func overdue() async throws {
        let source = Source()
        var limits = ServerLimits()
        limits.making = .milliseconds(50)
        try await withServer(source, limits) { server async throws in
            source.gate.close()
            #expect(try await exchange(server.port, "/metrics").status == 503)
            #expect(try await exchange(server.port, "/metrics").status == 503)
            #expect(source.contents.withLock { $0.calls } == 1)
            source.gate.open()
            #expect(await eventually { (try? await exchange(server.port, "/metrics").status) == 200 })
        }
    }
}
