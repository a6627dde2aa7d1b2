import Foundation
import Support
import TestSupport
import Testing

@testable import BlobStorage

/// A real S3 server that a script in Tests/Support runs.
final class S3TestServer: Sendable {
    enum Kind: Sendable {
        /// SeaweedFS.
        case plain
        case tls
        /// OpenStack Swift, which refuses more.
        case strict

        var script: String { self == .strict ? "s3-strict-server" : "s3-server" }
    }

    /// That of the suite.
    @TaskLocal static var current: S3TestServer?

    let endpoint: String
    let caFile: String
    private let accessKey: String
    private let secretKey: String
    private let kind: Kind
    private let directory: String

    init(_ kind: Kind) throws {
        self.kind = kind
        directory = NSTemporaryDirectory() + "s3-" + UUID().uuidString
        let values = try Self.run(kind.script, ["start", directory] + (kind == .tls ? ["--tls"] : []))
        guard let endpoint = values["endpoint"], !endpoint.isEmpty else {
            throw SetupFailure(description: "Tests/Support/\(kind.script) names no endpoint")
        }
        self.endpoint = endpoint
        caFile = values["ca_file"] ?? ""
        accessKey = values["access_key"] ?? ""
        secretKey = values["secret_key"] ?? ""
    }

    func stop() {
        _ = try? Self.run(kind.script, ["stop", directory])
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// For a caller who may do everything.
    func options(bucket: String, create: Bool = true) -> S3Options {
        var options = S3Options(
            bucket: bucket, accessKey: accessKey, secretKey: secretKey, createBucket: create,
            endpointURL: endpoint)
        options.tls.caFile = caFile
        return options
    }

    private static func run(_ script: String, _ arguments: [String]) throws -> [String: String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Support/\(script)")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["S3_SERVER_LIFETIME": "600"]) { $1 }
        let output = Pipe()
        let problems = Pipe()
        process.standardOutput = output
        process.standardError = problems
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errors = String(decoding: problems.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw SetupFailure(description: "Tests/Support/\(script) \(arguments.joined(separator: " ")): \(errors)")
        }
        var values: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
        }
        return values
    }
}

/// Runs a suite with a server of its own.
struct WithS3Server: SuiteTrait, TestScoping {
    var kind: S3TestServer.Kind

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        // The scripts take seconds: on one of Swift's own threads they would hold up all other tests.
        let pool = BlockingPool(label: "s3-server", width: 1)
        let server = try await pool.run { [kind] _ in try S3TestServer(kind) }
        let result: Result<Void, any Error>
        do {
            result = .success(try await S3TestServer.$current.withValue(server) { try await function() })
        } catch {
            result = .failure(error)
        }
        // Also when the tests have been cancelled.
        await Task.detached { _ = try? await pool.run { _ in server.stop() } }.value
        try result.get()
    }
}

extension Trait where Self == WithS3Server {
    static var s3Server: Self { WithS3Server(kind: .plain) }
    static var s3ServerWithTLS: Self { WithS3Server(kind: .tls) }
    static var strictS3Server: Self { WithS3Server(kind: .strict) }
}
