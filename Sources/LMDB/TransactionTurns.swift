import Glibc

/// The exclusion between transactions of one environment within this process.
///
/// With `MDB_NOTLS` liblmdb lets them all run concurrently. It requires exclusion by the caller in three places:
///
/// - `mdb_dbi_open` of a name without a handle: one transaction at a time, from its begin to its end, because the new
///   handle gets the slot after those that the transaction saw when it began. Others may run meanwhile; they do not see
///   the new handle (``beginOpening()``). A writer has this turn while it has the write lock, because it may create
///   databases.
/// - `mdb_dbi_close`, and `mdb_drop`, which closes: while no other transaction may use the handle (``beginExclusive()``).
/// - `mdb_env_set_mapsize`: while no transaction is active at all (``beginWriting()``, then ``beginExclusive()``).
///
/// A writer waits for the write lock, which PowerDNS may hold, with only the turn to write. This wait therefore blocks
/// other writers of this process and a resize of the map, but no reader.
///
/// Turns are taken in the order writing, opening, shared or exclusive; a thread may hold one of each kind. A thread that waits
/// for exclusive access blocks new shared access, so that it is not starved.
final class TransactionTurns: @unchecked Sendable {
    // Sendable because all state below is only used with the mutex held.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isWriting = false
    private var isOpening = false
    private var shared = 0
    private var isExclusive = false
    private var waitingForExclusive = 0

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Waits until no other thread writes, or resizes the map.
    func beginWriting() {
        change {
            wait { !isWriting }
            isWriting = true
        }
    }

    /// The same without waiting.
    ///
    /// - Returns: whether the turn was taken.
    func tryBeginWriting() -> Bool {
        var isFree = false
        change {
            isFree = !isWriting
            isWriting = true
        }
        return isFree
    }

    func endWriting() { change { isWriting = false } }

    /// Waits until no other transaction may open handles.
    func beginOpening() {
        change {
            wait { !isOpening }
            isOpening = true
        }
    }

    func endOpening() { change { isOpening = false } }

    /// Waits until no thread has, or waits for, exclusive access.
    func beginShared() {
        change {
            wait { !isExclusive && waitingForExclusive == 0 }
            shared += 1
        }
    }

    func endShared() { change { shared -= 1 } }

    /// Waits until no other thread has access.
    func beginExclusive() {
        change {
            waitingForExclusive += 1
            wait { !isExclusive && shared == 0 }
            waitingForExclusive -= 1
            isExclusive = true
        }
    }

    func endExclusive() { change { isExclusive = false } }

    private func change(_ body: () -> Void) {
        pthread_mutex_lock(mutex)
        body()
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    private func wait(until isDue: () -> Bool) {
        while !isDue() { pthread_cond_wait(condition, mutex) }
    }
}
