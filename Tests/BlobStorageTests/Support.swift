import Foundation
import Support
import TestSupport

@testable import BlobStorage

extension Spool {
    /// All bytes at once, which only tests may do.
    var bytes: [UInt8] {
        get throws {
            var result = [UInt8](repeating: 0, count: count)
            let read = try result.withUnsafeMutableBytes { try self.read(at: 0, into: $0) }
            return Array(result[..<read])
        }
    }

    convenience init(_ text: String) { self.init(Array(text.utf8)) }

    /// Bytes that differ from block to block; beyond `memoryLimit` they are in a file.
    static func pattern(_ count: Int, memoryLimit: Int = SpoolWriter.memoryLimit) throws -> Spool {
        var writer = SpoolWriter(memoryLimit: memoryLimit)
        var state = UInt64(count) &+ 1
        var block: [UInt64] = []
        var left = count
        while left > 0 {
            block.removeAll(keepingCapacity: true)
            for _ in 0..<8192 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                block.append(state)
            }
            try block.withUnsafeBytes { try writer.write(UnsafeRawBufferPointer(rebasing: $0.prefix(left))) }
            left -= min(left, 8192 * 8)
        }
        return try writer.finish()
    }
}

extension [Blob] {
    /// Without times, which no test can know.
    var undated: [Blob] { map { Blob(name: $0.name, size: $0.size) } }
}

/// The names that a storage lists once deleted objects are gone: SeaweedFS, when it is busy, lists them for a while.
///
/// - Returns: `names`, or what is listed after a minute.
func listed(_ store: some BlobStore, _ names: [String], prefix: String = "") async throws -> [String] {
    var found = try await store.list(prefix: prefix).map(\.name)
    for _ in 0..<600 where found != names {
        try await Task.sleep(for: .milliseconds(100))
        found = try await store.list(prefix: prefix).map(\.name)
    }
    return found
}

/// The error that `body` throws, as a storage error.
func storageError(_ body: () async throws -> Void) async -> BlobStoreError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? BlobStoreError
    }
}

struct TimedOut: Error {}

/// Ends `body` with an error after `limit`, so that no test hangs.
func within<Result: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw TimedOut()
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw TimedOut() }
        return first
    }
}

/// For a server of the test's own; without long pauses before retries.
func faultOptions(_ endpoint: String) -> S3Options {
    var options = S3Options(bucket: "b", accessKey: "AK", secretKey: "geheim", endpointURL: endpoint)
    options.retry.firstPause = .milliseconds(1)
    return options
}

func open(_ server: FaultServer, _ change: (inout S3Options) -> Void = { _ in }) async throws -> S3Store {
    var options = faultOptions(server.endpoint)
    change(&options)
    return try await S3Store.open(options)
}

extension FaultServer.Reply {
    /// A page of a listing.
    static func page(_ names: [String], token: String?, truncated: Bool) -> Self {
        let contents = names.map { "<Contents><Key>\($0)</Key><Size>1</Size></Contents>" }.joined()
        let next = token.map { "<NextContinuationToken>\($0)</NextContinuationToken>" } ?? ""
        return .answer(
            200, [:], "<ListBucketResult>\(contents)<IsTruncated>\(truncated)</IsTruncated>\(next)</ListBucketResult>")
    }
}
