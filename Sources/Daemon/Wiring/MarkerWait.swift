import BlobStorage
import Logging
import ServiceLifecycle

/// Waits until the storage holds an object of a given name.
struct MarkerWait {
    var name: String
    var store: any BlobStore
    var pollInterval: Duration
    var retryInterval: Duration
    var logger: Logger
    var sleep: @Sendable (Duration) async throws -> Void

    /// - Returns: whether the object is there; false when the process shuts down before that.
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
                logger.warning("cannot look for the marker file", metadata: ["error": "\(error)"])
                pause = retryInterval
            }
            do {
                try await sleep(pause)
            } catch { return false }
        }
        return false
    }
}
