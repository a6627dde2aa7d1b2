import Bytes
import Monitoring
import Snapshots

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

    /// An instance that has not merged our newest snapshot.
    struct Missing: Equatable, Encodable, Sendable {
        var instance: String
        var has: String?
        /// When its state was written.
        var time: String
    }

    /// - Parameters:
    ///   - own: our name, as it stands in names of snapshots.
    ///   - newest: our newest snapshot, nil when there is none.
    ///   - hasNothing: whether there is nothing here that could be sent.
    ///   - instances: all others that have snapshots.
    ///   - states: the state objects of all others, by instance.
    init(
        database: String, own: String, newest: SnapshotName?, hasNothing: Bool = false, instances: Set<String>,
        states: [String: InstanceState]
    ) {
        self.database = database
        self.hasNothing = hasNothing
        self.newest = newest
        for instance in instances.union(states.keys).subtracting([own]).sorted() {
            guard let state = states[instance] else {
                unknown.append(instance)
                continue
            }
            let has = state.applied[own]
            let isThere =
                if let newest { has.flatMap { SnapshotName($0) }.map { $0 >= newest } ?? false } else { true }
            if isThere {
                merged.append(instance)
            } else {
                missing.append(Missing(instance: instance, has: has, time: state.time))
            }
        }
    }

    /// Whether everybody who tells has it, or there is nothing that anybody could have.
    var isComplete: Bool { missing.isEmpty && (newest != nil || hasNothing) }

    /// What `status --wait` prints.
    var lines: [String] {
        var lines = ["database \(database): " + (newest.map { "our newest snapshot is \($0)" } ?? "we have sent none")]
        if newest != nil, !merged.isEmpty { lines.append("  merged by  \(merged.joined(separator: ", "))") }
        for missing in missing {
            let what = missing.has.map { "the newest of ours that it has is \($0)" } ?? "it has none of ours"
            lines.append(PrintableText.line("  missing    \(missing.instance): \(what), as of \(missing.time)"))
        }
        if merged.isEmpty, missing.isEmpty, unknown.isEmpty { lines.append("  nobody else is there") }
        if !unknown.isEmpty {
            lines.append("  unknown    \(unknown.joined(separator: ", ")): no state is published")
        }
        return lines
    }
}

extension Spread: Encodable {
    private enum CodingKeys: CodingKey { case database, newest, merged, missing, unknown, complete }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(database, forKey: .database)
        try container.encodeIfPresent(newest?.description, forKey: .newest)
        try container.encode(merged, forKey: .merged)
        try container.encode(missing, forKey: .missing)
        try container.encode(unknown, forKey: .unknown)
        try container.encode(isComplete, forKey: .complete)
    }
}
