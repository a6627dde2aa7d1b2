import Foundation
import HTTP
import Support
import TestSupport
import Testing

@testable import BlobStorage

/// Against a server that verifies what it gets with the code of Microsoft's package for Python.
@Suite(.azureServer, .timeLimit(.minutes(3)))
struct AzureServerLiveTests {
    private let server: AzureTestServer

    init() throws { server = try #require(AzureTestServer.current) }

    /// An empty container of the test's own.
    private func container(_ change: (inout AzureOptions) -> Void = { _ in }) async throws -> AzureStore {
        var options = server.options(container: "test-\(UUID().uuidString.lowercased())")
        change(&options)
        return try await AzureStore.open(options, environment: { _ in nil })
    }

    @Test func whatWasStoredIsLoadedListedReplacedAndDeleted() async throws {
        let store = try await container()
        try await expectObjectsToComeAndGo(in: store)
        let error = await storageError { _ = try await store.load("main__a__1.pb.gz") }
        #expect(error?.kind == .notFound && error?.code == "NotFound")
        #expect(
            error?.description
                == "cannot load main__a__1.pb.gz in container \(store.options.container): HTTP 404 BlobNotFound: "
                + "The specified blob does not exist")
    }

    @Test func theVersionOfWhatWasStoredIsThatOfListings() async throws {
        let store = try await container()
        try await expectVersionsToBeThoseOfListings(in: store)
        let version = try await store.store("x", Spool("x"))
        #expect(try await store.loadVersion("x", atMost: 1).version == version)
    }

    /// Each is signed as it is sent.
    @Test(arguments: [
        "a b", "a+b", "a%b", "a%2Bb", "a=b&c?d#e", "ü", "日本", "(x)'!*", "~-._", "a\"b<c>", "x:y;z,@$", "a/b//c",
    ])
    func namesWithOddCharactersSurvive(_ name: String) async throws {
        let store = try await container { $0.globalPrefix = "pre fix+" }
        try await store.store(name, Spool(name))
        #expect(
            try await store.list(prefix: String(name.prefix(1))).undated == [Blob(name: name, size: name.utf8.count)])
        #expect(try await store.load(name).bytes == Array(name.utf8))
        try await store.delete(name)
        #expect(try await store.list(prefix: "") == [])
    }

    @Test func listingsOfManyPagesAreCompleteAndSorted() async throws {
        let store = try await container()
        let names = (0..<100).map { "main__n\(String(format: "%05d", $0 * 7919 % 100_000))" }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in names { group.addTask { try await store.store(name, Spool(name)) } }
            try await group.waitForAll()
        }
        try await store.store("other", Spool("x"))
        #expect(try await store.list(prefix: "main__").map(\.name) == names.sorted())
        #expect(try await store.list(prefix: "").count == 101)
    }

    @Test func aLargeBodyGoesInBlocksAndComesBackWhole() async throws {
        let store = try await container {
            $0.blockSize = 1 << 20
            $0.concurrency = 3
        }
        let body = try Spool.pattern((11 << 20) + 12345)
        let version = try await store.store("large", body)
        #expect(try await store.list(prefix: "").map(\.version) == [version])
        let loaded = try await store.load("large")
        #expect(loaded.count == body.count)
        #expect(try Digest.sha256(loaded.bytes) == Digest.sha256(body.bytes))
        // A smaller one replaces it, from a file.
        let small = try Spool.pattern(1 << 20, memoryLimit: 0)
        try await store.store("large", small)
        #expect(try await store.load("large").bytes == small.bytes)
    }

    @Test func theGlobalPrefixIsInvisible() async throws {
        let store = try await container { $0.globalPrefix = "site/" }
        let whole = try await AzureStore.open(
            server.options(container: store.options.container, create: false), environment: { _ in nil })
        try await whole.store("outside", Spool("x"))
        try await store.store("inside", Spool("xy"))
        #expect(try await store.list(prefix: "").undated == [Blob(name: "inside", size: 2)])
        #expect(try await whole.list(prefix: "").map(\.name) == ["outside", "site/inside"])
        try await store.delete("outside")
        #expect(try await whole.list(prefix: "").count == 2)
    }

    @Test func manyOpenersCreateTheContainerOnce() async throws {
        let options = server.options(container: "many-\(UUID().uuidString.lowercased())")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<4 {
                group.addTask {
                    try await AzureStore.open(options, environment: { _ in nil }).store("n\(number)", Spool("x"))
                }
            }
            try await group.waitForAll()
        }
        #expect(try await AzureStore.open(options, environment: { _ in nil }).list(prefix: "").count == 4)
    }

    @Test func wrongKeysAndContainersAreToldApart() async throws {
        var wrong = server.options(container: "shared", create: false)
        wrong.accountKey = "bm90LXRoZS1rZXk="
        for (options, code, end) in [
            (wrong, "AuthenticationFailed", "; the account key is not that of the account"),
            (
                server.options(container: "nobody", create: false), "ContainerNotFound",
                "The specified container does not exist"
            ),
        ] {
            let error = await storageError {
                _ = try await AzureStore.open(options, environment: { _ in nil }).list(prefix: "main__")
            }
            #expect(error?.code == code)
            #expect(
                error?.description.hasPrefix("cannot list main__* in container \(options.container): HTTP 40") == true)
            #expect(error?.description.hasSuffix(end) == true)
            #expect(error?.description.contains("bm90") == false)
        }
    }

    @Test func anUpdateMarkerSparesListings() async throws {
        let store = try await container { $0.globalPrefix = "p/" }
        let one = UpdateMarkerStore(store, forceListInterval: .seconds(300))
        let two = UpdateMarkerStore(store, forceListInterval: .seconds(300))
        #expect(try await two.list(prefix: "") == [])
        let version = try #require(try await one.store("main__a", Spool("a")))
        #expect(try await two.list(prefix: "").map(\.name) == ["main__a"])
        let marker = String(decoding: try await store.load("update-marker").bytes, as: UTF8.self)
        #expect(marker.hasPrefix("p/main__a:\(version):") && marker.hasSuffix(":false"))
        // Without the marker nobody knows of it.
        try await one.unmarked.store("main__b", Spool("b"))
        #expect(try await two.list(prefix: "").count == 1)
        try await one.delete("main__a")
        #expect(try await two.list(prefix: "").map(\.name) == ["main__b"])
    }

    // MARK: Signatures and identities

    @Test func aSharedAccessSignatureOfAReaderSuffices() async throws {
        let writer = try await AzureStore.open(
            server.options(container: "shared", create: false), environment: { _ in nil })
        try await writer.store("sas__a", Spool("x"))
        let string = "BlobEndpoint=\(server.endpoint);SharedAccessSignature=\(server["reader_sas"])"
        for environment in [
            ["AZURE_STORAGE_SAS_TOKEN": "?" + server["reader_sas"], "AZURE_STORAGE_ACCOUNT": "lab"],
            ["AZURE_STORAGE_CONNECTION_STRING": string],
        ] {
            let reader = try await server.store(environment) {
                if environment.count == 1 { $0.endpointURL = "" }
            }
            #expect(try await reader.list(prefix: "sas__").count == 1)
            #expect(try await reader.load("sas__a").bytes == Array("x".utf8))
            let error = await storageError { try await reader.store("sas__b", Spool("x")) }
            #expect(error?.kind == .accessDenied)
            #expect(
                error?.description.hasSuffix("the shared access signature needs the permission write (w) on shared")
                    == true)
            #expect(await storageError { try await reader.delete("sas__a") }?.kind == .accessDenied)
        }
        let expired = try await server.store(["AZURE_STORAGE_SAS_TOKEN": server["expired_sas"]])
        let error = await storageError { _ = try await expired.list(prefix: "") }
        #expect(error?.code == "AuthenticationFailed")
        #expect(error?.description.hasSuffix("is wrong, or not valid at this time") == true)
    }

    @Test func identitiesGetTokens() async throws {
        let directory = try TemporaryDirectory()
        let token = try directory.write("token", server["federated_token"] + "\n")
        let application = [
            "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "app", "AZURE_AUTHORITY_HOST": server.base + "/",
        ]
        for (environment, origin) in [
            (["AZURE_POD_IDENTITY_AUTHORITY_HOST": server.base], "the metadata service of Azure"),
            (
                ["IDENTITY_ENDPOINT": server.base + "/msi/token", "IDENTITY_HEADER": server["app_header"]],
                "the service for managed identities"
            ),
            (
                application.merging(["AZURE_FEDERATED_TOKEN_FILE": token]) { $1 },
                "for the application app and the federated token in \(token)"
            ),
            (
                application.merging(["AZURE_CLIENT_SECRET": "secret-of-the-application"]) { $1 },
                "for the application app and its secret in the environment"
            ),
        ] {
            let store = try await server.store(environment)
            try await store.store("id__x", Spool("x"))
            #expect(try await store.list(prefix: "id__").count == 1)
            #expect(store.credentials?.origin.text.hasSuffix(origin) == true)
            #expect(store.credentials?.isObtained == true && store.credentials?.expires != nil)
        }
    }

    @Test func anIdentityThatIsRefusedSaysWhy() async throws {
        let directory = try TemporaryDirectory()
        let token = try directory.write("token", "another-token")
        let store = try await server.store([
            "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "app", "AZURE_AUTHORITY_HOST": server.base,
            "AZURE_FEDERATED_TOKEN_FILE": token,
        ])
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(error?.code == "NoCredentials")
        #expect(
            error?.description.hasSuffix("HTTP 401 invalid_client: AADSTS700016: *** is not for this application.")
                == true)
    }
}
