import LMDB
import Snapshots
import Support

/// The keys of any number of snapshots, by DBI, in a temporary LMDB. Takes constant memory.
final class KeySet {
    /// The number of entries per commit, which bounds LMDB's memory.
    private static let batch = 20_000

    let environment: Environment

    /// - Parameters:
    ///   - mapSize: the maximum size in bytes.
    ///   - directory: the directory of temporary files.
    init(mapSize: Int, directory: String = SpoolWriter.temporaryDirectory) throws {
        environment = try .temporary(mapSize: mapSize, directory: directory)
    }

    /// Adds all keys of a snapshot, live or Deleted. Also checks the whole snapshot.
    func add(_ snapshot: Spool, signal: CancellationSignal = CancellationSignal()) throws {
        var reader = SnapshotReader(snapshot, maximumEntrySize: Schema.largestValue)
        var name: String?
        var isComplete = false
        while !isComplete {
            try signal.check()
            isComplete = try environment.write { transaction in
                var database = try name.map { try transaction.database($0, creating: []) }
                for _ in 0..<Self.batch {
                    switch try reader.next() {
                    case .databaseBegin:
                        name = PrivateDatabases.contains(reader.databaseName) ? nil : reader.databaseName
                        database = try name.map { try transaction.database($0, creating: []) }
                    case .entry:
                        if let database {
                            try transaction.put(database, reader.key, UnsafeRawBufferPointer(start: nil, count: 0))
                        }
                    case .databaseEnd:
                        (name, database) = (nil, nil)
                    case .end:
                        return .commit(true)
                    }
                }
                return .commit(false)
            }
        }
    }
}
