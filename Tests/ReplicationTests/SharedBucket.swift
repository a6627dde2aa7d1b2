import BlobStorage
import Snapshots
import TestSupport

@testable import Replication

/// A storage that many instances share, each with a cleaner, under simulated time; what they hold is a set of numbers.
///
/// Instances come, write, merge, send, restart, lose their LMDB and go. Uploads end damaged; cleaners work with old
/// listings, and remove some time after they have decided to. A number that was stored readably once must be readable
/// ever after by somebody who begins with nothing.
struct SharedBucket {
    private struct Node {
        var name: String
        var contents: Set<Int> = []
        var ledger = SyncProgress()
        var machine: CleanerMachine
        /// Whether the newest of the own snapshots of before is loaded, without which nothing may be sent.
        var isOwnLoaded = false
        /// A send that has read the LMDB and is storing.
        var sending: (name: SnapshotName, contents: Set<Int>, covering: [String: SnapshotName])?
        var newestOwn: UInt64 = 0
        var removals: [CleanerMachine.Removal] = []
    }

    private var random: SeededGenerator
    private var time: UInt64 = 1_800_000_000 * second
    private let start: UInt64 = 1_800_000_000 * second
    private var objects: [SnapshotName: Set<Int>] = [:]
    private var damaged: Set<SnapshotName> = []
    private var oldListing: [SnapshotName] = []
    private var nodes: [Node] = []
    private var count = 0
    private var number = 0
    /// What was ever stored readably.
    private var stored: Set<Int> = []
    /// How many snapshots were removed.
    private(set) var removals = 0

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        for _ in 0..<3 { join() }
    }

    /// What nobody can read any more.
    var lost: Set<Int> {
        var readable: Set<Int> = []
        for (_, names) in Dictionary(grouping: objects.keys, by: \.instance) {
            if let newest = names.filter({ !damaged.contains($0) }).max() { readable.formUnion(objects[newest] ?? []) }
        }
        return stored.subtracting(readable)
    }

    /// What should have been removed: all but the newest of the living, and what is damaged.
    var leftovers: Set<SnapshotName> {
        let living = Set(nodes.map(\.name))
        let newest = Dictionary(grouping: objects.keys, by: \.instance).compactMap { $0.value.max() }
        return Set(objects.keys.filter { !living.contains($0.instance) || !newest.contains($0) })
    }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func join() {
        count += 1
        nodes.append(Node(name: "n\(count)", machine: machine("n\(count)")))
    }

    private func machine(_ name: String) -> CleanerMachine {
        CleanerMachine(
            settings: .init(
                database: "main", interval: .seconds(300), mustKeepInterval: .seconds(600),
                rule: CleaningRule(instance: name, removeOldInstancesInterval: .seconds(20_000))))
    }

    mutating func step() {
        time += UInt64.random(in: 0...600, using: &random) * second
        if chance(2) { time += 30_000 * second }
        if chance(30) { oldListing = Array(objects.keys) }
        if nodes.isEmpty || (nodes.count < 6 && chance(3)) { join() }
        let index = Int.random(in: nodes.indices, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<20:
            number += 1
            nodes[index].contents.insert(number)
        case 20..<40: merge(index, all: false)
        case 40..<55: beginSend(index)
        case 55..<70: endSend(index)
        case 70..<85: clean(index)
        case 85..<94: removeSome(index)
        case 94..<96: restart(index)
        case 96..<98:
            restart(index)
            nodes[index].contents = []
        case 98:
            // It goes for ever.
            nodes.remove(at: index)
        default:
            // An upload that came through damaged, as far as others see, and failed as far as the sender knows.
            if nodes[index].isOwnLoaded {
                let name = newName(index)
                objects[name] = nodes[index].contents
                damaged.insert(name)
            }
        }
    }

    /// The living sync and clean, and nobody dies any more.
    mutating func settle() {
        for name in damaged { objects[name] = nil }
        damaged = []
        for index in nodes.indices { nodes[index].sending = nil }
        if nodes.isEmpty { join() }
        for round in 0..<8 {
            // In the last rounds nothing happens any more that cleaners would have to wait for.
            let isQuiet = round >= 5
            time += (isQuiet ? 700 : 10_000) * second
            for index in nodes.indices where !isQuiet {
                number += 1
                nodes[index].contents.insert(number)
                oldListing = Array(objects.keys)
                merge(index, all: true)
                beginSend(index)
                endSend(index)
            }
            for index in nodes.indices {
                oldListing = Array(objects.keys)
                clean(index)
                while !nodes[index].removals.isEmpty { removeSome(index) }
            }
        }
    }

    private mutating func newName(_ index: Int) -> SnapshotName {
        let timestamp = max(time, nodes[index].newestOwn + 1)
        nodes[index].newestOwn = timestamp
        return SnapshotName(database: "main", instance: nodes[index].name, timestamp: timestamp)
    }

    /// The instance lists, and merges the newest readable snapshot of each other one, or of some.
    private mutating func merge(_ index: Int, all: Bool) {
        let names = all || chance(70) ? Array(objects.keys) : oldListing
        merge(index, names, all: all)
    }

    private mutating func merge(_ index: Int, _ names: [SnapshotName], all: Bool) {
        nodes[index].ledger.listed(names)
        let own = nodes[index].name
        for (instance, group) in Dictionary(grouping: names, by: \.instance).sorted(by: { $0.key < $1.key }) {
            if instance == own && nodes[index].isOwnLoaded { continue }
            if instance != own && !all && chance(40) { continue }
            for name in group.sorted().reversed() {
                // One that has gone is not there to be merged: the next listing tells more.
                guard let contents = objects[name] else { break }
                if damaged.contains(name) {
                    nodes[index].ledger.refused(name)
                    continue
                }
                nodes[index].contents.formUnion(contents)
                nodes[index].ledger.merged(name, in: .init(instance: name.instance, isFarAhead: false))
                break
            }
        }
        // Only what is listed and there counts as loaded.
        let owns = objects.keys.filter { $0.instance == own }
        nodes[index].newestOwn = max(nodes[index].newestOwn, owns.map(\.timestamp).max() ?? 0)
        let readable = owns.filter { !damaged.contains($0) }.max()
        if readable == nil || nodes[index].ledger.merged[own] == readable { nodes[index].isOwnLoaded = true }
    }

    private mutating func beginSend(_ index: Int) {
        let node = nodes[index]
        guard node.isOwnLoaded, node.sending == nil, !node.contents.isEmpty else { return }
        nodes[index].sending = (newName(index), node.contents, node.ledger.merged)
    }

    private mutating func endSend(_ index: Int) {
        guard let (name, contents, covering) = nodes[index].sending else { return }
        nodes[index].sending = nil
        objects[name] = contents
        stored.formUnion(contents)
        nodes[index].ledger.stored(name, covering: covering)
    }

    private mutating func restart(_ index: Int) {
        nodes[index] = Node(
            name: nodes[index].name, contents: nodes[index].contents, machine: machine(nodes[index].name))
    }

    private mutating func clean(_ index: Int) {
        let names = chance(70) ? Array(objects.keys) : oldListing
        // Between two runs of a cleaner its instance has looked at everything.
        merge(index, names, all: true)
        nodes[index].removals = nodes[index].machine.listed(
            Catalog(names.map { Blob(name: $0.description, size: 1) }, database: "main", now: time),
            nodes[index].ledger,
            at: .nanoseconds(Int64(time - start)), time: time)
    }

    /// Some of what was decided to go does; what fails is decided again.
    private mutating func removeSome(_ index: Int) {
        for _ in 0..<Int.random(in: 1...6, using: &random) where !nodes[index].removals.isEmpty {
            let removal = nodes[index].removals.removeFirst()
            if chance(10) { continue }
            if objects.removeValue(forKey: removal.name) != nil { removals += 1 }
        }
    }
}
