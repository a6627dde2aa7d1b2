import Glibc

/// Options for opening an LMDB environment.
package struct EnvironmentOptions: Sendable {
    /// The data file with ``noSubdirectory``, otherwise the directory of `data.mdb`.
    package var path: String
    /// Whether ``path`` names the data file itself (MDB_NOSUBDIR).
    package var noSubdirectory: Bool
    /// Whether this process only reads.
    ///
    /// Nothing is created then, even with ``create``, and the data file is not changed. An existing lock file
    /// is used to register the reader; a missing one is not created.
    package var readOnly: Bool
    /// Whether a missing file and its directory are created.
    package var create: Bool
    /// The permission bits of a created directory, whatever the umask; nil for 0775 less the umask.
    package var directoryMode: UInt32?
    /// The permission bits of a created data file and its lock file, whatever the umask; nil for 0664 less the umask.
    package var fileMode: UInt32?
    /// The size of the map in bytes; 0 keeps the file's, and means 1 GiB for a new file.
    ///
    /// A size below the used part of the file leaves no space for writing.
    package var mapSize: Int
    /// The maximum number of named databases, at least 1.
    package var maximumDatabases: Int
    /// What to do about an error of this code, for messages: the program knows the names of its options.
    package var cure: @Sendable (LMDBError.Code) -> String = { _ in "" }
    /// The number of handles passed to liblmdb, which allocates each of them in every transaction.
    var handleLimit: Int { min(max(maximumDatabases, 1), 1 << 16) }

    /// - Parameters:
    ///   - path: see ``path``; the other parameters are named as the properties, too.
    package init(
        path: String, noSubdirectory: Bool = false, readOnly: Bool = false, create: Bool = false,
        directoryMode: UInt32? = nil, fileMode: UInt32? = nil, mapSize: Int = 0, maximumDatabases: Int = 64
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

    /// The data file.
    package var dataFile: String { noSubdirectory ? path : path + "/data.mdb" }
    /// The file with the reader table and the write lock.
    package var lockFile: String { noSubdirectory ? path + "-lock" : path + "/lock.mdb" }
}
