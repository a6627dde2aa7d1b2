import BlobStorage
import HTTP
import LMDB
import Logging
import Replication
import Synchronization

/// The locks of a daemon on its LMDBs, so that no second daemon syncs any of them.
final class DaemonLocks: Sendable {
    /// An LMDB that another daemon syncs.
    struct Taken: Error, CustomStringConvertible {
        var database: String
        var file: String
        var holder: String

        var description: String {
            "database \(database): \(holder) already syncs \(file): stop that one first, or use another LMDB here"
        }
    }

    /// Identifies this process to processes that may read the locks.
    let token = DaemonProof.makeSecret()
    private let hostname: String
    private let logger: Logger
    private let locks = Mutex<[String: DaemonLock]>([:])

    init(hostname: String, logger: Logger) {
        self.hostname = hostname
        self.logger = logger
    }

    /// Takes the lock of an LMDB, unless it is already held here, or there is no file yet.
    ///
    /// - Throws: ``Taken``, or the error that prevents creating the LMDB here.
    func take(_ settings: SyncSettings) throws {
        let (name, file) = (settings.identity.database, settings.environment.dataFile)
        guard locks.withLock({ $0[file] == nil }) else { return }
        switch DaemonLock.take(dataFile: file, hostname: hostname, token: token) {
        case .locked(let lock): locks.withLock { $0[file] = lock }
        case .noDatabase: try Environment.checkPlace(settings.environment)
        case .taken(let holder): throw Taken(database: name, file: file, holder: holder)
        case .unavailable(let reason):
            logger.warning(
                "a second daemon on this LMDB would not be detected: its lock cannot be taken",
                metadata: ["db": "\(name)", "error": "\(reason)"])
        }
    }
}
