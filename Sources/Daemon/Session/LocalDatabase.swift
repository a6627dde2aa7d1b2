import LMDB
import Snapshots

/// A configured database, for commands that only use the LMDB.
package struct LocalDatabase: Sendable, Equatable {
    /// The key under `lmdbs:`.
    package var name: String
    /// The data file, or its directory.
    package var path: String
    /// Whether ``path`` is the data file.
    package var noSubdirectory: Bool
    /// The size of the map in bytes for writing; 0 keeps the file's.
    package var mapSize = 0
    /// Whether all values begin with a header, not only those of private DBIs.
    package var isNative: Bool
    /// Whether syncing creates missing files (`options.create`).
    package var isCreatedBySync = false

    /// - Parameters:
    ///   - name: the name in messages.
    ///   - path: see the properties of the same names.
    package init(
        name: String, path: String, noSubdirectory: Bool, mapSize: Int = 0, isNative: Bool,
        isCreatedBySync: Bool = false
    ) {
        self.name = name
        self.path = path
        self.noSubdirectory = noSubdirectory
        self.mapSize = mapSize
        self.isNative = isNative
        self.isCreatedBySync = isCreatedBySync
    }

    /// Opens the LMDB read-only.
    package func open() throws(LMDBError) -> Environment { try open(readOnly: true, mapSize: 0) }

    /// Opens the existing LMDB for reading and writing.
    package func openForWriting() throws(LMDBError) -> Environment { try open(readOnly: false, mapSize: mapSize) }

    /// As ``openForWriting()``, for changes that a daemon must not see halfway: fails while a daemon syncs the LMDB.
    package func openWithoutDaemon() throws(LMDBError) -> Environment {
        let file = EnvironmentOptions(path: path, noSubdirectory: noSubdirectory).dataFile
        if case .held(let holder, _) = DaemonLock.look(dataFile: file) {
            throw LMDBError(
                .alreadyOpen, "cannot change LMDB \(file): \(holder) syncs it", cure: "stop that daemon first")
        }
        return try openForWriting()
    }

    private func open(readOnly: Bool, mapSize: Int) throws(LMDBError) -> Environment {
        var options = EnvironmentOptions(
            path: path, noSubdirectory: noSubdirectory, readOnly: readOnly, mapSize: mapSize,
            // A command must not fail because of a limit for syncing.
            maximumDatabases: 4096)
        options.cure = Advice.cure
        do throws(LMDBError) {
            return try Environment(options)
        } catch {
            guard error.code == .missingFile, isCreatedBySync else { throw error }
            throw LMDBError(
                .missingFile, "cannot open LMDB \(options.dataFile): it does not exist yet",
                cure: "options.create is true, so sync creates it at start")
        }
    }

    /// Whether the values of a DBI begin with a header.
    package func hasHeaders(in dbi: String) -> Bool { isNative || PrivateDatabases.contains(dbi) }
}

extension Session {
    /// Calls `body` for the configured database of this name, or for each of them, even if some fail.
    ///
    /// For commands without storage; also handles `--log-config`.
    ///
    /// - Returns: the exit code: 1 if a database failed. Each failure has been reported in one line.
    package func forEachDatabase(named name: String? = nil, _ body: (LocalDatabase) throws -> Void) throws -> Int32 {
        logConfiguration(logger())
        var code = ExitCode.success
        for database in try databases(named: name.map { [$0] } ?? [], flag: "--name").map(LocalDatabase.init) {
            do {
                try body(database)
            } catch let error as LMDBError {
                context.report("database \(database.name): \(error)")
                code = ExitCode.failure
            }
        }
        return code
    }
}
