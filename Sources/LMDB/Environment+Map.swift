import CLMDB

extension Environment {
    /// Adopts the size that another process has given the map, if that is larger than it is here, and no thread of this process
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

    /// Adopts the map size that the file has been given by another process. For a thread without a transaction.
    ///
    /// A writer of this process that waits for the write lock is waited for: liblmdb has no way to call it back, it reads the map
    /// as soon as it has the lock, and nobody could keep it from that while the map moves. It finds the map too small itself then,
    /// and resizes it.
    func followMap() throws(LMDBError) {
        turns.beginWriting()
        defer { turns.endWriting() }
        try resizeMap()
    }

    /// The same for who has the turn to write.
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

    /// Adopts the file's map size if another process has made it larger, or if it is larger than this process's, which is full.
    /// For who has the turn to write, before the wait for the write lock.
    ///
    /// liblmdb asks for that only when pages beyond the map are in use. Then nobody here could read before the writer has got
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

    /// Remembers the file's map size as the one that the map was made for.
    func noteFileMapSize() { fileMapSize.store(currentFileMapSize ?? .max, ordering: .relaxed) }

    /// What the file says; nil when that can't be read, as it may be while another process writes it.
    private var currentFileMapSize: UInt? {
        var descriptor: Int32 = -1
        mdb_env_get_fd(pointer, &descriptor)
        return try? MetaPage.read(descriptor).newer.mapSize
    }
}
