import Foundation
import Support
import TestSupport
import Testing

@testable import BlobStorage

/// The services that `Tests/Support/s3-kinds` stands in for.
enum S3Kind: String, CaseIterable, CustomTestStringConvertible {
    case r2
    case b2
    case gcs
    case ceph
    case garage
    case wasabi
    case scaleway

    var testDescription: String { rawValue }

    /// As in docs/storage.md.
    var region: String {
        switch self {
        case .r2, .gcs: "auto"
        case .b2: "us-west-004"
        case .ceph: "us-east-1"
        case .garage: "garage"
        case .wasabi: "eu-central-2"
        case .scaleway: "fr-par"
        }
    }

    /// Whether it refuses signatures for other regions.
    var checksRegion: Bool { self != .gcs && self != .ceph }
}

/// The running stand-ins, which end with this process.
final class S3Kinds: Sendable {
    /// Those of the suite.
    @TaskLocal static var current: S3Kinds?

    private let ports: [String: String]
    private let process: Process
    /// They also end when this is closed, with the process that holds it.
    private let input: FileHandle

    init() throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Support/s3-kinds")
        process.arguments = ["run"]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        var text = ""
        while !text.hasSuffix("\n\n") {
            let part = output.fileHandleForReading.availableData
            guard !part.isEmpty else { throw SetupFailure(description: "Tests/Support/s3-kinds does not start") }
            text += String(decoding: part, as: UTF8.self)
        }
        let pairs = text.split(separator: "\n").map { $0.split(separator: "=").map(String.init) }
        ports = Dictionary(pairs.filter { $0.count == 2 }.map { ($0[0], $0[1]) }) { $1 }
        self.input = input.fileHandleForWriting
    }

    func stop() {
        try? input.close()
        process.terminate()
    }

    /// The URL of a stand-in.
    func endpoint(_ kind: S3Kind) throws -> String {
        guard let port = ports[kind.rawValue] else { throw SetupFailure(description: "no stand-in for \(kind)") }
        return "http://s3.localhost:\(port)"
    }

    /// For a new bucket.
    func options(_ kind: S3Kind, _ addressing: S3Options.Addressing = .path, end: String = "") throws -> S3Options {
        var options = S3Options(
            bucket: "b-\(UUID().uuidString.lowercased())\(end)", accessKey: "labaccesskey",
            secretKey: "labsecretkey123", region: kind.region, createBucket: true, endpointURL: try endpoint(kind),
            addressing: addressing)
        options.partSize = 5 << 20
        options.retry.firstPause = .milliseconds(1)
        return options
    }
}

/// Runs a suite with stand-ins of its own.
struct WithS3Kinds: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        // The first start takes seconds: on one of Swift's own threads it would hold up all other tests.
        let servers = try await BlockingPool(label: "s3-kinds", width: 1).run { _ in try S3Kinds() }
        defer { servers.stop() }
        try await S3Kinds.$current.withValue(servers) { try await function() }
    }
}

extension Trait where Self == WithS3Kinds {
    static var s3Kinds: Self { WithS3Kinds() }
}
