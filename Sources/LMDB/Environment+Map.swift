import CLMDB

extension Environment {
    /// Adopts the map size set by another process, if it is larger than the local one, and no thread of this process
    /// writes or waits for the write lock.
    ///
    /// - Returns: whether the map is larger now.
    package func growsMap() throws(LMDBError) -> Bool {
        let before = info.mapSize
        guard let size = currentFileMapSize, size > UInt(bitPattern: before), turns.tryBeginWriting() else {
            return false
        }
        defer { turns.endWriting() }
        try resizeMap()
        return info.mapSize > before
    }

    func checkMap(_ operation: String) throws(LMDBError) {
        if case .lost(let code) = map.withLock({ $0 }) {
            throw LMDBError(code, "\(operation) after the map was lost", options)
        }
    }

    /// Adopts the map size in the file, set by another process. For a thread without a transaction.
    ///
    /// Waits for a writer of this process that waits for the write lock: liblmdb cannot cancel that wait, and the writer reads the
    /// map as soon as it has the lock, while the map must not move. Such a writer detects the small map itself
    /// and resizes it.
    func followMap() throws(LMDBError) {
        turns.beginWriting()
        defer { turns.endWriting() }
        try resizeMap()
    }

    /// The same for a thread with the turn to write.
    func resizeMap() throws(LMDBError) {
        let result = withoutTransactions(.mapResized) {
            map.withLock { state in
                let result = mdb_env_set_mapsize(pointer, 0)
                state = result == 0 ? .sound : .lost(result)
                return result
            }
        }
        if result != 0 { throw LMDBError(result, "follow the new map size", options) }
        noteFileMapSize()
    }

    /// Adopts the file's map size if another process has enlarged it, or if it is larger than this process's map, which is full.
    /// For a thread with the turn to write, before it waits for the write lock.
    ///
    /// liblmdb requires this only when pages beyond the map are in use. At that point no thread could read before the writer has
    /// the lock.
    func followLargerMap() throws(LMDBError) {
        let now = UInt(bitPattern: info.mapSize)
        let isFull = map.withLock { state in
            guard case .full = state else { return false }
            state = .sound
            return true
        }
        guard let size = currentFileMapSize, size > now, isFull || size > fileMapSize.load(ordering: .relaxed) else {
            return
        }
        try resizeMap()
    }

    /// Records the file's map size at the time when the map was made.
    func noteFileMapSize() { fileMapSize.store(currentFileMapSize ?? .max, ordering: .relaxed) }

    /// The map size in the file; nil if it cannot be read, for example while another process writes it.
    private var currentFileMapSize: UInt? {
        var descriptor: Int32 = -1
        mdb_env_get_fd(pointer, &descriptor)
        return try? MetaPage.read(descriptor).newer.mapSize
    }
}
