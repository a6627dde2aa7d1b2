import Support
import TestSupport

@testable import Snapshots

/// An entry, in memory.
struct Entry: Equatable, CustomStringConvertible {
    var key: [UInt8]
    var value: [UInt8]
    var timestamp: UInt64
    var isDeleted: Bool

    init(_ key: [UInt8], _ value: [UInt8], _ timestamp: UInt64, _ isDeleted: Bool = false) {
        self.key = key
        self.value = value
        self.timestamp = timestamp
        self.isDeleted = isDeleted
    }

    init(_ key: String, _ value: String, _ timestamp: UInt64 = 7, _ isDeleted: Bool = false) {
        self.init(Array(key.utf8), Array(value.utf8), timestamp, isDeleted)
    }

    var description: String {
        key.count + value.count < 200
            ? "\(key)=\(value)@\(timestamp)\(isDeleted ? " deleted" : "")"
            : "\(key.count) bytes=\(value.count) bytes@\(timestamp)\(isDeleted ? " deleted" : "")"
    }
}

/// A DBI, in memory.
struct Database: Equatable {
    var name: String
    var flags: UInt64 = 0
    var transform = ""
    var entries: [Entry] = []
}

/// A whole snapshot, in memory.
struct Contents: Equatable {
    var meta = SnapshotMeta(generationID: "")
    var formatVersion: UInt32 = 3
    var databases: [Database] = []

    init(databases: [Database] = [], meta: SnapshotMeta = SnapshotMeta(generationID: "")) {
        self.databases = databases
        self.meta = meta
    }

    /// Reads a snapshot to its end, with parts of one DBI as they come.
    init(_ spool: Spool, maximumEntrySize: Int = 64 << 20) throws(SnapshotError) {
        var reader = SnapshotReader(spool, maximumEntrySize: maximumEntrySize)
        loop: while true {
            switch try reader.next() {
            case .databaseBegin: databases.append(Database(name: reader.databaseName))
            case .entry:
                databases[databases.count - 1].entries.append(
                    Entry(Array(reader.key), Array(reader.value), reader.timestamp, reader.isDeleted))
            case .databaseEnd:
                databases[databases.count - 1].flags = reader.databaseFlags
                databases[databases.count - 1].transform = reader.databaseTransform
            case .end: break loop
            }
        }
        guard try reader.next() == .end else { throw SnapshotError(.malformed, "goes on after its end", offset: 0) }
        meta = reader.meta
        formatVersion = reader.formatVersion
    }

    /// Reads a message that is not compressed yet.
    init(_ message: Message, maximumEntrySize: Int = 64 << 20) throws {
        try self.init(gzip(message.bytes), maximumEntrySize: maximumEntrySize)
    }

    /// Consecutive parts of one DBI made one.
    var joined: [Database] {
        var result: [Database] = []
        for database in databases {
            if let last = result.last, last.name == database.name {
                result[result.count - 1].entries += database.entries
            } else {
                result.append(database)
            }
        }
        return result
    }

    /// Writes a snapshot of it.
    func written(chunkSize: Int = SnapshotWriter.chunkSize) throws -> Spool {
        var writer = try SnapshotWriter(meta, chunkSize: chunkSize)
        for database in databases {
            try writer.beginDatabase(database.name, flags: database.flags, transform: database.transform)
            for entry in database.entries {
                try entry.key.withUnsafeBytes { key in
                    try entry.value.withUnsafeBytes { value in
                        try writer.append(
                            key: key, value: value, timestamp: entry.timestamp, isDeleted: entry.isDeleted)
                    }
                }
            }
            try writer.endDatabase()
        }
        return try writer.finish()
    }
}

/// One gzip member.
func gzip(_ bytes: [UInt8]) throws -> Spool {
    var deflater = GzipDeflater()
    var writer = SpoolWriter()
    try bytes.withUnsafeBytes { try deflater.write($0, to: &writer) }
    try deflater.finish(to: &writer)
    return try writer.finish()
}

/// All bytes of a spool.
func bytes(_ spool: Spool) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: spool.count) { buffer, count in
        count = try spool.read(at: 0, into: UnsafeMutableRawBufferPointer(buffer))
    }
}

/// All bytes of a gzip stream, read in blocks of `blockSize`.
func gunzip(_ spool: Spool, inputSize: Int = 128 << 10, blockSize: Int = 64 << 10) throws -> [UInt8] {
    var inflater = GzipInflater(spool, inputSize: inputSize)
    var result: [UInt8] = []
    var block = [UInt8](repeating: 0, count: blockSize)
    while true {
        let count = try block.withUnsafeMutableBytes { buffer throws(GzipError) in try inflater.read(into: buffer) }
        result += block[..<count]
        if count < blockSize { return result }
    }
}

extension SeededGenerator {
    /// So many random bytes.
    mutating func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count {
                buffer.initializeElement(at: index, to: UInt8(truncatingIfNeeded: next()))
            }
            initialized = count
        }
    }
}
