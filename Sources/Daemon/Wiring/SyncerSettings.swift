import Config
import LMDB
import Replication
import Snapshots

extension SyncSettings {
    /// The settings of a database from the configuration.
    ///
    /// - Parameters:
    ///   - receiveOnly: whether nothing is written to the storage.
    ///   - hostname: the name of this host, which is stored in snapshots.
    package init(
        _ database: DatabaseConfiguration, in configuration: Configuration, receiveOnly: Bool, hostname: String
    ) {
        let sweeper = configuration.sweeper
        self.init(
            identity: SenderIdentity(
                database: database.name, instance: configuration.instance, hostname: hostname),
            environment: LMDB.EnvironmentOptions(database),
            machine: SyncMachine.Settings(
                instance: configuration.instance, receiveOnly: receiveOnly, onlyOnce: configuration.onlyOnce,
                storagePollInterval: configuration.storagePollInterval,
                receiver: Receiver.Settings(
                    concurrentDownloads: configuration.memoryDownloadedSnapshots,
                    retryInterval: configuration.storageRetryInterval),
                sender: Sender.Settings(
                    minimumInterval: configuration.lmdbPollInterval,
                    forceInterval: configuration.storageForceSnapshotInterval,
                    retryInterval: configuration.storageRetryInterval,
                    // A single run must end.
                    retryLimit: configuration.storageRetryForever && !configuration.onlyOnce
                        ? nil : configuration.storageRetryCount),
                sweeper: sweeper.enabled ? SweeperMachine.Settings(sweeper) : nil,
                deltas: configuration.deltas.enabled
                    ? OwnChain.Settings(fullInterval: configuration.fullSnapshotInterval) : nil),
            lmdbPollInterval: configuration.lmdbPollInterval,
            deletedCutoff: DeletedCutoff(
                retention: sweeper.enabled ? sweeper.retention : nil, margin: sweeper.retentionLoadCutoffDuration),
            creationFlags: database.dbiOptions.compactMapValues { options in
                options.overrideCreateFlags.map { LMDB.DatabaseFlags(rawValue: $0.rawValue) }
            },
            paddingBlock: database.headerExtraPaddingBlock, clockSkewTolerance: configuration.clockSkewTolerance,
            cleaner: configuration.storage.cleanup.enabled
                ? CleanerMachine.Settings(database.name, in: configuration) : nil,
            schema: Schema(database))
        cure = Advice.cure
    }
}

extension Schema {
    /// Where the versions of a configured database are stored.
    package init(_ database: DatabaseConfiguration) {
        self = database.schemaTracksChanges ? .native : .shadow(dupSortHack: database.dupsortHack)
    }
}

extension CleanerMachine.Settings {
    /// The settings of a database's cleaner from the configuration, whether it is enabled or not.
    package init(_ database: String, in configuration: Configuration) {
        let cleanup = configuration.storage.cleanup
        self.init(
            database: database, interval: cleanup.interval, mustKeepInterval: cleanup.mustKeepInterval,
            rule: CleaningRule(
                instance: SnapshotName.sanitize(instance: configuration.instance),
                removeOldInstancesInterval: cleanup.removeOldInstancesInterval))
    }
}

extension SweeperMachine.Settings {
    /// The settings from the configuration.
    package init(_ sweeper: SweeperConfiguration) {
        self.init(
            retention: sweeper.retention, firstInterval: sweeper.firstInterval, interval: sweeper.interval,
            lockDuration: sweeper.lockDuration, releaseDuration: sweeper.releaseDuration)
    }
}

extension LMDB.EnvironmentOptions {
    /// How the syncing opens a configured database.
    package init(_ database: DatabaseConfiguration) {
        let options = database.options
        self.init(
            path: database.path, noSubdirectory: options.noSubdir, create: options.create,
            directoryMode: options.dirMask != 0 ? UInt32(options.dirMask) : nil,
            fileMode: options.fileMask != 0 ? UInt32(options.fileMask) : nil,
            mapSize: Int(clamping: options.mapSize), maximumDatabases: options.maxDBs)
        cure = Advice.cure
    }
}

extension LocalDatabase {
    /// The settings of a configured database for commands that only use the LMDB.
    package init(_ database: DatabaseConfiguration) {
        self.init(
            name: database.name, path: database.path, noSubdirectory: database.options.noSubdir,
            mapSize: Int(clamping: database.options.mapSize), isNative: database.schemaTracksChanges,
            isCreatedBySync: database.options.create)
    }
}
