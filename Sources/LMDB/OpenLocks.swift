import Synchronization

/// The lock files that this process has open, as LMDB allows it only once.
///
/// The locks that keep other processes from taking a lock file for abandoned belong to the process, not to the
/// environment (fcntl): a second environment would take the first one for dead and initialise the reader table under
/// it, and the first to be closed would give up the locks of both.
enum OpenLocks {
    private static let open = Mutex<Set<FileIdentity>>([])

    /// - Returns: false when it is open already.
    static func add(_ file: FileIdentity) -> Bool { open.withLock { $0.insert(file).inserted } }

    /// Closes and forgets a file in one go: a file that was unlinked meanwhile leaves its identity to the next one.
    static func remove(_ file: FileIdentity, closing close: () -> Void = {}) {
        open.withLock {
            close()
            $0.remove(file)
        }
    }
}
