import Foundation
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// A server that verifies signatures with another implementation: Tests/Support/azure_server.py.
final class AzureTestServer: Sendable {
    /// That of the suite.
    @TaskLocal static var current: AzureTestServer?

    /// With the account in its path.
    let endpoint: String
    let account: String
    let key: String
    private let values: [String: String]
    private let running: Mutex<(process: Process, input: Pipe)>

    /// A page of a listing has only a few objects.
    init(pageSize: Int = 7) throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let python = tests.deletingLastPathComponent().appendingPathComponent(".build/lab/venv/bin/python")
        guard FileManager.default.isExecutableFile(atPath: python.path) else {
            throw SetupFailure(description: "\(python.path) is not there: run scripts/bootstrap first")
        }
        let process = Process()
        process.executableURL = python
        process.arguments = [tests.appendingPathComponent("Support/azure_server.py").path, String(pageSize)]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        var text = ""
        while !text.contains("federated_token=") || !text.hasSuffix("\n") {
            let part = output.fileHandleForReading.availableData
            guard !part.isEmpty else { throw SetupFailure(description: "azure_server.py does not start") }
            text += String(decoding: part, as: UTF8.self)
        }
        var values: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
        }
        self.values = values
        endpoint = values["endpoint"] ?? ""
        account = values["account"] ?? ""
        key = values["key"] ?? ""
        running = Mutex((process, input))
    }

    /// Without the account.
    var base: String { String(endpoint.dropLast(account.count + 1)) }

    /// Another line of what the server says of itself.
    subscript(_ name: String) -> String { values[name] ?? "" }

    /// It ends with its input.
    func stop() {
        running.withLock { running in
            try? running.input.fileHandleForWriting.close()
            running.process.waitUntilExit()
        }
    }

    /// For a caller with the key of the account.
    func options(container: String, create: Bool = true) -> AzureOptions {
        AzureOptions(
            container: container, accountName: account, accountKey: key, createContainer: create,
            endpointURL: endpoint)
    }

    /// Opens a container with an environment, and no key.
    func store(
        container: String = "shared", _ environment: [String: String], change: (inout AzureOptions) -> Void = { _ in }
    ) async throws -> AzureStore {
        var options = AzureOptions(container: container, endpointURL: endpoint)
        options.retry.firstPause = .milliseconds(1)
        change(&options)
        return try await AzureStore.open(options, environment: { environment[$0] })
    }
}

/// Runs a suite with a server of its own.
struct WithAzureServer: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        // Its start takes a second: on one of Swift's own threads it would hold up all other tests.
        let pool = BlockingPool(label: "azure-server", width: 1)
        let server = try await pool.run { _ in try AzureTestServer() }
        let result: Result<Void, any Error>
        do {
            result = .success(try await AzureTestServer.$current.withValue(server) { try await function() })
        } catch {
            result = .failure(error)
        }
        // Also when the tests have been cancelled.
        await Task.detached { _ = try? await pool.run { _ in server.stop() } }.value
        try result.get()
    }
}

extension Trait where Self == WithAzureServer {
    static var azureServer: Self { WithAzureServer() }
}

/// For a server of the test's own; without long pauses before retries.
func azureOptions(_ endpoint: String) -> AzureOptions {
    var options = AzureOptions(
        container: "zones", accountName: "lab", accountKey: "Z2VoZWltLWdlaGVpbQ==", endpointURL: endpoint)
    options.retry.firstPause = .milliseconds(1)
    return options
}

func openAzure(
    _ server: FaultServer, _ change: (inout AzureOptions) -> Void = { _ in }
) async throws -> AzureStore {
    var options = azureOptions("\(server.endpoint)/lab")
    change(&options)
    return try await AzureStore.open(options, environment: { _ in nil })
}

extension FaultServer.Reply {
    /// A page of a listing.
    static func azurePage(_ names: [String], next: String = "") -> Self {
        let blobs = names.map {
            "<Blob><Name>\($0)</Name><Properties><Etag>0x1</Etag><Content-Length>1</Content-Length></Properties></Blob>"
        }
        return .answer(
            200, [:],
            "<EnumerationResults><Blobs>\(blobs.joined())</Blobs><NextMarker>\(next)</NextMarker></EnumerationResults>")
    }

    /// An error as Azure sends it.
    static func azureError(_ status: Int, _ code: String, _ headers: [String: String] = [:]) -> Self {
        .answer(
            status, headers.merging(["x-ms-error-code": code]) { one, _ in one },
            "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>Text.\nRequestId:1\nTime:2</Message></Error>")
    }
}
