import BlobStorage
import Logging
import ServiceLifecycle

/// Waits for an object of a given name in the storage.
struct MarkerWait {
    var name: String
    var store: any BlobStore
    var pollInterval: Duration
    var retryInterval: Duration
    var logger: Logger
    var sleep: @Sendable (Duration) async throws -> Void

    /// - Returns: whether the object exists; false if the process shuts down before.
    func run() async throws -> Bool {
        logger.info("waiting for the marker file", metadata: ["marker": "\(name)"])
        while !Task.isShuttingDownGracefully {
            var pause = pollInterval
            do {
                if try await store.list(prefix: name).contains(where: { $0.name == name }) {
                    logger.info("found the marker file", metadata: ["marker": "\(name)"])
                    return true
                }
            } catch let error as BlobStoreError {
                logger.warning("cannot check for the marker file", metadata: ["error": "\(error)"])
                pause = retryInterval
            }
            do {
                try await sleep(pause)
            } catch { return false }
        }
        return false
    }
}
