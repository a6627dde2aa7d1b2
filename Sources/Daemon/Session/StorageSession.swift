import BlobStorage
import HTTP
import Logging
import Support

extension Session {
    /// Opens the storage and runs `body` with it, for commands on objects.
    ///
    /// - Parameters:
    ///   - writes: whether `body` may write to the storage.
    ///   - marksUpdates: whether writes notify other instances through the update marker.
    ///   - asStored: whether `body` gets the objects as they are stored, with their names in the storage: sealed ones are not opened.
    ///   - line: shows the number of transferred bytes.
    package func withStorage<Result: Sendable>(
        writes: Bool, marksUpdates: Bool = true, asStored: Bool = false, progress line: ProgressLine? = nil,
        _ body: @escaping @Sendable (any BlobStore) async throws -> Result
    ) throws -> Result {
        try withOpenStorage(writes: writes) { storage in
            let store = asStored ? storage.raw : marksUpdates ? storage.store : storage.unmarked
            return try await Self.reporting(to: line) { try await body(store) }
        }
    }

    private static func reporting<Result: Sendable>(
        to line: ProgressLine?, _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        guard let line else { return try await body() }
        let report: TransferProgress.Report = { moved, total in
            line.update { progress in
                progress.bytes &+= moved
                if progress.totalBytes == nil { progress.totalBytes = total }
            }
        }
        return try await TransferProgress.$report.withValue(report) { try await body() }
    }

    /// Opens the storage and runs `body` with it and with its variant without update marker.
    ///
    /// - Parameter writes: whether `body` may write to the storage.
    package func withOpenStorage<Result: Sendable>(
        writes: Bool, _ body: @escaping @Sendable (OpenStorage) async throws -> Result
    ) throws -> Result {
        let environment: @Sendable (String) -> String? = { [variables = context.environment] in variables[$0] }
        let (storage, logger) = (configuration.storage, logger())
        logConfiguration(logger)
        return try runBlocking {
            try await body(
                StorageFactory.open(storage, writes: writes, environment: environment, logger: logger))
        }
    }
}
