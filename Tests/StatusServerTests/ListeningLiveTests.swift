import Glibc
import ServiceLifecycle
import Testing

@testable import StatusServer

@Suite("Listening")
struct ListeningLiveTests {
    private func failure(_ host: String, _ port: UInt16) async throws -> String {
        do {
            let server = try await StatusServer.bind(to: host, port: port, source: Source(), logger: quiet)
            await server.close()
            return "it listens"
        } catch let error as ListenError {
            return "\(error)"
        }
    }

    @Test("A port in use is named, and how to see by whom")
    func portInUse() async throws {
        try await withServer { server async throws in
            let text = try await failure("127.0.0.1", server.port)
            #expect(
                text.hasPrefix("cannot listen on 127.0.0.1:\(server.port) (http.address): Address already in use; "))
            #expect(text.contains("ss -ltnp 'sport = :\(server.port)'"))
            #expect(!text.contains("\n"))
        }
    }

    @Test("A host name without an address")
    func unknownHost() async throws {
        let text = try await failure("no-such-host.invalid", 8500)
        #expect(
            text.hasPrefix("cannot listen on no-such-host.invalid:8500 (http.address): the host name has no address: "))
        #expect(text.hasSuffix("; use an IP address of this host, or only the port for all addresses"))
    }

    @Test("An address of another host")
    func foreignAddress() async throws {
        let text = try await failure("192.0.2.1", 8500)
        #expect(text.hasPrefix("cannot listen on 192.0.2.1:8500 (http.address): Cannot assign requested address; "))
    }

    @Test("A port that only root may have")
    func noPermission() {
        let error = ListenError(address: ":80", port: 80, code: EACCES)
        #expect(
            "\(error)"
                == "cannot listen on :80 (http.address): Permission denied; choose a port of 1024 or above, or give the "
                + "process CAP_NET_BIND_SERVICE")
    }

    @Test("No host means all interfaces, of both kinds")
    func allInterfaces() async throws {
        try await withServer(host: "") { server async throws in
            #expect(try await exchange(server.port, "/healthz").status == 200)
            #expect(try await exchange(server.port, "/healthz", address: "127.0.0.2").status == 200)
            // Containers may have no IPv6.
            let hasIPv6 = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
            if hasIPv6 >= 0, let client = try? await Client(server.port, address: "::1") {
                await client.send("GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
                #expect(Reply(await client.read())?.status == 200)
            }
            if hasIPv6 >= 0 { Glibc.close(hasIPv6) }
        }
    }

    @Test("A host name")
    func hostName() async throws {
        try await withServer(host: "localhost") { server async throws in
            #expect(try await exchange(server.port, "/healthz").status == 200)
        }
    }

    @Test("At the end what is idle is closed, and what is being answered is answered")
    func shutdown() async throws {
        let source = Source()
        var limits = ServerLimits()
        limits.shutdown = .seconds(15)
        let server = try await StatusServer.bind(
            to: "127.0.0.1", port: 0, source: source, logger: quiet, limits: limits)
        source.gate.close()
        let idle = try await Client(server.port)
        let busy = try await Client(server.port)
        await busy.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(await eventually { source.gate.waiting == 1 && server.openConnections == 2 })
        let group = ServiceGroup(services: [server], logger: quiet)
        let running = Task { try await group.run() }
        await group.triggerGracefulShutdown()
        #expect(await idle.read() == [])
        source.gate.open()
        #expect(Reply(await busy.read())?.status == 200)
        try await running.value
        #expect(server.openConnections == 0)
        #expect((try? await Client(server.port)) == nil)
    }
}
