import Config
import Replication
import Snapshots
import Support

/// The results of `snapshots prune`.
struct PruneReport: Sendable {
    private struct Row {
        var name: String
        var size: Int
        var isRemoved: Bool
        var reason: String
    }

    /// Whether nothing is removed.
    let dryRun: Bool
    private var rows: [Row] = []
    /// One line for each snapshot that could not be removed.
    private(set) var failures: [String] = []

    init(dryRun: Bool) { self.dryRun = dryRun }

    /// Adds a database.
    ///
    /// - Parameter failures: the snapshots that could not be removed, and the reasons.
    mutating func append(
        _ plan: PrunePlan, failures: [(removal: CleanerMachine.Removal, error: String)]
    ) {
        let failed = Set(
            failures.flatMap {
                [$0.removal.name.description, $0.removal.stateObject?.description ?? ""]
                    + $0.removal.deltas.map(\.description)
            })
        for (blob, fate) in plan.fates {
            let (isRemoved, reason) = Self.explain(fate)
            if failed.contains(blob.name) {
                rows.append(Row(name: blob.name, size: blob.size, isRemoved: false, reason: "could not be removed"))
            } else {
                rows.append(Row(name: blob.name, size: blob.size, isRemoved: isRemoved, reason: reason))
            }
        }
        self.failures += failures.map(\.error)
    }

    /// A table of all objects, and the totals.
    func lines(_ cleanup: CleanupConfiguration) -> [String] {
        var table = Table([("", .left), ("name", .left), ("size", .right), ("why", .left)])
        for row in rows {
            table.append([
                row.isRemoved ? "remove" : "keep", PrintableText.line(row.name), humanSize(row.size), row.reason,
            ])
        }
        let gone = rows.filter(\.isRemoved)
        let size = humanSize(gone.reduce(0) { $0 + $1.size })
        let cleaner =
            cleanup.enabled
            ? "the cleaner is on (storage.cleanup.enabled) and runs every \(DurationText.format(cleanup.interval))"
            : "the cleaner is off (storage.cleanup.enabled)"
        return (rows.isEmpty ? [] : table.lines) + [
            "\(gone.count) of \(rows.count) objects (\(size)) \(dryRun ? "would be removed" : "removed"); \(cleaner)"
        ]
    }

    private static func explain(_ fate: PrunePlan.Fate) -> (isRemoved: Bool, reason: String) {
        switch fate {
        case .snapshot(.remove(let reason)): (true, reason.rawValue)
        case .snapshot(.keep(let need)): (false, explain(need))
        case .ofUnknownAge: (false, "the storage does not provide its age")
        case .delta(goes: true): (true, "a full snapshot has its changes, or its instance is gone")
        case .delta(goes: false): (false, "delta that continues a full snapshot, or is the last one")
        case .state(goes: true): (true, "state of an instance that is gone")
        case .state(goes: false): (false, "state of an instance")
        case .ofUnknownKind:
            (false, "a snapshot of an unknown kind; cleaners do not remove it")
        case .foreign: (false, "not a snapshot")
        }
    }

    private static func explain(_ need: CleaningVerdict.Need) -> String {
        switch need {
        case .newest: "newest of its instance"
        case .farAhead: "its name is in the far future; 'snapshots remove' removes it"
        case .own: "newest of this instance"
        case .recent: "stored less than must_keep_interval ago"
        case .predecessor: "the newest of its instance has only just appeared"
        case .readable: "the newer one cannot be read"
        case .merged: "the newer one is not merged here yet"
        case .fallback: "the newer one has not been read here yet"
        case .notMerged:
            "last of an old instance; a daemon's cleaner removes it when it is merged, 'snapshots remove' when it is not needed"
        case .notSentOn: "last of an old instance, merged here, but not in a stored snapshot of this instance"
        }
    }
}
