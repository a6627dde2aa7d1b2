import Glibc

/// How an LMDB environment is opened.
package struct EnvironmentOptions: Sendable {
    /// The data file with ``noSubdirectory``, otherwise the directory that holds `data.mdb`.
    package var path: String
    /// Whether ``path`` names the data file itself (MDB_NOSUBDIR).
    package var noSubdirectory: Bool
    /// Whether this process only reads. Nothing is created or changed then, not even a lock file.
    package var readOnly: Bool
    /// Whether a missing file, and its directory, are created.
    package var create: Bool
    /// The permission bits of a created directory.
    package var directoryMode: UInt32
    /// The permission bits of a created data file and lock file.
    package var fileMode: UInt32
    /// The size of the map in bytes; 0 keeps the file's, and means 1 GiB for a new file.
    package var mapSize: Int
    /// The greatest number of named databases.
    package var maximumDatabases: Int

    package init(
        path: String, noSubdirectory: Bool = false, readOnly: Bool = false, create: Bool = false,
        directoryMode: UInt32 = 0o775, fileMode: UInt32 = 0o664, mapSize: Int = 0, maximumDatabases: Int = 64
    ) {
        self.path = path
        self.noSubdirectory = noSubdirectory
        self.readOnly = readOnly
        self.create = create
        self.directoryMode = directoryMode
        self.fileMode = fileMode
        self.mapSize = mapSize
        self.maximumDatabases = maximumDatabases
    }

    /// The file that holds the data.
    package var dataFile: String { noSubdirectory ? path : path + "/data.mdb" }
    /// The file that holds the reader table and the write lock.
    package var lockFile: String { noSubdirectory ? path + "-lock" : path + "/lock.mdb" }

    static let newFileMapSize = 1 << 30

    /// Checks the path against what is there, so that every mistake gets its own message.
    ///
    /// - Returns: whether the data file exists.
    func checkFiles() throws(LMDBError) -> Bool {
        switch try FileFacts.kind(of: path) {
        case .directory where noSubdirectory:
            throw LMDBError(
                .isDirectory,
                "cannot open LMDB \(path): it is a directory; remove options.no_subdir, or name the file in it")
        case .file where !noSubdirectory:
            throw LMDBError(
                .isNotDirectory,
                "cannot open LMDB \(path): it is a file, not a directory; set options.no_subdir: true")
        case .other:
            throw LMDBError(.other(EINVAL), "cannot open LMDB \(path): it is neither a file nor a directory")
        case .missing, .directory, .file: break
        }
        switch try FileFacts.kind(of: dataFile) {
        case .file(let size) where size > 0 || create: return true
        case .file:
            throw LMDBError(
                .missingFile,
                "cannot open LMDB \(dataFile): the file is empty; start the application first, or set options.create: true"
            )
        case .missing where create: return false
        case .missing:
            throw LMDBError(
                .missingFile,
                "cannot open LMDB \(dataFile): there is no such file; check the path, start the application first, "
                    + "or set options.create: true")
        case .directory, .other:
            throw LMDBError(.other(EINVAL), "cannot open LMDB \(dataFile): it is not a regular file")
        }
    }
}
