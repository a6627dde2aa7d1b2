import Snapshots
import Support

/// The progress of this instance's newest snapshot: the instances that have merged it, by their state objects.
package struct Spread: Equatable, Sendable {
    package var database: String
    /// The newest snapshot of this instance.
    package var newest: SnapshotName?
    /// Whether there is nothing to send, as far as known.
    package var hasNothing: Bool
    /// Instances that have merged it.
    package var merged: [String] = []
    /// Instances that have not, with the newest snapshot of this instance that they have merged.
    package var missing: [Missing] = []
    /// Instances that publish no state.
    package var unknown: [String] = []
    /// Excluded instances.
    package var leftOut: [String] = []

    /// A state object written this much earlier than the newest snapshot cannot contain it.
    private static let tolerance: UInt64 = 900 * 1_000_000_000

    /// An instance that has not merged the newest snapshot.
    package struct Missing: Equatable, Encodable, Sendable {
        package var instance: String
        package var has: String?
        /// The time of its state; nil if that cannot be read.
        package var time: String?
        /// Why its state is ignored, or no progress is expected.
        package var doubt: String?

        fileprivate var text: String {
            guard let time else { return doubt ?? "its progress is not known" }
            let what = has.map { "the newest of ours that it has is \($0)" } ?? "it has none of ours"
            return "\(what), as of \(time)" + (doubt.map { "; \($0)" } ?? "")
        }
    }

    /// - Parameters:
    ///   - own: this instance's name in snapshot names.
    ///   - newest: the newest snapshot of this instance, nil if there is none.
    ///   - hasNothing: whether there is nothing to send.
    ///   - instances: all other instances with snapshots.
    ///   - states: the state objects of all others, by instance.
    ///   - senseless: why the state objects of some say nothing. Such an instance is waited for, as it usually tells its progress.
    ///   - listed: the snapshots of this instance in the storage.
    ///   - stateTimes: times of the state objects, by the storage's clock, if available.
    ///   - now: the time by the same clock.
    ///   - except: excluded instances.
    package init(
        database: String, own: String, newest: SnapshotName?, hasNothing: Bool = false, instances: Set<String>,
        states: [String: InstanceState], senseless: [String: String] = [:], listed: Set<SnapshotName> = [],
        stateTimes: [String: UInt64] = [:],
        now: UInt64 = 0,
        except: Set<String> = []
    ) {
        self.database = database
        self.hasNothing = hasNothing
        self.newest = newest
        for instance in instances.union(states.keys).union(senseless.keys).subtracting([own]).sorted() {
            if except.contains(instance) {
                leftOut.append(instance)
                continue
            }
            if newest != nil, let reason = senseless[instance] {
                missing.append(Missing(instance: instance, doubt: reason))
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
                // Anybody with write access to the bucket can write anything: implausible states are ignored.
                missing.doubt = Self.doubt(has, state, stateTimes[instance], newest, listed)
                if missing.doubt == nil {
                    merged.append(instance)
                    continue
                }
            } else if let time = stateTimes[instance], state.isSilent(stateTime: time, at: now) {
                missing.doubt = "it has been silent since \(WallTime(nanosecondsSinceEpoch: time).rfc3339(digits: 0))"
            } else if state.health == InstanceState.stopped {
                missing.doubt = "it was stopped"
            }
            self.missing.append(missing)
        }
    }

    private static func doubt(
        _ has: SnapshotName, _ state: InstanceState, _ stateTime: UInt64?, _ newest: SnapshotName,
        _ listed: Set<SnapshotName>
    ) -> String? {
        guard has.timestamp == newest.timestamp || listed.contains(has) else {
            return "there is no such snapshot, so this is ignored"
        }
        let written = WallTime(rfc3339: state.time).map { UInt64($0) } ?? 0
        let (latest, overflows) = min(written, stateTime ?? .max).addingReportingOverflow(tolerance)
        return overflows || latest >= newest.timestamp ? nil : "the state is older than the snapshot, so it is ignored"
    }

    /// Whether all publishing instances have it, or there is nothing to send.
    package var isComplete: Bool { missing.isEmpty && (newest != nil || hasNothing) }

    /// The output of `status --wait`.
    package var lines: [String] {
        var lines = ["database \(database): " + (newest.map { "our newest snapshot is \($0)" } ?? "we have sent none")]
        if newest != nil, !merged.isEmpty { lines.append("  merged by  \(merged.joined(separator: ", "))") }
        for missing in missing {
            lines.append(PrintableText.line("  missing    \(missing.instance): \(missing.text)"))
        }
        if !leftOut.isEmpty { lines.append("  left out   \(leftOut.joined(separator: ", "))") }
        if merged.isEmpty, missing.isEmpty, unknown.isEmpty, leftOut.isEmpty {
            lines.append("  there are no other instances")
        }
        if !unknown.isEmpty {
            lines.append("  unknown    \(unknown.joined(separator: ", ")): no state is published")
        }
        return lines
    }
}

extension Spread: Encodable {
    private enum CodingKeys: CodingKey { case database, newest, merged, missing, unknown, leftOut, complete }

    package func encode(to encoder: any Encoder) throws {
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
