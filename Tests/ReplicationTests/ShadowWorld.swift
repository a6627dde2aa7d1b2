import LMDB
import Simulator
import Snapshots
import Support
import TestSupport
import Testing

@testable import Replication

/// Several instances with applications that know nothing of versions, and a model of what their shadows have to hold.
///
/// Applications write at any moment: between captures and merges, and within them.
final class ShadowWorld {
    final class Node {
        let directory: ScratchDirectory
        let environment: LMDB.Environment
        var capture: Capture
        private let comparesPages: Bool
        /// What the shadows have to hold.
        var expected: TestContents = [:]
        /// The shadows with their headers after the last step.
        var raw: [TestKey: [UInt8]] = [:]
        /// How wrong the clock is.
        let clockError: UInt64

        init(clockError: UInt64, comparesPages: Bool) throws {
            directory = try ScratchDirectory()
            environment = try .scratch(directory)
            capture = Capture(schema: LMDB.Environment.shadows)
            self.clockError = clockError
            self.comparesPages = comparesPages
            restart()
        }

        func restart() {
            capture = Capture(
                schema: LMDB.Environment.shadows, tracker: comparesPages ? CaptureTracker(environment) : nil)
        }
    }

    static let kinds: [(name: String, flags: DatabaseFlags)] = [
        ("plain", []), ("int4", .integerKey), ("int8", .integerKey), ("reverse", .reverseKey),
        ("reverse-int", [.reverseKey, .integerKey]), ("dup", .duplicateSort),
        ("dup-fixed", [.duplicateSort, .duplicateFixed]), ("dup-int", [.duplicateSort, .integerKey]),
        ("int-dup", [.duplicateSort, .duplicateFixed, .integerDuplicates]), (many, []),
    ]
    /// A DBI with enough entries for a tree.
    private static let many = "many"

    let seed: UInt64
    var random: SeededGenerator
    var nodes: [Node] = []
    private var time: UInt64 = 1_000_000
    private var snapshots: [(contents: TestContents, body: Spool)] = []
    /// What has happened, to be seen in a failure.
    private(set) var counts: [String: Int] = [:]

    /// - Parameter comparesPages: whether captures compare pages.
    init(seed: UInt64, instances: Int, comparesPages: Bool) throws {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        for index in 0..<instances {
            nodes.append(try Node(clockError: index == 1 ? 900_000 : 0, comparesPages: comparesPages))
        }
    }

    private func now(_ node: Node) -> UInt64 { time - node.clockError }
    private func pick<T>(_ items: [T]) -> T { items[Int.random(in: items.indices, using: &random)] }
    private func count(_ what: String) { counts[what, default: 0] += 1 }

    // MARK: The application

    private func key(_ kind: String) -> [UInt8] {
        switch kind {
        // More than one byte, so that the bytewise order is another one; and 0.
        case "int4", "reverse-int": bytes(of: UInt32.random(in: 0..<6, using: &random) * 100)
        case "int8": bytes(of: UInt64.random(in: 0..<6, using: &random) * 100_000_000_000)
        // Bytewise they sort as they do natively, which is what the transform asks for.
        case "dup-int": bytes(of: UInt32.random(in: 0..<3, using: &random))
        case Self.many: Array("key\(Int.random(in: 0..<400, using: &random))".utf8)
        default: Array(pick(["a", "ab", "abc", "b", "ba", "cab"]).utf8)
        }
    }

    private func value(_ kind: String) -> [UInt8] {
        switch kind {
        case "dup-fixed": return Array(pick(["aaaa", "abcd", "bbbb", "zzzz"]).utf8)
        case "int-dup": return bytes(of: UInt32.random(in: 0..<4, using: &random))
        case "dup", "dup-int":
            let first = pick(["p", "q", "r"])
            // Some are cut: two that differ behind the cut are two versions of one entry.
            if random.chance(0.5) { return Array(first.utf8) }
            return Array((first + String(repeating: "x", count: 507) + pick(["1", "2"])).utf8)
        case Self.many where random.chance(0.1):
            // On pages of its own.
            return [UInt8](repeating: UInt8.random(in: 0...2, using: &random), count: 9000)
        default: return random.chance(0.3) ? [] : Array(pick(["x", "y", "value"]).utf8)
        }
    }

    func applicationWrites(_ node: Node) throws {
        let (kind, flags) = pick(Self.kinds)
        let (key, value, environment) = (key(kind), value(kind), node.environment)
        switch Int.random(in: 0..<20, using: &random) {
        case 0:
            try environment.appEmpty(kind)
            count("emptied")
        case 1 where try environment.databaseFlags()[kind] != nil:
            OtherOpening(node.directory.path).dropDatabase(kind)
            count("dropped")
        case 2..<7: try environment.appDelete(key, in: kind)
        default:
            if flags.contains(.duplicateSort) {
                let new = TestKey(database: kind, key: transformed(key, value))
                if let old = try environment.main()[new] { try environment.appDelete(key, value: old, in: kind) }
                if random.chance(0.2) { return }
            }
            try environment.appPut(key, value, in: kind, flags: flags)
        }
    }

    /// Writes a part of the keys at once.
    func fill(_ node: Node) throws {
        let entries = (0..<400).filter { _ in random.chance(0.7) }.map { (Array("key\($0)".utf8), value("plain")) }
        try node.environment.write { transaction in
            let database = try transaction.database(Self.many, creating: [])
            for (key, value) in entries {
                try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(database, key, $0) } }
            }
            return .commit(())
        }
    }

    private func writeSome(_ node: Node, _ chance: Double) throws -> Bool {
        guard random.chance(chance) else { return false }
        for _ in 0..<Int.random(in: 1...3, using: &random) { try applicationWrites(node) }
        return true
    }

    // MARK: The model

    /// Last writer wins, for what an application has changed: later than what was there.
    private func change(_ node: Node, _ key: TestKey, _ value: [UInt8]?, default timestamp: UInt64) {
        let known = node.expected[key]
        if let known {
            guard known.isDeleted != (value == nil) || !known.isDeleted && known.value != value else { return }
        } else if value == nil {
            return
        }
        node.expected[key] = TestVersion(
            timestamp: max(timestamp, known.map { $0.timestamp + 1 } ?? 0), isDeleted: value == nil, value: value ?? [])
    }

    private func check(_ node: Node, _ what: String) throws {
        let versions = try node.environment.versions()
        #expect(versions == node.expected, "seed \(seed): \(what), the shadows")
        // What did not change was not written anew, so its header is the old one.
        let raw = try node.environment.rawShadows()
        for (key, old) in node.raw {
            guard let new = raw[key], old != new else { continue }
            let (a, b) = (Array(old[0..<8] + old[16...]), Array(new[0..<8] + new[16...]))
            #expect(a != b, "seed \(seed): \(what), \(key) was written anew")
        }
        node.raw = raw
    }

    private func checkMain(_ node: Node, _ what: String) throws {
        #expect(try node.environment.main() == node.expected.live, "seed \(seed): \(what), the application's entries")
    }

    // MARK: Steps

    func capture(_ node: Node, writerChance: Double = 0.3) throws {
        time += 1
        let isStart = node.capture.through == nil
        let now = now(node)
        let before = node.environment.lastTransaction
        var isDisturbed = false
        let outcome = try node.capture.run(node.environment, at: now) {
            if try writeSome(node, writerChance) { isDisturbed = true }
        }
        if isDisturbed { count("disturbed captures") }
        if outcome.comparison?.pages != nil { count("captures by pages") }
        #expect(outcome.comparison?.proof?.isSound != false, "seed \(seed)")
        let main = try node.environment.main()
        for key in Set(node.expected.keys).union(main.keys) {
            change(node, key, main[key], default: isStart ? Capture.startTimestamp : now)
        }
        try check(node, "capture")
        try checkMain(node, "capture")
        #expect(outcome.transaction == nil || outcome.transaction == outcome.through)
        #expect(outcome.through == node.environment.lastTransaction, "seed \(seed)")
        if outcome.transaction == nil && !isDisturbed { #expect(node.environment.lastTransaction == before) }
        // Once more there is nothing to do.
        let last = node.environment.lastTransaction
        var other = Capture(schema: LMDB.Environment.shadows)
        #expect(try other.run(node.environment, at: now + 1).transaction == nil, "seed \(seed)")
        #expect(node.environment.lastTransaction == last)
    }

    func send(_ node: Node) throws {
        try capture(node)
        let identity = SenderIdentity(database: "main", instance: "node", hostname: "node")
        let scan = try FullScan.run(node.environment, identity: identity, schema: LMDB.Environment.shadows) { time }
        guard let body = scan.snapshot?.body else { return }
        let databases = Set(try node.environment.databaseFlags().keys)
        let contents = try contents(of: body)
        #expect(contents == node.expected.filter { databases.contains($0.key.database) }, "seed \(seed): sent")
        snapshots.append((contents, body))
    }

    func mergeAny(_ node: Node) throws {
        guard !snapshots.isEmpty else { return }
        let chosen = random.chance(0.5) ? snapshots.suffix(nodes.count) : snapshots[...]
        try merge(pick(Array(chosen)), node)
    }

    private func merge(_ snapshot: (contents: TestContents, body: Spool), _ node: Node) throws {
        if node.capture.through == nil { try capture(node) }
        time += 1
        let rules = MergePlanner.Rules(schema: LMDB.Environment.shadows)
        let plan: MergePlan
        do {
            plan = try MergePlanner.plan(snapshot.body, for: node.environment, rules: rules).plan
        } catch is ShadowIsMissing {
            try capture(node, writerChance: 0)
            plan = try MergePlanner.plan(snapshot.body, for: node.environment, rules: rules).plan
            count("made just now")
        }
        let winners = snapshot.contents.filter { key, version in node.expected[key].map { version.replaces($0) } ?? true
        }
        #expect(plan.count == winners.count, "seed \(seed)")
        let isDisturbed = try writeSome(node, 0.3)
        if isDisturbed { count("disturbed merges") }
        let (now, before) = (now(node), node.environment.lastTransaction)
        let main = try node.environment.main()
        let outcome: Merge.Outcome
        do {
            outcome = try Merge.apply(
                plan, to: node.environment, paddingBlock: false, capturedThrough: node.capture.through, clock: { now })
        } catch is MergeObstacle {
            #expect(isDisturbed, "seed \(seed)")
            #expect(node.environment.lastTransaction == before)
            return count("merges of DBIs dropped meanwhile")
        }
        for (key, version) in winners {
            change(node, key, main[key], default: now)
            if let known = node.expected[key], !version.replaces(known) { continue }
            node.expected[key] = version
        }
        if let transaction = outcome.transaction {
            #expect(transaction == before + 1)
            node.capture.ownCommitted(transaction)
        } else {
            #expect(node.environment.lastTransaction == before)
        }
        try check(node, "merge")
        let (after, live) = (try node.environment.main(), node.expected.live)
        for key in winners.keys { #expect(after[key] == live[key], "seed \(seed): merge, \(key)") }
        // What was not merged is as the application left it.
        for key in Set(main.keys).union(after.keys) where winners[key] == nil {
            #expect(after[key] == main[key], "seed \(seed): merge, \(key)")
        }
        if node.capture.through == node.environment.lastTransaction {
            count("fast merges")
            try checkMain(node, "merge")
        }
    }

    /// Ends the syncer of an instance, whose application goes on, and starts it again.
    func restart(_ node: Node) throws {
        count("restarts")
        node.restart()
        _ = try writeSome(node, 0.7)
    }

    func step() throws {
        let node = pick(nodes)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<6: _ = try writeSome(node, 1)
        case 6..<9: try capture(node)
        case 9..<12: try send(node)
        case 12..<19: try mergeAny(node)
        default: try restart(node)
        }
    }

    /// Everybody gets everything, and nobody writes any more.
    func settle() throws {
        // What nobody has any more is not in anybody's snapshot.
        for (kind, flags) in Self.kinds {
            let isFixed = flags.contains(.integerDuplicates)
            try nodes[0].environment.appPut(
                key(kind), isFixed ? bytes(of: UInt32(7)) : Array("last".utf8), in: kind, flags: flags)
        }
        for node in nodes { try capture(node, writerChance: 0) }
        var winners: TestContents = [:]
        for node in nodes { join(&winners, with: node.expected) }
        for _ in 0..<2 {
            for node in nodes { try sendQuietly(node) }
            for node in nodes {
                for snapshot in snapshots.suffix(nodes.count).shuffled(using: &random) {
                    try mergeQuietly(snapshot, node)
                }
            }
        }
        for node in nodes {
            #expect(try node.environment.versions() == winners, "seed \(seed)")
            #expect(try node.environment.main() == winners.live, "seed \(seed)")
            let last = node.environment.lastTransaction
            try capture(node, writerChance: 0)
            for snapshot in snapshots { try mergeQuietly(snapshot, node) }
            #expect(node.environment.lastTransaction == last, "seed \(seed)")
        }
    }

    private func sendQuietly(_ node: Node) throws {
        let identity = SenderIdentity(database: "main", instance: "node", hostname: "node")
        try capture(node, writerChance: 0)
        let scan = try FullScan.run(node.environment, identity: identity, schema: LMDB.Environment.shadows) { time }
        guard let body = scan.snapshot?.body else { return }
        snapshots.append((try contents(of: body), body))
    }

    private func mergeQuietly(_ snapshot: (contents: TestContents, body: Spool), _ node: Node) throws {
        let plan = try MergePlanner.plan(
            snapshot.body, for: node.environment, rules: .init(schema: LMDB.Environment.shadows)
        ).plan
        let outcome = try Merge.apply(
            plan, to: node.environment, paddingBlock: false, capturedThrough: node.capture.through)
        if let transaction = outcome.transaction { node.capture.ownCommitted(transaction) }
        join(&node.expected, with: snapshot.contents)
        try check(node, "the last merges")
        try checkMain(node, "the last merges")
    }
}
