import Snapshots
import Support

/// How far a change of one database has spread: which instances have merged it, by their state objects.
struct ChangeSpread: Sendable, Equatable {
    /// An instance that has not merged it, and why, as far as known.
    struct Waiting: Sendable, Equatable {
        var instance: String
        /// The newest position of ours that it has merged, or that of the author of the change.
        var has: SnapshotName?
        /// The time of its state.
        var time: String
        var reason: String
    }

    /// What is known of the database and the others.
    struct Facts {
        var database: String
        /// This instance.
        var own: String
        /// The other instances in the storage.
        var instances: Set<String>
        /// Their states.
        var states: [String: InstanceState]
        /// When the state objects were written, by the storage's clock.
        var stateTimes: [String: UInt64]
        /// Those with a state object in the storage.
        var objects: Set<String>
        /// Why the state objects of some say nothing, one phrase each.
        var senseless: [String: String]
        /// Those with a state object of this database or of another one that the answer is about.
        var publishers: Set<String>
        /// Those that have missed publications.
        var silent: Set<String>
        /// Those that need not have it.
        var except: Set<String>
    }

    /// Our position that contains what applications have written of it; nil if that is not stored, or if they have written none of it.
    private(set) var position: SnapshotName?
    /// Whether it is stored as far as this instance has to send it.
    private(set) var isSent = true
    /// What is not sent, if it is not what applications have written.
    private(set) var obstacle: String?
    /// Those that have merged it.
    private(set) var merged: [String] = []
    /// Those that have not.
    private(set) var waiting: [Waiting] = []
    /// Those that publish no state of any of the databases.
    private(set) var unknown: [String] = []
    /// Those that need not have it.
    private(set) var leftOut: [String] = []
    /// Those whose state has not been read yet.
    private(set) var unread: [String] = []

    /// A state written this much earlier than a position cannot contain it.
    private static let tolerance: UInt64 = 900 * 1_000_000_000

    /// Whether all instances that publish a state have it.
    var isComplete: Bool { isSent && waiting.isEmpty && unread.isEmpty }

    init(of need: Need, _ log: TransactionLog, _ facts: Facts) {
        var required = need.others
        if let local = need.local { require(log.position(covering: local), facts.own, &required) }
        for instance in need.others.keys.sorted() {
            switch log.substitute(for: instance) {
            case .none: continue
            case .position(let position): require(position, facts.own, &required)
            case .pending:
                obstacle = "\(instance) is no longer in the storage: its changes are sent with our next full snapshot"
                require(nil, facts.own, &required)
            }
            required[instance] = nil
        }
        if need.local != nil, let own = required[facts.own] {
            position = SnapshotName(database: facts.database, instance: facts.own, timestamp: own)
        }
        for instance in facts.instances.union(facts.publishers).subtracting([facts.own]).sorted() {
            if facts.except.contains(instance) {
                leftOut.append(instance)
                continue
            }
            guard let state = facts.states[instance] else {
                note(withoutState: instance, facts)
                continue
            }
            guard isSent else { continue }
            if let missing = Self.missing(required, instance, state, log, facts) {
                waiting.append(missing)
            } else {
                merged.append(instance)
            }
        }
    }

    /// An instance may serve the zone, whatever is wrong with its state: only one that never publishes any is not waited for.
    private mutating func note(withoutState instance: String, _ facts: Facts) {
        if let reason = facts.senseless[instance] {
            waiting.append(Waiting(instance: instance, time: "", reason: reason))
        } else if facts.objects.contains(instance) {
            unread.append(instance)
        } else if facts.publishers.contains(instance) {
            waiting.append(
                Waiting(instance: instance, time: "", reason: "it publishes its state of another database only"))
        } else {
            unknown.append(instance)
        }
    }

    private mutating func require(_ position: UInt64?, _ own: String, _ required: inout [String: UInt64]) {
        guard let position else {
            isSent = false
            return
        }
        required[own] = max(required[own] ?? 0, position)
    }

    /// - Returns: nil if the instance has all of it.
    private static func missing(
        _ required: [String: UInt64], _ instance: String, _ state: InstanceState, _ log: TransactionLog, _ facts: Facts
    ) -> Waiting? {
        // Its own changes are in its LMDB.
        for (source, position) in required.sorted(by: { $0.key < $1.key }) where source != instance {
            let has = state.merged(of: source, database: facts.database)
            var waiting = Waiting(instance: instance, has: has, time: state.time, reason: "")
            guard let has, has.timestamp >= position else {
                let whose = source == facts.own ? "ours" : "\(source)'s"
                waiting.reason =
                    has.map { "the newest of \(whose) that it has is \($0)" } ?? "it has none of \(whose)"
                if facts.silent.contains(instance) {
                    waiting.reason += "; it is silent"
                } else if state.health == InstanceState.stopped {
                    waiting.reason += "; it was stopped"
                }
                return waiting
            }
            // Anybody with write access to the bucket can write anything: implausible states are ignored.
            if source == facts.own, !log.mayHaveSent(has.timestamp) {
                waiting.reason = "there is no such snapshot as \(has), so its state is ignored"
                return waiting
            }
            let written = WallTime(rfc3339: state.time).map { UInt64($0) } ?? 0
            let (latest, overflows) = min(written, facts.stateTimes[instance] ?? .max)
                .addingReportingOverflow(tolerance)
            if !overflows, latest < position {
                waiting.reason = "its state is older than the change, so it is ignored"
                return waiting
            }
        }
        return nil
    }
}
