import Monitoring
import Replication
import Snapshots
import Support
import TestSupport

/// State objects, and operators that wait with `status --wait` until a change is everywhere.
extension World {
    /// Publishes what a process has merged and sent, soon.
    func publish(_ node: Node, _ process: Process) {
        guard !process.isPublishing, !node.member.isReceiver else { return }
        process.isPublishing = true
        let generation = node.generation
        schedule(after: .milliseconds(Int64.random(in: 100...2000, using: &node.random))) { [self] in
            process.isPublishing = false
            guard !process.isDead, !node.isCutOff else { return }
            node.publishedGeneration = generation
            bucket.states[node.name] = (process.progress, time.wall)
        }
    }

    /// The published state of an instance.
    private func state(_ name: String, _ progress: SyncProgress, _ time: UInt64) -> InstanceState {
        InstanceState(
            instance: name, hostname: name, software: "simulation",
            time: WallTime(nanosecondsSinceEpoch: time).rfc3339(digits: 3), sent: progress.position?.description,
            applied: progress.merged.mapValues(\.description),
            covered: progress.covered?.mapValues(\.description), health: "OK")
    }

    /// Waits until a write is everywhere, by what `status --wait` goes by, and checks that it is.
    func wait(for key: TestKey, _ version: TestVersion, from node: Node, tries: Int = 20) {
        // Those with one name have one state object.
        if scenario.hasNamesakes { return }
        let generation = node.generation
        schedule(after: .seconds(1)) { [self] in
            guard tries > 0, let process = node.process, node.generation == generation else { return }
            let isSent = process.settled.map { $0 >= node.environment.info.lastTransactionID } ?? false
            guard isSent, let spread = spread(of: node), spread.isComplete else {
                return wait(for: key, version, from: node, tries: tries - 1)
            }
            count("waits that ended")
            for name in spread.merged { try checkThatItHas(name, key, version, of: node) }
        }
    }

    private func spread(of node: Node) -> Spread? {
        let names = bucket.objects.keys
        let own = names.filter { $0.instance == node.name && !$0.isDelta }
        let others = bucket.states.filter { $0.key != node.name }.map { ($0, state($0, $1.progress, $1.time)) }
        return Spread(
            database: "main", own: node.name, newest: node.process?.progress.position,
            instances: Set(names.map(\.instance)),
            states: Dictionary(uniqueKeysWithValues: others), listed: Set(own),
            stateTimes: bucket.states.mapValues(\.time), now: time.wall)
    }

    private func checkThatItHas(_ name: String, _ key: TestKey, _ version: TestVersion, of node: Node) throws {
        guard let other = nodes.first(where: { $0.name == name }), !model.isExempt(key),
            // One whose LMDB was replaced publishes that soon.
            other.publishedGeneration == other.generation
        else { return }
        try refresh(other, .application)
        let has = other.contents[key]
        if let has, has == version || has.replaces(version) { return }
        // What was deleted may be swept by now, and an old deletion need not have been added.
        if has == nil, scenario.retention != nil, version.isDeleted || model.deletions[key] ?? 0 > version.timestamp {
            return
        }
        throw Violation(
            rule: "status --wait never says yes too early",
            text: "\(name) has \(has.map { "\($0)" } ?? "no version") of \(key), not \(version) of \(node.name)")
    }
}
