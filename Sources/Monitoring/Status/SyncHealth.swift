import Observability
import Replication
import Snapshots

/// The health of one database's syncing: converts its events to checks.
///
/// A pure state machine: times are passed in.
struct SyncHealth: Sendable {
    private let names: Names
    private let limits: MonitorSettings.Health
    private var list: FailureTracker
    /// Since when the current listing has had no answer.
    private var listing: Duration?
    private var load: FailureTracker
    private var store: FailureTracker
    private var start: LastingTrouble?

    /// The names of the checks: they are set with each listing.
    private struct Names {
        let storageListFailedDuration: String
        let storageLoadFailedDuration: String
        let storageStoreFailedDuration: String
        let startupInProgress: String
        let namesake: String
        let pageComparison: String
        let stale: String
        let sendingBlocked: String
        let notInSync: String
        let clockSkew: String
        let farFuture: String
        let clock: String
        let instanceSilent: String
        let snapshotRefused: String
        let entriesHeld: String

        init(_ database: String) {
            storageListFailedDuration = "\(database)_storage_list_failed_duration"
            storageLoadFailedDuration = "\(database)_storage_load_failed_duration"
            storageStoreFailedDuration = "\(database)_storage_store_failed_duration"
            startupInProgress = "\(database)_startup_in_progress"
            pageComparison = "\(database)_page_comparison"
            namesake = "\(database)_namesake"
            stale = "\(database)_stale"
            sendingBlocked = "\(database)_sending_blocked"
            notInSync = "\(database)_not_in_sync"
            clockSkew = "\(database)_clock_skew"
            farFuture = "\(database)_far_future"
            clock = "\(database)_clock"
            instanceSilent = "\(database)_instance_silent"
            snapshotRefused = "\(database)_snapshot_refused"
            entriesHeld = "\(database)_entries_held"
        }
    }

    init(_ name: String, _ limits: MonitorSettings.Health, at now: Duration) {
        names = Names(name)
        self.limits = limits
        list = FailureTracker("listing the storage", limits: limits.storageList)
        load = FailureTracker("loading a snapshot", limits: limits.storageLoad)
        store = FailureTracker("storing a snapshot", limits: limits.storageStore)
        start =
            limits.reportsStart
            ? LastingTrouble("the start-up has been going on", since: now, limits: limits.start) : nil
    }

    mutating func handle(_ event: SyncEvent, at now: Duration) {
        switch event {
        case .listStarted: listing = now
        case .listed(let catalog):
            self.listing = nil
            list.succeeded()
            guard load.trouble != nil else { break }
            let instances = catalog.instances.union(catalog.lastDeltas.keys)
            load.keep { instances.contains($0) }
        case .listFailed(let error):
            listing = nil
            list.failed(error, at: now)
        case .merged(let report): load.succeeded(report.name.instance)
        case .downloadVanished(let name, _), .refused(let name, _, _, _): load.succeeded(name.instance)
        case .downloadFailed(let name, let error, _), .mergeFailed(let name, let error, _):
            load.failed(error, of: name.instance, at: now)
        case .stored: store.succeeded()
        case .settled(let transaction): if transaction != nil { store.succeeded() }
        case .sendFailed(let error), .sendingGivenUp(let error): store.failed(error, at: now)
        case .started: start = nil
        case .opened, .downloadStarted, .downloaded, .downloadsWaiting, .mergesWaiting, .mergeStarted, .progressed,
            .storing, .compared, .hinted, .hintMerged, .hearing, .proved, .pinned, .swept, .fenced, .sendBlocked,
            .notInSync, .namesake, .clockSkew,
            .ownClock, .cleanerListed,
            .cleanerListFailed, .cleanerDeleted, .cleanerDeleteFailed, .ended:
            break
        }
    }

    /// Updates the check of listings.
    func showListing(in checks: inout HealthChecks) {
        // A hanging listing fails only after a while, and must not look healthy until then.
        // Limits of 0 are raised to the time that a call may take.
        let (warning, failure) = (limits.storageList.warning, limits.storageList.failure)
        let patient = LastingTrouble.Limits(warning: max(warning, .seconds(1)), failure: max(failure, .seconds(1)))
        let hanging = listing.map { LastingTrouble("a listing has had no answer", since: $0, limits: patient) }
        checks.set(names.storageListFailedDuration, list.trouble ?? hanging)
    }

    /// Updates the checks.
    func show(_ record: DatabaseRecord, in checks: inout HealthChecks) {
        showListing(in: &checks)
        checks.set(names.storageLoadFailedDuration, load.trouble)
        checks.set(names.storageStoreFailedDuration, store.trouble)
        checks.set(names.startupInProgress, start)
        checks.set(names.namesake, .failure, record.namesake.map(Self.text))
        checks.set(names.pageComparison, .failure, record.hasWrongDiff ? Self.wrongDiff : nil)
        checks.set(names.stale, .failure, record.fence)
        checks.set(names.sendingBlocked, .warning, record.blocked)
        checks.set(names.notInSync, .warning, record.notInSync)
        checks.set(names.clockSkew, .warning, Self.text(skewed: record.skewed))
        checks.set(names.farFuture, .warning, Self.text(farAhead: record.farAhead))
        let own = record.ownClock.flatMap { $0.exceeds ? $0.ahead : nil }
        checks.set(
            names.clock, own.map { $0 > Self.harmful || $0 < .zero - Self.harmful } == true ? .failure : .warning,
            own.map(OwnClock.text))
        checks.set(names.instanceSilent, .warning, Self.text(silent: record.silent))
        checks.set(names.snapshotRefused, .warning, Self.text(refused: record.instances))
        checks.set(names.entriesHeld, .warning, Self.text(held: record.instances))
    }

    /// What a wrong comparison of pages means.
    static let wrongDiff =
        "a comparison of pages was wrong: only full snapshots are sent until the next start, and nothing is lost; report "
        + "it with the version of liblmdb"

    /// The same limit as in `doctor`.
    private static let harmful = Duration.seconds(60)

    private static func text(silent: [String: Duration]) -> String? {
        guard let worst = silent.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else { return nil }
        return
            "no state from \(worst.key) for \(LastingTrouble.text(worst.value))\(more(silent.count)): it is "
            + "not running, or cannot write to the storage; if it is gone for good: lightningstream snapshots remove --instance "
            + worst.key
    }

    private static func text(_ namesake: SnapshotName) -> String {
        "another host uses the instance name \(namesake.instance), and neither sees the other's changes: give each "
            + "its own; it wrote \(namesake) (this lasts until a snapshot of this instance contains all of that and "
            + "no other has arrived for a while)"
    }

    private static func text(skewed: [String: Duration]) -> String? {
        guard let worst = skewed.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else { return nil }
        return "the clock of \(worst.key) is \(LastingTrouble.text(worst.value)) ahead\(more(skewed.count)): correct "
            + "it, because its changes win over later ones of others"
    }

    private static func text(farAhead names: [SnapshotName]) -> String? {
        names.first.map { first in
            "the name \(first)\(more(names.count)) is in the far future, and other programs ignore newer snapshots of "
                + "that instance: remove it with lightningstream snapshots remove"
        }
    }

    private static func text(refused instances: [String: DatabaseRecord.Instance]) -> String? {
        let all = instances.values.flatMap(\.refused)
        guard let newest = all.max(by: { $0.key < $1.key }) else { return nil }
        let isDelta = newest.key.isDelta
        let kind = isDelta ? "delta" : "snapshot"
        let instead =
            isDelta
            ? "its changes arrive with a full snapshot of that instance, or of another one that has merged them"
            : "older ones are used until there are newer ones"
        return "the \(kind) \(newest.key) is rejected\(more(all.count)), \(instead): \(newest.value)"
    }

    private static func text(held instances: [String: DatabaseRecord.Instance]) -> String? {
        let all = instances.compactMap { name, instance in instance.held.map { (name: name, held: $0) } }
        guard let first = all.min(by: { $0.name < $1.name }) else { return nil }
        let count = first.held.count
        return
            "\(count) \(count == 1 ? "entry" : "entries") of instance \(first.name) \(count == 1 ? "is" : "are") held "
            + "back and the rest is merged\(more(all.count, "instances")), the first: \(first.held.first)"
    }

    private static func more(_ count: Int, _ noun: String? = nil) -> String {
        count > 1 ? " (and \(count - 1) more\(noun.map { " \($0)" } ?? ""))" : ""
    }
}
