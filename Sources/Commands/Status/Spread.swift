import Monitoring
import Snapshots
import Support

/// How far the newest snapshot of this instance has come: who has merged it, by their state objects.
struct Spread: Equatable, Sendable {
    var database: String
    /// Our newest snapshot.
    var newest: SnapshotName?
    /// Whether there is nothing here that could be sent, as far as is known.
    var hasNothing: Bool
    /// Who has it.
    var merged: [String] = []
    /// Who has not, with the newest of ours that they have merged.
    var missing: [Missing] = []
    /// Who publishes no state.
    var unknown: [String] = []
    /// Who is not asked for.
    var leftOut: [String] = []

    /// A state object that was written longer than that before our newest snapshot can't know of it.
    private static let tolerance: UInt64 = 900 * 1_000_000_000

    /// An instance that has not merged our newest snapshot.
    struct Missing: Equatable, Encodable, Sendable {
        var instance: String
        var has: String?
        /// When its state was written.
        var time: String
        /// Why what it says does not count, or why more is not to be expected.
        var doubt: String?
    }

    /// - Parameters:
    ///   - own: our name, as it stands in names of snapshots.
    ///   - newest: our newest snapshot, nil when there is none.
    ///   - hasNothing: whether there is nothing here that could be sent.
    ///   - instances: all others that have snapshots.
    ///   - states: the state objects of all others, by instance.
    ///   - listed: our own snapshots in the storage.
    ///   - heard: when the state objects were written, by the storage's clock, as far as it tells.
    ///   - now: the time by the same clock.
    ///   - except: who is left out.
    init(
        database: String, own: String, newest: SnapshotName?, hasNothing: Bool = false, instances: Set<String>,
        states: [String: InstanceState], listed: Set<SnapshotName> = [], heard: [String: UInt64] = [:], now: UInt64 = 0,
        except: Set<String> = []
    ) {
        self.database = database
        self.hasNothing = hasNothing
        self.newest = newest
        for instance in instances.union(states.keys).subtracting([own]).sorted() {
            if except.contains(instance) {
                leftOut.append(instance)
                continue
            }
            guard let state = states[instance] else {
                unknown.append(instance)
                continue
            }
            let has = state.merged(of: own, database: database)
            guard let newest else {
                merged.append(instance)
                continue
            }
            var missing = Missing(instance: instance, has: has?.description, time: state.time)
            if let has, has >= newest {
                // Who writes to the bucket can write anything: what can't be true is not believed.
                missing.doubt = Self.doubt(has, state, heard[instance], newest, listed)
                if missing.doubt == nil {
                    merged.append(instance)
                    continue
                }
            } else if let time = heard[instance], state.isSilent(heard: time, at: now) {
                missing.doubt = "it has been silent since \(WallTime(nanosecondsSinceEpoch: time).rfc3339(digits: 0))"
            } else if state.health == InstanceState.stopped {
                missing.doubt = "it was stopped"
            }
            self.missing.append(missing)
        }
    }

    private static func doubt(
        _ has: SnapshotName, _ state: InstanceState, _ heard: UInt64?, _ newest: SnapshotName,
        _ listed: Set<SnapshotName>
    ) -> String? {
        guard listed.contains(has) else { return "there is no such snapshot, so that is not believed" }
        let told = WallTime(rfc3339: state.time).map { UInt64($0) } ?? 0
        let (latest, overflows) = min(told, heard ?? .max).addingReportingOverflow(tolerance)
        return overflows || latest >= newest.timestamp ? nil : "that is older than the snapshot, so it is not believed"
    }

    /// Whether everybody who tells has it, or there is nothing that anybody could have.
    var isComplete: Bool { missing.isEmpty && (newest != nil || hasNothing) }

    /// What `status --wait` prints.
    var lines: [String] {
        var lines = ["database \(database): " + (newest.map { "our newest snapshot is \($0)" } ?? "we have sent none")]
        if newest != nil, !merged.isEmpty { lines.append("  merged by  \(merged.joined(separator: ", "))") }
        for missing in missing {
            let what = missing.has.map { "the newest of ours that it has is \($0)" } ?? "it has none of ours"
            let doubt = missing.doubt.map { "; \($0)" } ?? ""
            lines.append(
                PrintableText.line("  missing    \(missing.instance): \(what), as of \(missing.time)\(doubt)"))
        }
        if !leftOut.isEmpty { lines.append("  left out   \(leftOut.joined(separator: ", "))") }
        if merged.isEmpty, missing.isEmpty, unknown.isEmpty, leftOut.isEmpty { lines.append("  nobody else is there") }
        if !unknown.isEmpty {
            lines.append("  unknown    \(unknown.joined(separator: ", ")): no state is published")
        }
        return lines
    }
}

extension Spread: Encodable {
    private enum CodingKeys: CodingKey { case database, newest, merged, missing, unknown, leftOut, complete }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(database, forKey: .database)
        try container.encodeIfPresent(newest?.description, forKey: .newest)
        try container.encode(merged, forKey: .merged)
        try container.encode(missing, forKey: .missing)
        try container.encode(unknown, forKey: .unknown)
        try container.encode(leftOut, forKey: .leftOut)
        try container.encode(isComplete, forKey: .complete)
    }
}
