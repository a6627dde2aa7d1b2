import Observability
import Replication
import Snapshots
import Support

extension StatusReport.Database {
    /// The part of the report derived from a database's record.
    ///
    /// - Parameters:
    ///   - states: the states of other instances, by name.
    ///   - lastTransaction: the LMDB's last transaction, if known.
    init(
        _ record: inout DatabaseRecord, path: String, lmdb: StatusReport.LMDBFacts?, lastTransaction: UInt64?,
        states: [String: InstanceState], at now: Moment
    ) {
        self.init()
        name = record.name
        self.path = path
        self.lmdb = lmdb
        startupComplete = record.isStarted
        fence = record.fence
        blocked = record.blocked
        notInSync = record.notInSync
        if !record.receiveOnly {
            unsent = record.settled.map { settled in lastTransaction.map { $0 > settled } ?? false } ?? true
        }
        listening = record.hearing.feedIsUp
        if unsent == true { unsentReason = record.sendProblem }
        if let listing = record.listing {
            var facts = StatusReport.StorageFacts()
            facts.snapshots = listing.snapshots
            facts.deltas = listing.deltas
            facts.bytes = listing.bytes
            facts.listed = listing.time.rfc3339(digits: 3)
            storage = facts
        }
        sent = record.sent.map { StatusReport.Snapshot($0.name, size: $0.size) }
        instances = Set(record.instances.keys).union(states.keys).sorted().map { name in
            StatusReport.Instance(name, record.instances[name], states[name], in: record, at: now)
        }
        history = record.history.minutes(at: now.wall).map { start, minute in
            var entry = StatusReport.Minute()
            entry.time = start.rfc3339(digits: 0)
            entry.merges = minute.merges
            entry.sends = minute.sends
            entry.entries = minute.entries
            entry.latency = minute.latency
            return entry
        }
        activities = record.activities
    }
}

extension StatusReport.Snapshot {
    /// A snapshot of this name.
    ///
    /// - Parameter size: in bytes, if known.
    package init(_ name: SnapshotName, size: Int? = nil) {
        self.init()
        self.name = name.description
        time = WallTime(nanosecondsSinceEpoch: name.timestamp).rfc3339(digits: 3)
        self.size = size
    }
}

extension StatusReport.Instance {
    init(
        _ name: String, _ instance: DatabaseRecord.Instance?, _ state: InstanceState?, in record: DatabaseRecord,
        at now: Moment
    ) {
        self.init()
        self.name = name
        isOwn = name == record.own
        if let instance {
            newest = instance.newest.map { StatusReport.Snapshot($0.name, size: $0.size) }
            merged = instance.merged.map { StatusReport.Snapshot($0.name, size: $0.size) }
            mergedAt = instance.mergedAt?.rfc3339(digits: 3)
            if newest != nil { lag = instance.behindSince.map { max(0, (now.uptime - $0) / .seconds(1)) } ?? 0 }
            if !isOwn || record.receiveOnly {
                heardBy = record.hearing.sources[name]?.rawValue ?? StatusReport.Instance.listing
            }
            latency = instance.latency.map { $0 / .seconds(1) }
            clockSkew = instance.clockSkew.map { $0 / .seconds(1) }
        }
        if isOwn { clockSkew = record.ownClock.map { $0.ahead / .seconds(1) } }
        lastHeard = record.stateTimes[name].map { WallTime(nanosecondsSinceEpoch: $0).rfc3339(digits: 3) }
        if isOwn { sealedWith = record.sealedWith }
        // States of others are only shown if valid.
        guard let state else { return }
        sealedWith = state.knownKeyID
        health = record.silent[name] != nil ? InstanceState.silent : state.knownHealth
        mergedOfOurs = state.merged(of: record.own, database: record.name)?.description
    }
}

extension StatusReport.Instance {
    /// ``heardBy`` of what a listing has shown first.
    package static let listing = "listing"

    /// An instance's position relative to the snapshots of this one.
    package enum Standing: Sendable {
        /// It publishes no state.
        case unpublished
        /// It has merged none.
        case none
        /// It has merged the newest.
        case newest
        /// It has merged an older one.
        case older
        /// It names an implausible one, or there is none.
        case unknown
    }

    /// Its position relative to the snapshots of this instance.
    ///
    /// - Parameter sent: the newest snapshot of this instance.
    package func standing(_ sent: StatusReport.Snapshot?) -> Standing {
        guard let merged = mergedOfOurs.flatMap({ SnapshotName($0) }) else {
            return health == nil ? .unpublished : .none
        }
        guard let sent = sent.flatMap({ SnapshotName($0.name) }) else { return .unknown }
        return merged == sent ? .newest : merged < sent ? .older : .unknown
    }
}
