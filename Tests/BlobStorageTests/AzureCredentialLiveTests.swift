import HTTP
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// Tokens and keys that are replaced while the storage is open.
@Suite(.timeLimit(.minutes(1)))
struct AzureCredentialLiveTests {
    private func metadata(_ lifetime: Int, _ issued: Counter) throws -> FaultServer {
        try FaultServer { request, number in
            guard request.headers["metadata"] == "true" else { return .answer(400) }
            issued.add()
            return .answer(200, [:], #"{"access_token": "t\#(number)", "expires_in": "\#(lifetime)"}"#)
        }
    }

    private func source(_ service: FaultServer, _ clock: TestClock) throws -> AzureCredentialSource {
        let options = AzureOptions(container: "zones", accountName: "lab")
        let account = try AzureAccount.find(options) {
            $0 == "AZURE_POD_IDENTITY_AUTHORITY_HOST" ? service.endpoint : nil
        }
        return try AzureCredentialSource(account, options, clock: { clock.now }, random: { 0 })
    }

    @Test func aTokenIsRenewedBeforeItEnds() throws {
        let issued = Counter()
        let service = try metadata(3600, issued)
        defer { service.stop() }
        let clock = TestClock()
        let source = try source(service, clock)
        #expect(issued.count == 1)
        #expect(try source.credentials() == .token("t0"))
        clock.pass(.seconds(3000))
        #expect(try source.credentials() == .token("t0"))
        clock.pass(.seconds(301))
        #expect(try source.credentials() == .token("t1"))
        #expect(issued.count == 2)
        #expect(
            service.requests.first?.target
                == "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com%2F")
    }

    @Test func aMachineWithoutIdentityIsSaid() throws {
        let service = try FaultServer { _, _ in
            .answer(400, [:], #"{"error": "invalid_request", "error_description": "Identity not found"}"#)
        }
        defer { service.stop() }
        let error = #expect(throws: BlobStoreError.self) { try source(service, TestClock()) }
        #expect(
            error?.description
                == "no account key is set, and the environment has neither a key nor a signature nor an identity; "
                + "no credentials from \(service.endpoint), the metadata service of Azure: HTTP 400 invalid_request: "
                + "Identity not found")
    }

    @Test func aTokenThatIsRefusedIsReplacedOnce() async throws {
        let issued = Counter()
        let service = try metadata(3600, issued)
        defer { service.stop() }
        let server = try FaultServer { request, _ in
            request.headers["authorization"] == "Bearer t0"
                ? .azureError(401, "InvalidAuthenticationInfo") : .answer(200, [:], "x")
        }
        defer { server.stop() }
        let store = try await AzureStore.open(
            AzureOptions(container: "zones", endpointURL: "\(server.endpoint)/lab"),
            environment: { $0 == "AZURE_POD_IDENTITY_AUTHORITY_HOST" ? service.endpoint : nil })
        #expect(try await store.load("x").count == 1)
        #expect(server.requests.count == 2 && issued.count == 2)
    }

    @Test func aKeyFileThatIsReplacedIsReadAgain() async throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("key", "b2xkLWtleQ==\n")
        let server = try FaultServer { _, number in
            number == 1 ? .azureError(403, "AuthenticationFailed") : .answer(200, [:], "x")
        }
        defer { server.stop() }
        let store = try await AzureStore.open(
            AzureOptions(
                container: "zones", accountName: "lab", accountKeyFile: file, endpointURL: "\(server.endpoint)/lab"),
            environment: { _ in nil })
        _ = try await store.load("x")
        _ = try directory.write("key", "bmV3LWtleQ==")
        _ = try await store.load("x")
        #expect(server.requests.count == 3)
        #expect(Set(server.requests.suffix(2).map { $0.headers["authorization"] }).count == 2)
        #expect(store.credentials?.origin == .configuration)
    }
}
