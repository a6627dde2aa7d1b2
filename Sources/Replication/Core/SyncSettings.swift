import LMDB

/// What is synced, and how: the configuration of one database.
package struct SyncSettings: Sendable {
    /// Who sends: database, instance and host.
    package var identity: SenderIdentity
    /// Where the versions of entries are kept.
    package var schema: Schema { didSet { machine.hasShadows = schema.hasShadows } }
    /// How the LMDB is opened.
    package var environment: EnvironmentOptions
    /// When to list, load, send and sweep.
    package var machine: SyncMachine.Settings
    /// How often the LMDB is asked for its newest transaction, where no change was signalled.
    package var lmdbPollInterval: Duration
    /// Which Deleted entries of others are not added.
    package var deletedCutoff: DeletedCutoff
    /// The flags that missing databases are created with instead of those of the snapshot.
    package var creationFlags: [String: DatabaseFlags]
    /// Whether headers get an extension block (`header_extra_padding_block`).
    package var paddingBlock: Bool
    /// How far in the future a snapshot may be before the sender's clock is called wrong.
    package var clockSkewTolerance: Duration
    /// How old snapshots are removed; nil when they are not.
    package var cleaner: CleanerMachine.Settings?

    /// See the properties of the same names.
    package init(
        identity: SenderIdentity, environment: EnvironmentOptions, machine: SyncMachine.Settings,
        lmdbPollInterval: Duration, deletedCutoff: DeletedCutoff = DeletedCutoff(retention: nil),
        creationFlags: [String: DatabaseFlags] = [:], paddingBlock: Bool = false,
        clockSkewTolerance: Duration = .seconds(5), cleaner: CleanerMachine.Settings? = nil,
        schema: Schema = .native
    ) {
        self.schema = schema
        self.identity = identity
        self.environment = environment
        self.machine = machine
        self.lmdbPollInterval = lmdbPollInterval
        self.deletedCutoff = deletedCutoff
        self.creationFlags = creationFlags
        self.paddingBlock = paddingBlock
        self.clockSkewTolerance = clockSkewTolerance
        self.cleaner = cleaner
        self.machine.hasShadows = schema.hasShadows
    }
}
