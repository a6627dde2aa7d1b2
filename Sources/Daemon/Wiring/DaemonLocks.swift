import BlobStorage
import HTTP
import LMDB
import Logging
import Replication
import Synchronization

/// The locks of one daemon on its LMDBs, so that no second one syncs any of them.
final class DaemonLocks: Sendable {
    /// An LMDB that another daemon syncs.
    struct Taken: Error, CustomStringConvertible {
        var database: String
        var file: String
        var holder: String

        var description: String {
            "database \(database): \(holder) syncs \(file) already: end that one first, or give this one an LMDB of its own"
        }
    }

    /// What tells this process from others for those who may read the locks.
    let token = DaemonProof.makeSecret()
    private let hostname: String
    private let logger: Logger
    private let locks = Mutex<[String: DaemonLock]>([:])

    init(hostname: String, logger: Logger) {
        self.hostname = hostname
        self.logger = logger
    }

    /// Takes the lock of an LMDB, unless it is held here already, or there is no file yet.
    ///
    /// - Throws: ``Taken``, or what keeps the LMDB from being created here.
    func take(_ settings: SyncSettings) throws {
        let (name, file) = (settings.identity.database, settings.environment.dataFile)
        guard locks.withLock({ $0[file] == nil }) else { return }
        switch DaemonLock.take(dataFile: file, hostname: hostname, token: token) {
        case .locked(let lock): locks.withLock { $0[file] = lock }
        case .noDatabase: try Environment.checkPlace(settings.environment)
        case .taken(let holder): throw Taken(database: name, file: file, holder: holder)
        case .unavailable(let reason):
            logger.warning(
                "two daemons on this LMDB would not be noticed: there is no lock beside it",
                metadata: ["db": "\(name)", "error": "\(reason)"])
        }
    }
}
