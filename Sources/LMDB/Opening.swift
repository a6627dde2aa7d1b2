import CLMDB
import Glibc

/// Prepares the files of an environment for `mdb_env_open`: reports every mistake with its own message before liblmdb uses
/// the files, and sets mode and owner of created files.
struct Opening {
    let options: EnvironmentOptions
    /// The requested map size, 0 for the file's.
    let mapSize: Int
    /// Whether the lock file is used.
    let usesLock: Bool

    /// - Throws: if the files do not match the options, or cannot be created.
    init(_ options: EnvironmentOptions) throws(LMDBError) {
        self.options = options
        let size = try Self.check(options)
        let isNew = (size ?? 0) == 0
        mapSize = options.mapSize > 0 ? options.mapSize : (isNew ? Self.newFileMapSize : 0)
        if isNew {
            // liblmdb would leave a file that requests a map which is impossible.
            guard Self.canMap(mapSize) else { throw LMDBError(ENOMEM, "create the file", options) }
        } else {
            do throws(MetaPage.Refusal) {
                _ = try MetaPage.read(path: options.dataFile, writable: !options.readOnly)
            } catch {
                throw LMDBError(error, options)
            }
        }
        if options.readOnly {
            // Without a lock file no process has it open, and reading must not create a file.
            usesLock = access(options.lockFile, F_OK) == 0
            return
        }
        usesLock = true
        if size == nil {
            try Self.refuseForeignDirectory(options)
            do throws(FileFailure) {
                try FileFacts.makeDirectories(FileFacts.directory(of: options.dataFile), mode: options.directoryMode)
                try FileFacts.makeFile(options.dataFile, mode: options.fileMode)
            } catch {
                throw LMDBError(error, options)
            }
        }
        // One created by root would lock out the user of the database.
        FileFacts.makeFile(options.lockFile, like: options.dataFile)
    }

    // The files would be root's, and the application could not open them.
    fileprivate static func refuseForeignDirectory(_ options: EnvironmentOptions) throws(LMDBError) {
        guard let place = FileFacts.foreignOwner(ofDirectoryFor: options.dataFile) else { return }
        throw LMDBError(
            .noPermission,
            "cannot create LMDB \(options.dataFile): this process runs as root, but \(place.directory) belongs to "
                + "uid \(place.owner), who could not open root's files; run as that user, for example with "
                + "sudo -u \(FileFacts.userName(place.owner))")
    }

    private static let newFileMapSize = 1 << 30

    /// Checks the path against the file system.
    ///
    /// - Returns: the size of the data file, nil if it is to be created.
    private static func check(_ options: EnvironmentOptions) throws(LMDBError) -> Int? {
        let (path, file) = (options.path, options.dataFile)
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw LMDBError(.badName, "cannot open an LMDB: its path is empty or contains a NUL", options)
        }
        let mayCreate = options.create && !options.readOnly
        switch try kind(of: path, options) {
        case .directory where options.noSubdirectory:
            throw LMDBError(
                .isDirectory,
                "cannot open LMDB \(path): it is a directory", options)
        case .file where !options.noSubdirectory:
            throw LMDBError(
                .isNotDirectory,
                "cannot open LMDB \(path): it is a file, not a directory", options)
        case .other:
            throw LMDBError(.other(EINVAL), "cannot open LMDB \(path): it is neither a file nor a directory")
        case .missing, .directory, .file: break
        }
        switch try kind(of: file, options) {
        case .file(let size) where size > 0 || mayCreate: return size
        case .missing where mayCreate: return nil
        case .file:
            throw LMDBError(
                .missingFile,
                "cannot open LMDB \(file): the file is empty", options)
        case .missing:
            throw LMDBError(
                .missingFile,
                "cannot open LMDB \(file): there is no such file", options)
        case .directory, .other:
            throw LMDBError(.other(EINVAL), "cannot open LMDB \(file): it is not a regular file")
        }
    }

    private static func kind(of path: String, _ options: EnvironmentOptions) throws(LMDBError) -> FileFacts.Kind {
        do throws(FileFailure) {
            return try FileFacts.kind(of: path)
        } catch {
            throw LMDBError(error, options)
        }
    }

    private static func canMap(_ size: Int) -> Bool {
        guard let map = mmap(nil, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
            map != MAP_FAILED
        else { return false }
        munmap(map, size)
        return true
    }

    /// The flags for `mdb_env_open`.
    ///
    /// MDB_NOTLS: a read transaction belongs to its object, not to the thread that started it.
    /// MDB_NOMETASYNC: one flush per commit instead of two while the application waits for the lock. Integrity is
    /// kept; a power failure may undo the newest merge, which the next start-up repeats from its snapshot.
    var flags: UInt32 {
        var flags = UInt32(MDB_NOTLS)
        if options.noSubdirectory { flags |= UInt32(MDB_NOSUBDIR) }
        flags |= UInt32(options.readOnly ? MDB_RDONLY : MDB_NOMETASYNC)
        if !usesLock { flags |= UInt32(MDB_NOLOCK) }
        return flags
    }
}

extension Environment {
    /// Checks whether a missing LMDB may be created, before anything else is.
    ///
    /// - Throws: ``LMDBError`` if this process is root's, and the directory another user's, who could not open it.
    package static func checkPlace(_ options: EnvironmentOptions) throws(LMDBError) {
        guard access(options.dataFile, F_OK) != 0 else { return }
        try Opening.refuseForeignDirectory(options)
    }
}
