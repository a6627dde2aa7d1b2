/// One database of `lmdbs`.
package struct DatabaseConfiguration: ConfigurationSection {
    /// The key under `lmdbs`; the first part of object names.
    package var name = ""
    /// The LMDB's directory, or its file with `no_subdir`.
    package var path = ""
    /// Options for opening the LMDB.
    package var options = EnvironmentOptions()
    /// Native mode: every value starts with a header that the application maintains.
    package var schemaTracksChanges = false
    /// Shadow mode of DBIs with MDB_DUPSORT.
    package var dupsortHack = false
    /// Test aid: write a header extension block.
    package var headerExtraPaddingBlock = false
    /// By name of the DBI.
    package var dbiOptions: [String: DBIOptions] = [:]

    /// The defaults: without name and path.
    package init() {}
}

/// `lmdbs.{name}.options`.
package struct EnvironmentOptions: ConfigurationSection {
    /// Whether `path` is a file; otherwise it is a directory with a data.mdb.
    package var noSubdir = false
    /// Whether a missing LMDB and its directory are created.
    package var create = false
    /// Mode of created directories, whatever the umask; 0 for 0775 less the umask.
    package var dirMask: UInt16 = 0
    /// Mode of created files, whatever the umask; 0 for 0664 less the umask.
    package var fileMask: UInt16 = 0
    /// Size of the map in bytes; zero keeps the file's, or 1 GiB for a new file.
    package var mapSize: UInt64 = 0
    /// Maximum number of named DBIs.
    package var maxDBs = 64

    /// The defaults.
    package init() {}
}

/// `lmdbs.{name}.dbi_options.{dbi}`.
package struct DBIOptions: ConfigurationSection {
    /// Flags for creating the DBI, instead of the snapshot's; nil for the snapshot's.
    package var overrideCreateFlags: DatabaseFlags?

    /// The defaults.
    package init() {}
}
