import LMDB

/// The configuration of one database.
package struct SyncSettings: Sendable {
    /// The sender: database, instance and host.
    package var identity: SenderIdentity
    /// Where the versions of entries are kept.
    package var schema: Schema { didSet { machine.hasShadows = schema.hasShadows } }
    /// How the LMDB is opened.
    package var environment: EnvironmentOptions
    /// Configuration of listings, loads, sends and sweeps.
    package var machine: SyncMachine.Settings
    /// How often the LMDB is polled for its newest transaction.
    package var lmdbPollInterval: Duration
    /// Which Deleted entries of other instances are not added.
    package var deletedCutoff: DeletedCutoff
    /// Flags for creating missing DBIs, by name, which override those of the snapshot.
    package var creationFlags: [String: DatabaseFlags]
    /// Whether headers get an extension block.
    package var paddingBlock: Bool
    /// How far in the future a snapshot may be before its sender's clock counts as wrong.
    package var clockSkewTolerance: Duration
    /// Configuration of the cleaner; nil if old snapshots are not removed.
    package var cleaner: CleanerMachine.Settings?
    /// What to do about a problem, for messages: the program knows the names of its options and commands.
    package var cure: @Sendable (SyncHint) -> String = { _ in "" }

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
