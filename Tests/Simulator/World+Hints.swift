import BlobStorage
import Replication
import Snapshots
import Support
import TestSupport

/// Hints: lost, late, repeated and wrong ones, and connections over which changes are announced.
extension World {
    /// An object was stored: some of the others get a hint.
    func hint(_ name: SnapshotName, version: String, by node: Node) {
        for other in nodes where other !== node {
            guard let process = other.process else { continue }
            let hints = scenario.hints
            if process.hasFeed {
                if isEnding || !other.random.chance(hints.lost) { send(name, version, .listen, to: other) }
            } else if other.random.chance(0.5) || isEnding {
                // In the end nobody waits for the next poll.
                send(name, version, scenario.hints.sources[other.index % scenario.hints.sources.count], to: other)
            }
            if other.random.chance(hints.wrong) { sendWrong(to: other) }
        }
    }

    private func send(_ name: SnapshotName, _ version: String, _ source: HintSource, to node: Node) {
        let hints = scenario.hints
        for _ in 0..<(node.random.chance(hints.repeated) ? 3 : 1) {
            let isLate = node.random.chance(hints.late)
            let seconds = Double.random(in: 0...(isLate ? 60 : 0.05), using: &node.random)
            // Peers state names only.
            let version = source == .peer || node.random.chance(0.3) ? nil : version
            hint(Hint(name.description, version: version, source: source), to: node, after: .seconds(seconds))
        }
    }

    private func hint(_ hint: Hint, to node: Node, after delay: Duration) {
        guard let process = node.process else { return }
        count("hints")
        deliver(to: process, of: node, after: delay) { .hint(hint) }
    }

    /// A hint of an object that does not exist, of an older one, of an instance that is gone, or of no object at all.
    private func sendWrong(to node: Node) {
        guard let process = node.process else { return }
        count("wrong hints")
        let instance = nodes[Int.random(in: nodes.indices, using: &node.random)].instance
        let positions = process.progress.read.values.sorted()
        let known = positions.isEmpty ? nil : positions[Int.random(in: positions.indices, using: &node.random)]
        let (time, name): (UInt64, String)
        switch Int.random(in: 0...5, using: &node.random) {
        // What would continue a position.
        case 0: (time, name) = (known?.timestamp ?? 0, known?.instance ?? instance)
        case 1: (time, name) = ((known?.timestamp ?? 1) - 1, known?.instance ?? instance)
        case 2: (time, name) = (self.time.wall, instance)
        case 3: (time, name) = (self.time.wall, "gone")
        case 4: (time, name) = (.max, instance)
        default:
            let junk = ["", "main__", "main__a.state", "other__a__x", "update-marker", "main__a__1__GX.delta"]
            let text = junk[Int.random(in: junk.indices, using: &node.random)]
            return hint(Hint(text, source: .webhook), to: node, after: .milliseconds(1))
        }
        let isDelta = node.random.chance(0.8)
        let wrong = SnapshotName(
            database: "main", instance: name, timestamp: time,
            fileExtension: isDelta ? SnapshotName.deltaExtension : SnapshotName.fullExtension)
        let version = node.random.chance(0.5) ? "wrong" : nil
        hint(Hint(wrong.description, version: version, source: .peer), to: node, after: .milliseconds(1))
    }

    /// Has the connection of a process come and go.
    func changeFeed(of process: Process, _ node: Node) {
        guard scenario.hints.feedSeconds > 0 else { return }
        let pause = Double.random(in: 0...scenario.hints.feedSeconds, using: &node.random)
        schedule(after: .seconds(pause)) { [self] in
            guard !process.isDead, !process.isFinished else { return }
            process.hasFeed = !node.isCutOff && !process.hasFeed
            count("changes of feeds")
            let isUp = process.hasFeed
            deliver(to: process, of: node, after: .zero) { .feed(isUp: isUp) }
            changeFeed(of: process, node)
        }
    }
}
