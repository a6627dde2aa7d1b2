/// One database of `lmdbs`.
package struct DatabaseConfiguration: ConfigurationSection {
    /// The key under `lmdbs`; the first part of object names.
    package var name = ""
    /// The LMDB's directory, or its file with `no_subdir`.
    package var path = ""
    /// How the LMDB is opened.
    package var options = EnvironmentOptions()
    /// Native mode: every value starts with a header that the application maintains.
    package var schemaTracksChanges = false
    /// Shadow mode of DBIs with MDB_DUPSORT.
    package var dupsortHack = false
    /// Test aid: write a header extension block.
    package var headerExtraPaddingBlock = false
    /// By the name of the DBI.
    package var dbiOptions: [String: DBIOptions] = [:]

    /// The defaults: without name and path.
    package init() {}
}

/// `lmdbs.{name}.options`.
package struct EnvironmentOptions: ConfigurationSection {
    /// Whether `path` is a file; otherwise it is a directory with a data.mdb.
    package var noSubdir = false
    /// Whether a missing LMDB is created, its directory too.
    package var create = false
    /// Mode of a directory that is created, whatever the umask; 0 for 0775 less the umask.
    package var dirMask: UInt16 = 0
    /// Mode of files that are created, whatever the umask; 0 for 0664 less the umask.
    package var fileMask: UInt16 = 0
    /// Size of the map in bytes; zero keeps the file's, and takes 1 GiB when creating.
    package var mapSize: UInt64 = 0
    /// Named DBIs that can be open at once.
    package var maxDBs = 64

    /// The defaults.
    package init() {}
}

/// `lmdbs.{name}.dbi_options.{dbi}`.
package struct DBIOptions: ConfigurationSection {
    /// Flags that the DBI is created with, instead of the snapshot's; nil for the snapshot's.
    package var overrideCreateFlags: DatabaseFlags?

    /// The defaults.
    package init() {}
}
