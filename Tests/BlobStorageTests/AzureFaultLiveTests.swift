import HTTP
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// What goes wrong between us and Azure; made by a server of our own, so that it goes wrong each time.
@Suite(.timeLimit(.minutes(2)))
struct AzureFaultLiveTests {
    @Test func openingMakesNoRequest() async throws {
        let server = try FaultServer { _, _ in .reset }
        defer { server.stop() }
        _ = try await openAzure(server)
        #expect(server.connections == 0)
    }

    @Test func listingAndLoadingMakeNoOtherRequests() async throws {
        let server = try FaultServer { request, _ in
            request.target.contains("comp=list") ? .azurePage(["x"]) : .answer(200, [:], "body")
        }
        defer { server.stop() }
        let store = try await openAzure(server)
        _ = try await store.list(prefix: "main__")
        #expect(try await store.load("x").bytes == Array("body".utf8))
        #expect(server.requests.map(\.method) == ["GET", "GET"])
        #expect(
            server.requests.map(\.target) == [
                "/lab/zones?restype=container&comp=list&maxresults=2000&prefix=main__", "/lab/zones/x",
            ])
        #expect(server.requests.allSatisfy { $0.headers["authorization"]?.hasPrefix("SharedKey lab:") == true })
        // Both over one connection.
        #expect(server.connections == 1)
    }

    @Test func pagesWithoutObjectsAreNotTheEnd() async throws {
        let server = try FaultServer { _, number in
            [.azurePage(["a"], next: "m/1+=="), .azurePage([], next: "m2"), .azurePage(["b"])][number]
        }
        defer { server.stop() }
        #expect(try await openAzure(server).list(prefix: "").map(\.name) == ["a", "b"])
        #expect(server.requests.map { $0.target.contains("marker=m%2F1%2B%3D%3D") } == [false, true, false])
    }

    @Test func aListingThatRepeatsItselfEnds() async throws {
        let server = try FaultServer { _, _ in .azurePage(["a"], next: "m") }
        defer { server.stop() }
        let store = try await openAzure(server)
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(
            error?.description.contains("does not answer like an Azure storage: the listing repeats itself") == true)
        #expect(server.requests.count == 2)
    }

    @Test(arguments: [
        "<EnumerationResults><Blobs/></EnumerationResults>", "<Other/>", "", "<EnumerationResults><Blobs><Blob>",
        "<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs><NextMarker/></EnumerationResults>",
        "<EnumerationResults><Blobs><Blob><Name>a</Name><Properties><Content-Length>x</Content-Length></Properties>"
            + "</Blob></Blobs><NextMarker/></EnumerationResults>",
    ])
    func whatIsNoListingIsNotTakenForAnEmptyOne(_ body: String) async throws {
        let server = try FaultServer { _, _ in .answer(200, [:], body) }
        defer { server.stop() }
        let store = try await openAzure(server)
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(error?.code == "Unknown")
        #expect(error?.description.contains("does not answer like an Azure storage") == true)
    }

    @Test func whatIsTemporaryIsTriedAgain() async throws {
        let server = try FaultServer { _, number in
            [
                .azureError(503, "ServerBusy"), .answer(429), .azureError(500, "OperationTimedOut"), .reset,
                .answer(200, ["Content-Length": "5"], "abc"), .answer(200, [:], "abc"),
            ][number]
        }
        defer { server.stop() }
        let told = Mutex<[String]>([])
        var options = azureOptions("\(server.endpoint)/lab")
        options.stallTimeout = .seconds(1)
        options.retry.attempts = 6
        let store = try await AzureStore.open(
            options, environment: { _ in nil }, willRetry: { error, _ in told.withLock { $0.append(error.code) } })
        #expect(try await store.load("x").bytes == Array("abc".utf8))
        #expect(server.requests.count == 6)
        // libcurl itself repeats a request whose connection was used before and is reset.
        let codes = told.withLock(\.self).filter { $0 != "URLError" }
        #expect(codes == ["ServerBusy", "TooManyRequests", "OperationTimedOut", "Timeout"])
    }

    @Test func theServerSaysHowLongToWait() async throws {
        let server = try FaultServer { _, number in
            number == 0 ? .azureError(503, "ServerBusy", ["Retry-After": "1"]) : .answer(200, [:], "x")
        }
        defer { server.stop() }
        let pauses = Mutex<[Duration]>([])
        let store = try await AzureStore.open(
            azureOptions("\(server.endpoint)/lab"), environment: { _ in nil },
            willRetry: { _, pause in pauses.withLock { $0.append(pause) } })
        _ = try await store.load("x")
        #expect(pauses.withLock(\.self) == [.seconds(1)])
    }

    @Test func itGivesUpAfterItsAttempts() async throws {
        let server = try FaultServer { _, _ in .azureError(503, "ServerBusy") }
        defer { server.stop() }
        let store = try await openAzure(server) { $0.retry.attempts = 3 }
        let error = await storageError { _ = try await store.load("x") }
        #expect(error?.description == "cannot load x in container zones: HTTP 503 ServerBusy: Text")
        #expect(server.requests.count == 3)
    }

    @Test(arguments: [400, 403, 404, 409, 412, 501])
    func whatStaysIsNotTriedAgain(_ status: Int) async throws {
        let server = try FaultServer { _, _ in .answer(status) }
        defer { server.stop() }
        let store = try await openAzure(server)
        #expect(await storageError { _ = try await store.load("x") } != nil)
        #expect(server.requests.count == 1)
    }

    @Test func uploadsAreTriedAgainWithTheirWholeBody() async throws {
        let server = try FaultServer { _, number in [.reset, .answer(503), .answer(201, ["ETag": "\"e\""])][number] }
        defer { server.stop() }
        let body = try Spool.pattern(3 << 20, memoryLimit: 0)
        #expect(try await openAzure(server).store("x", body) == "e")
        let expected = try body.bytes
        #expect(server.requests.count == 3)
        for request in server.requests {
            #expect(request.body == expected)
            #expect(request.headers["x-ms-blob-type"] == "BlockBlob")
            #expect(request.headers["content-length"] == "\(3 << 20)")
            #expect(request.headers["content-md5"]?.count == 24)
        }
    }

    @Test func anUploadWithoutETagIsNoSuccess() async throws {
        let server = try FaultServer { _, _ in .answer(201) }
        defer { server.stop() }
        let store = try await openAzure(server) { $0.retry.attempts = 2 }
        #expect(await storageError { try await store.store("x", Spool("x")) }?.code == "Unknown")
        #expect(server.requests.count == 2)
    }

    @Test func aBlockThatFailsIsTriedAgainAlone() async throws {
        let failed = Mutex(false)
        let server = try FaultServer { request, _ in
            let isFirst =
                request.target.contains("comp=block&")
                && failed.withLock { was in
                    defer { was = true }
                    return !was
                }
            return isFirst ? .azureError(503, "ServerBusy") : .answer(201, ["ETag": "\"e-2\""])
        }
        defer { server.stop() }
        let store = try await openAzure(server) { $0.blockSize = 1 << 20 }
        #expect(try await store.store("large", .pattern((2 << 20) + 1)) == "e-2")
        let blocks = server.requests.filter { $0.target.contains("comp=block&") }
        #expect(blocks.count == 4)
        let ids = Set(blocks.compactMap { $0.target.split(separator: "blockid=").last.map(String.init) })
        #expect(ids.count == 3 && Set(ids.map(\.count)).count == 1)
        let list = try #require(server.requests.last)
        #expect(list.target.hasSuffix("comp=blocklist") && list.headers["x-ms-blob-content-md5"]?.count == 24)
        #expect(String(decoding: list.body, as: UTF8.self).components(of: "<Latest>") == 3)
    }

    @Test func bytesThatDifferFromTheirMD5AreLoadedAgain() async throws {
        // That of "abc".
        let headers = ["Content-MD5": "kAFQmDzST7DWlj99KOF/cg==", "ETag": "\"e\""]
        let server = try FaultServer { _, number in .answer(200, headers, ["abd", "abe", "abc"][number]) }
        defer { server.stop() }
        #expect(try await openAzure(server).load("x").bytes == Array("abc".utf8))
        #expect(server.requests.count == 3)
        // A client may have stored another one.
        let wrong = try FaultServer { _, _ in .answer(200, headers, "other") }
        defer { wrong.stop() }
        #expect(try await openAzure(wrong).load("x").bytes == Array("other".utf8))
        #expect(wrong.requests.count == 2)
    }

    @Test func aSecretThatAServerRepeatsIsMasked() async throws {
        let server = try FaultServer { request, _ in
            let query = request.target.split(separator: "?").last ?? ""
            return .answer(
                403, [:],
                "<Error><Code>AuthenticationFailed</Code><Message>\(query.replacing("&", with: " "))</Message></Error>")
        }
        defer { server.stop() }
        let store = try await AzureStore.open(
            AzureOptions(container: "zones", accountName: "lab", endpointURL: "\(server.endpoint)/lab"),
            environment: { $0 == "AZURE_STORAGE_SAS_TOKEN" ? "sv=1&sig=gehe%2Bim" : nil })
        let error = await storageError { _ = try await store.load("x") }
        #expect(error?.description.contains("sig=***") == true)
        #expect(error?.description.contains("gehe") == false)
    }

    @Test func aMissingObjectIsDeletedButAMissingContainerIsNot() async throws {
        let server = try FaultServer { request, _ in
            .azureError(404, request.target == "/lab/zones/x" ? "BlobNotFound" : "ContainerNotFound")
        }
        defer { server.stop() }
        let store = try await openAzure(server)
        try await store.delete("x")
        #expect(await storageError { try await store.delete("y") }?.code == "ContainerNotFound")
    }

    @Test func aContainerIsCreatedWhereItIsMissing() async throws {
        let server = try FaultServer { request, _ in
            request.method == "GET" ? .azureError(404, "ContainerNotFound") : .answer(201)
        }
        defer { server.stop() }
        _ = try await openAzure(server) { $0.createContainer = true }
        #expect(server.requests.map(\.method) == ["GET", "PUT"])
        #expect(server.requests.last?.target == "/lab/zones?restype=container")
        #expect(server.requests.last?.headers["content-length"] == "0")
        let there = try FaultServer { _, _ in .azurePage([], next: "more") }
        defer { there.stop() }
        _ = try await openAzure(there) { $0.createContainer = true }
        #expect(there.requests.count == 1)
    }

    @Test func creatingAContainerEndsWithItsTimeout() async throws {
        let server = try FaultServer { _, _ in .silence }
        defer { server.stop() }
        let error = await storageError {
            _ = try await openAzure(server) {
                $0.createContainer = true
                $0.initTimeout = .milliseconds(200)
            }
        }
        #expect(error?.kind == .timeout)
        #expect(error?.description == "cannot create container zones: not done after 0.2 seconds")
    }

    @Test func anotherWebServerIsNotTakenForAContainerThatIsMissing() async throws {
        let server = try FaultServer { _, _ in
            .answer(404, ["Server": "nginx", "Content-Type": "text/html; charset=utf-8"], "<h1>Not Found</h1>")
        }
        defer { server.stop() }
        let error = await storageError { _ = try await openAzure(server) { $0.createContainer = true } }
        #expect(server.requests.map(\.method) == ["GET"])
        #expect(
            error?.description.hasSuffix("this is not an answer of an Azure storage (text/html from nginx)") == true)
        #expect(error?.kind == .other)
    }

    @Test func everyRequestIsACallOfAzure() async throws {
        let server = try FaultServer { request, number in
            switch (request.method, number) {
            case ("GET", 0): .azureError(503, "ServerBusy")
            case ("GET", 1): .azurePage([])
            case ("GET", _): .azureError(404, "BlobNotFound")
            case ("PUT", _): .answer(201, ["ETag": "e"])
            default: .azureError(403, "AuthorizationPermissionMismatch")
            }
        }
        defer { server.stop() }
        let calls = Mutex<[StorageCall]>([])
        let store = try await AzureStore.open(
            azureOptions("\(server.endpoint)/lab"), environment: { _ in nil },
            observe: { call in calls.withLock { $0.append(call) } })
        _ = try await store.list(prefix: "")
        _ = await storageError { _ = try await store.load("x") }
        try await store.store("x", Spool("x"))
        _ = await storageError { try await store.delete("x") }
        let seen = calls.withLock(\.self)
        #expect(
            seen.map { "\($0.method.rawValue) \($0.errorCode ?? "")" } == [
                "list ServerBusy", "list ", "load NotFound", "store ", "delete AuthorizationPermissionMismatch",
            ])
        #expect(seen.allSatisfy { $0.service == .azure })
    }

    @Test func aCancelledCallEndsWithCancellationError() async throws {
        let server = try FaultServer { _, _ in .silence }
        defer { server.stop() }
        let store = try await openAzure(server)
        let load = Task { try await store.load("x") }
        while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        load.cancel()
        await #expect(throws: CancellationError.self) { try await load.value }
    }

    // MARK: Bounds

    @Test func aBodyIsNotLongerThanListed() async throws {
        let server = try FaultServer { _, _ in .endless("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", then: "x") }
        defer { server.stop() }
        let store = try await openAzure(server)
        let error = await storageError { _ = try await store.load("x", atMost: 100) }
        #expect(error?.code == BlobStoreError.tooLarge)
        #expect(server.endlessBytes < 16 << 20)
    }

    @Test(arguments: ["<Blob><Name>a</Name></Blob>", "<!-- -->", "<a>", " "])
    func aPageOfAListingEnds(_ part: String) async throws {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<EnumerationResults>"
        let server = try FaultServer { _, _ in .endless(head, then: part) }
        defer { server.stop() }
        let store = try await openAzure(server)
        #expect(await storageError { _ = try await store.list(prefix: "") }?.code == BlobStoreError.tooLarge)
        #expect(server.endlessBytes < 25_000_000)
    }

    @Test func aListingEnds() async throws {
        let filler = String(repeating: "k", count: 900)
        let server = try FaultServer { _, number in
            .azurePage((0..<6000).map { "\(number)-\($0)-\(filler)" }, next: "m\(number)")
        }
        defer { server.stop() }
        let store = try await openAzure(server)
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(error?.code == BlobStoreError.tooLarge)
        #expect(error?.description.hasSuffix(" objects") == true)
        #expect(server.requests.count < 12)
    }
}

extension String {
    /// How often another text is in this one.
    fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}
