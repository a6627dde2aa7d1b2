import Synchronization

/// The lock files that this process has open, because LMDB allows it only once.
///
/// The locks that mark a lock file as used belong to the process, not to the
/// environment (fcntl): a second environment would treat the first one as dead and initialise the reader table under
/// it, and closing one of them would release the locks of both.
enum OpenLocks {
    private static let open = Mutex<Set<FileIdentity>>([])

    /// - Returns: false if it is already open.
    static func add(_ file: FileIdentity) -> Bool { open.withLock { $0.insert(file).inserted } }

    /// Closes and forgets a file atomically: an unlinked file may pass its identity to the next one.
    static func remove(_ file: FileIdentity, closing close: () -> Void = {}) {
        open.withLock {
            close()
            $0.remove(file)
        }
    }
}
