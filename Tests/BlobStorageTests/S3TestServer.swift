import Foundation
import Testing

@testable import BlobStorage

struct SetupFailure: Error, CustomStringConvertible {
    var description: String
}

/// A real S3 server that Tests/Support/s3-server runs.
final class S3TestServer: Sendable {
    /// That of the suite.
    @TaskLocal static var current: S3TestServer?

    let endpoint: String
    let caFile: String
    private let directory: String

    init(tls: Bool) throws {
        directory = NSTemporaryDirectory() + "s3-" + UUID().uuidString
        let values = try Self.script(["start", directory] + (tls ? ["--tls"] : []))
        guard let endpoint = values["endpoint"], !endpoint.isEmpty else {
            throw SetupFailure(description: "Tests/Support/s3-server names no endpoint")
        }
        self.endpoint = endpoint
        caFile = values["ca_file"] ?? ""
    }

    func stop() {
        _ = try? Self.script(["stop", directory])
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// For a caller who may do everything.
    func options(bucket: String, create: Bool = true) -> S3Options {
        var options = S3Options(
            bucket: bucket, accessKey: "labaccesskey", secretKey: "labsecretkey123", createBucket: create,
            endpointURL: endpoint)
        options.tls.caFile = caFile
        return options
    }

    private static func script(_ arguments: [String]) throws -> [String: String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Support/s3-server")
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
            throw SetupFailure(description: "Tests/Support/s3-server \(arguments.joined(separator: " ")): \(errors)")
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
    var tls = false

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let server = try S3TestServer(tls: tls)
        defer { server.stop() }
        try await S3TestServer.$current.withValue(server) { try await function() }
    }
}

extension Trait where Self == WithS3Server {
    static var s3Server: Self { WithS3Server() }
    static var s3ServerWithTLS: Self { WithS3Server(tls: true) }
}
