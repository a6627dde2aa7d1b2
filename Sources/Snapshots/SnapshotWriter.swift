import Glibc
import Support

/// Writes a snapshot from start to end in constant memory; a second thread compresses it.
///
/// The format is described in docs/snapshot-format.md. A DBI is split into parts of about ``chunkSize`` bytes, so
/// that it is never in memory as a whole. DBIs and entries must be added in the order in which they are to
/// be read; the caller is responsible for the order of keys.
package struct SnapshotWriter: ~Copyable {
    /// The approximate size of a part of a DBI in bytes.
    package static let chunkSize = 2 << 20

    private let compression: GzipThread
    private let chunkSize: Int
    // The parts of a DBI grow up to the chunk size, so that a small DBI needs little memory.
    private static let firstPartSize = 16 << 10
    private var partSize: Int
    private var chunk: Chunk
    // The start of every part of the current DBI: its name, flags and transform.
    private var head: [UInt8] = []
    private var isInDatabase = false
    // The next byte of the part, and the end of its buffer. Equal while there is no DBI.
    private var cursor: UnsafeMutablePointer<UInt8>
    private var limit: UnsafeMutablePointer<UInt8>

    /// Starts the snapshot with its format version and `meta`.
    ///
    /// - Parameter stagingDirectory: the preferred directory for the file of a large snapshot; see `SpoolWriter`.
    /// - Throws: ``SystemError`` if no thread can be created.
    package init(_ meta: SnapshotMeta, stagingDirectory: String? = nil) throws {
        try self.init(meta, chunkSize: Self.chunkSize) { SpoolWriter(stagingDirectory: stagingDirectory) }
    }

    /// The same with a different part size or sink, for tests.
    init(
        _ meta: SnapshotMeta, chunkSize: Int, sink: @escaping @Sendable () -> SpoolWriter = { SpoolWriter() }
    ) throws {
        let compression = GzipThread(sink: sink)
        try compression.submit(Chunk(SnapshotEncoding.start(meta)))
        self.compression = compression
        self.chunkSize = chunkSize
        partSize = min(chunkSize, Self.firstPartSize)
        chunk = Chunk(capacity: partSize + Self.slack)
        cursor = chunk.base
        limit = cursor
    }

    /// Starts a DBI. A DBI without entries is written as well, so that receivers create it.
    ///
    /// - Parameters:
    ///   - flags: the LMDB flags of the application's DBI.
    ///   - transform: "" or `dupsort_hack_v1`, the latter for DBIs with MDB_DUPSORT only.
    /// - Throws: ``SnapshotError`` for a DBI that must not be in a snapshot.
    package mutating func beginDatabase(_ name: String, flags: UInt64, transform: String = "") throws {
        if isInDatabase { try endDatabase() }
        if let reason = Self.problem(name, flags, transform) {
            throw SnapshotError(.unsupported, reason, offset: 0, database: name)
        }
        head = SnapshotEncoding.head(name, flags, transform)
        partSize = min(chunkSize, Self.firstPartSize)
        isInDatabase = true
        try startChunk(room: 0)
    }

    /// Adds an entry to the DBI. The bytes are copied.
    ///
    /// - Parameters:
    ///   - value: the application's value, without ``EntryHeader``.
    ///   - timestamp: in nanoseconds since the UNIX epoch.
    /// - Throws: the error of the other thread as soon as it is known; ``SystemError`` of a temporary file.
    package mutating func append(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, timestamp: UInt64, isDeleted: Bool
    ) throws {
        var size = timestamp == 0 ? 0 : 9
        if !key.isEmpty { size &+= 1 &+ Varint.size(UInt64(UInt(bitPattern: key.count))) &+ key.count }
        if !value.isEmpty { size &+= 1 &+ Varint.size(UInt64(UInt(bitPattern: value.count))) &+ value.count }
        if isDeleted { size &+= 2 }
        // The entry's tag and length need up to 11 bytes.
        if limit - cursor < size &+ 11 { try makeRoom(size &+ 11) }

        var next = cursor
        next.pointee = SnapshotFields.entryTag
        next += 1
        Varint.write(UInt64(UInt(bitPattern: size)), &next)
        if !key.isEmpty { SnapshotEncoding.write(SnapshotFields.KV.keyTag, key, &next) }
        if !value.isEmpty { SnapshotEncoding.write(SnapshotFields.KV.valueTag, value, &next) }
        if isDeleted {
            next.pointee = SnapshotFields.KV.flagsTag
            next[1] = 1
            next += 2
        }
        if timestamp != 0 {
            next.pointee = SnapshotFields.KV.timestampTag
            UnsafeMutableRawPointer(next).storeBytes(of: timestamp.littleEndian, toByteOffset: 1, as: UInt64.self)
            next += 9
        }
        cursor = next
    }

    /// Ends the DBI.
    package mutating func endDatabase() throws {
        guard isInDatabase else { return }
        try submitChunk()
        isInDatabase = false
        limit = cursor
    }

    /// Ends the snapshot, and waits for the other thread.
    package consuming func finish() throws -> Spool {
        try endDatabase()
        return try compression.finish()
    }

    // The length of a part precedes it but is known only at its end, so space is reserved for it, at most 11 bytes.
    private static let prefixRoom = 16
    // Maximum size of a part beyond the chunk size: prefix and head.
    private static let slack = 2048

    private mutating func makeRoom(_ size: Int) throws {
        guard isInDatabase else {
            throw SnapshotError(.unsupported, "an entry outside of any DBI", offset: 0)
        }
        if cursor - chunk.base > Self.prefixRoom + head.count { try submitChunk() }
        try startChunk(room: size)
    }

    private mutating func startChunk(room: Int) throws {
        let fixed = Self.prefixRoom + head.count
        let wanted = max(partSize, room) + fixed
        if chunk.capacity < wanted { chunk = Chunk(capacity: wanted) }
        cursor = chunk.base + Self.prefixRoom
        head.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: cursor, count: $0.count).copyMemory(from: $0) }
        cursor += head.count
        limit = chunk.base + wanted
    }

    private mutating func submitChunk() throws {
        let start = chunk.base + Self.prefixRoom
        let length = UInt64(UInt(bitPattern: cursor - start))
        var prefix = start - 1 - Varint.size(length)
        let first = prefix - chunk.base
        prefix.pointee = SnapshotEncoding.databaseTag
        prefix += 1
        Varint.write(length, &prefix)
        chunk.range = first..<(cursor - chunk.base)
        try compression.submit(chunk)
        partSize = min(partSize * 4, chunkSize)
        chunk = compression.recycled(capacity: partSize + Self.slack)
        cursor = chunk.base
        limit = cursor
    }

    private static func problem(_ name: String, _ flags: UInt64, _ transform: String) -> String? {
        if name.isEmpty || name.utf8.count > SnapshotFields.longestDatabaseName || name.utf8.contains(0) {
            return "the name of a DBI must have 1 to \(SnapshotFields.longestDatabaseName) bytes, none of them zero"
        }
        if PrivateDatabases.contains(name) {
            return "DBIs whose names start with \(PrivateDatabases.prefix) are private to this LMDB"
        }
        if !transform.isEmpty && transform != SnapshotFields.dupSortTransform {
            return "the transform \"\(transform)\" is unknown"
        }
        return SnapshotFields.contradiction(flags, transform)
    }
}
