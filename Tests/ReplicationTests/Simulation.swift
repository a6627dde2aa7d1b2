import LMDB
import Snapshots
import Support
import TestSupport

@testable import Replication

/// Several instances with real LMDBs and one storage in memory, under simulated time.
///
/// Each instance runs the real state machines and the real merge; only waiting is simulated. Every operation takes
/// a random time and may fail; the application writes in between, also between the two halves of a merge.
final class Simulation {
    struct Faults {
        var listing = 0.1
        var download = 0.1
        var store = 0.1
        var capture = 0.1
        var lock = 0.1
    }

    private struct Pending {
        var time: Duration
        /// Earlier ones first among those of one time.
        var number: Int
        var node: Int
        /// The life of the node that it belongs to: nothing of before a restart arrives after it.
        var life: Int
        var run: (Node) throws -> Void
    }

    final class Node {
        let name: String
        var directory: ScratchDirectory
        var environment: LMDB.Environment
        var machine: SyncMachine
        var downloaded: [SnapshotName: Spool] = [:]
        /// What has been compared and is not applied.
        var planned: [SnapshotName: MergePlan] = [:]
        /// Transactions that nobody else need hear of.
        var own: Set<UInt64> = []
        var newestOwnTimestamp: UInt64 = 0
        var life = 0
        var scheduledTick: Duration?
        var isStarted = false
        var isFinished = false
        var isRunning = false
        let receiveOnly: Bool
        /// How wrong its clock is.
        var clockError: Int64 = 0
        /// The data file as it was some time ago.
        var backup: [UInt8]?
        /// What is known of the shadows, where there are any.
        var capture: Capture?
        /// What the sweeper is doing.
        var sweep: Sweep?
        /// Whether the storage can't be reached.
        var isCutOff = false
        /// How many sends have begun, and how many reasons there were for one at most.
        var sends = 0
        var reasonsToSend = 0

        init(
            _ name: String, _ directory: ScratchDirectory, _ environment: LMDB.Environment, _ machine: SyncMachine,
            receiveOnly: Bool
        ) {
            self.name = name
            self.directory = directory
            self.environment = environment
            self.machine = machine
            self.receiveOnly = receiveOnly
        }

        /// What is seen by who looks for the newest transaction.
        var observation: SyncMachine.Event {
            let transaction = environment.info.lastTransactionID
            return .observed(transaction: transaction, isOurs: own.contains(transaction))
        }

        func clock(at now: Duration) -> UInt64 { UInt64(Int64(Simulation.time(at: now)) + clockError) }
    }

    enum Restart { case keeping, wiping, restoring }

    /// How long Deleted entries are kept, nil when they are for ever.
    let retention: Duration?
    /// Where the versions are.
    let schema: Schema
    private let pollInterval: Duration
    private(set) var now = Duration.zero
    private(set) var nodes: [Node] = []
    /// The storage, sorted by name.
    var storage: [SnapshotName: Spool] = [:]
    /// The winner among all versions that were ever stored, undamaged.
    var stored: TestContents = [:]
    /// When each entry was deleted last, stored or not.
    var deletions: [TestKey: UInt64] = [:]
    /// Names in the storage that can't be merged.
    private var damaged: Set<SnapshotName> = []
    private(set) var refusals = 0
    /// How often a machine asked for a tick at a time that had come already.
    private(set) var busyLoops = 0
    /// How many merges have waited for the write lock, and how many sends and comparisons have begun beside one.
    private(set) var waits = 0
    private(set) var besides = 0
    var faults = Faults()
    var random: SeededGenerator
    private var pending: [Pending] = []
    private var counter = 0

    init(
        seed: UInt64, instances: Int, receivers: Int = 0, retention: Duration? = nil,
        pollInterval: Duration = .seconds(1), schema: Schema = .native
    ) throws {
        self.schema = schema
        self.retention = retention
        self.pollInterval = pollInterval
        random = SeededGenerator(seed: seed)
        for _ in 0..<instances { _ = try add() }
        for _ in 0..<receivers { _ = try add(receiveOnly: true) }
    }

    /// Adds an instance, which does not run yet.
    func add(receiveOnly: Bool = false, once: Bool = false) throws -> Int {
        let directory = try ScratchDirectory()
        let name = "node\(nodes.count)"
        let environment = try LMDB.Environment.scratch(directory)
        let machine = try machine(name, environment, receiveOnly: receiveOnly, once: once)
        nodes.append(Node(name, directory, environment, machine, receiveOnly: receiveOnly))
        return nodes.count - 1
    }

    private func machine(
        _ name: String, _ environment: LMDB.Environment, receiveOnly: Bool, once: Bool = false
    ) throws -> SyncMachine {
        try SyncMachine(
            settings: SyncMachine.Settings(
                instance: name, receiveOnly: receiveOnly, onlyOnce: once, storagePollInterval: pollInterval,
                receiver: .init(concurrentDownloads: 2, retryInterval: .seconds(5)),
                sender: .init(
                    minimumInterval: .seconds(1), forceInterval: .seconds(14400), retryInterval: .seconds(5),
                    retryLimit: nil),
                sweeper: sweeper, hasShadows: schema.hasShadows),
            transaction: environment.info.lastTransactionID, record: SyncRecord.read(environment))
    }

    // MARK: Driving

    /// Begins the sync loop of an instance.
    func start(_ index: Int) {
        nodes[index].isRunning = true
        nodes[index].reasonsToSend += 1
        nodes[index].capture = schema.hasShadows ? Capture(schema: schema) : nil
        schedule(index, after: delay(2)) { [self] in try handle(.tick, $0, index) }
        poll(index)
    }

    func run(until end: Duration) throws {
        while let next = pending.indices.min(by: {
            (pending[$0].time, pending[$0].number) < (pending[$1].time, pending[$1].number)
        }),
            pending[next].time <= end
        {
            let event = pending.remove(at: next)
            now = event.time
            let node = nodes[event.node]
            if event.life == node.life && node.isRunning { try event.run(node) }
        }
        now = end
    }

    /// Ends an instance in the middle of whatever it does and starts it again.
    func restart(_ index: Int, _ kind: Restart) throws {
        let node = nodes[index]
        guard node.isRunning else { return }
        node.life += 1
        (node.downloaded, node.planned, node.own) = ([:], [:], [])
        node.scheduledTick = nil
        node.newestOwnTimestamp = 0
        node.isStarted = false
        node.sweep = nil
        switch kind {
        case .keeping: break
        case .wiping:
            node.directory = try ScratchDirectory()
            node.environment = try LMDB.Environment.scratch(node.directory)
        case .restoring:
            node.directory = try ScratchDirectory()
            if let backup = node.backup { try create("\(node.directory.path)/data.mdb", with: backup) }
            node.environment = try LMDB.Environment.scratch(node.directory)
        }
        node.machine = try machine(node.name, node.environment, receiveOnly: node.receiveOnly)
        start(index)
    }

    /// Ends an instance in the middle of whatever it does.
    func stop(_ index: Int) {
        nodes[index].life += 1
        nodes[index].isRunning = false
    }

    /// Starts one again that has been stopped.
    func comeBack(_ index: Int, _ kind: Restart) throws {
        nodes[index].isRunning = true
        try restart(index, kind)
    }

    /// Keeps a copy of the LMDB of an instance for a later restart.
    func backUp(_ index: Int) throws {
        nodes[index].backup = try fileContents("\(nodes[index].directory.path)/data.mdb")
    }

    /// Lets the application of an instance write one entry, newer than what it sees there.
    func write(_ index: Int, clockStep: UInt64) throws {
        let node = nodes[index]
        if schema.hasShadows { return try writeWithoutHeader(index) }
        let number = Int.random(in: 0..<12, using: &random)
        let key: TestKey
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5: key = TestKey(database: "records_v5", key: Array("key\(number)".utf8))
        // More than one byte, so that the bytewise order is another one.
        case 5..<8: key = TestKey(database: "integers", key: bytes(of: UInt32(number * 100)))
        default: key = TestKey(database: "domains_v5", key: Array("key\(number)".utf8))
        }
        // A coarse clock makes equal timestamps on different instances likely.
        let clock = node.clock(at: now) / clockStep * clockStep
        let seen = try node.environment.contents()[key]
        let value = Array(
            "value\(Int.random(in: 0..<4, using: &random))".utf8.prefix(Int.random(in: 0...6, using: &random)))
        let deletes = random.chance(0.3)
        var version = TestVersion(timestamp: clock, isDeleted: deletes, value: deletes ? [] : value)
        if let seen, seen.timestamp >= version.timestamp { version.timestamp = seen.timestamp + 1 }
        let transaction = try node.environment.applicationWrite(
            [(key, version)], flags: key.database == "integers" ? .integerKey : [])
        node.reasonsToSend += 1
        // The signal comes at once, late, or only with the next poll.
        if random.chance(0.5) {
            schedule(index, after: delay(0.01)) { [self] in try handle(.observed(transaction: transaction), $0, index) }
        }
    }

    /// Puts a damaged newest snapshot of an instance into the storage.
    func storeDamaged(of index: Int) throws {
        let own = storage.filter { $0.key.instance == nodes[index].name && !damaged.contains($0.key) }
        guard let (name, body) = own.max(by: { $0.key < $1.key })
        else { return }
        let copy = SnapshotName(database: name.database, instance: name.instance, timestamp: name.timestamp + 1)
        // A good one under this name may be the only one that holds something.
        guard storage[copy] == nil || damaged.contains(copy) else { return }
        var bytes = [UInt8](repeating: 0, count: body.count)
        _ = try bytes.withUnsafeMutableBytes { try body.read(at: 0, into: $0) }
        if random.chance(0.5) {
            bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
        } else {
            bytes[Int.random(in: 10..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
        storage[copy] = Spool(bytes)
        damaged.insert(copy)
    }

    /// Removes all but the newest snapshots of each instance, as a cleaner does.
    func clean() {
        for (_, names) in Dictionary(grouping: storage.keys, by: \.instance) {
            guard let newest = names.filter({ !damaged.contains($0) }).max() else { continue }
            for name in names where name < newest { storage[name] = nil }
        }
    }

    // MARK: One instance

    func handle(_ event: SyncMachine.Event, _ node: Node, _ index: Int) throws {
        let actions = node.machine.handle(event, at: now)
        if let tick = node.machine.nextTick, tick <= now { busyLoops += 1 }
        for action in actions { try perform(action, node, index) }
        if let tick = node.machine.nextTick, node.scheduledTick.map({ tick < $0 || $0 <= now }) ?? true {
            node.scheduledTick = tick
            schedule(index, after: max(.zero, tick - now)) { [self] in try handle(.tick, $0, index) }
        }
    }

    private func perform(_ action: SyncMachine.Action, _ node: Node, _ index: Int) throws {
        switch action {
        case .list:
            let fails = random.chance(faults.listing) || node.isCutOff
            let began = Self.time(at: now)
            schedule(index, after: delay(0.3)) { [self] node in
                if node.machine.fence?.reason != nil {
                    try handle(.foundRecord(SyncRecord.read(node.environment)), node, index)
                }
                let names = Array(storage.keys)
                node.newestOwnTimestamp = max(
                    node.newestOwnTimestamp, names.filter { $0.instance == node.name }.map(\.timestamp).max() ?? 0)
                let ceiling = node.clock(at: now) + 5_000_000_000
                try handle(
                    fails ? .listingFailed : .listed(names.shuffled(using: &random), began: began, ceiling: ceiling),
                    node, index)
            }
        case .download(let name):
            let fails = random.chance(faults.download) || node.isCutOff
            schedule(index, after: delay(3)) { [self] node in
                if fails { return try handle(.downloadFailed(name), node, index) }
                guard let body = storage[name] else { return try handle(.vanished(name), node, index) }
                node.downloaded[name] = body
                try handle(.downloaded(name), node, index)
            }
        case .compare(let name): try compare(name, node, index)
        case .apply(let name): apply(name, node, index)
        case .send: try send(node, index)
        case .capture:
            if random.chance(faults.capture) {
                return schedule(index, after: delay(0.1)) { [self] in try handle(.captureFailed, $0, index) }
            }
            let done = try capture(node)
            schedule(index, after: delay(0.1)) { [self] in try handle(done, $0, index) }
        case .started: node.isStarted = true
        case .finish: node.isFinished = true
        case .sweep(let deletionTime): try sweep(deletionTime, node, index)
        case .record(let record):
            let transaction = try record.write(to: node.environment)
            node.own.insert(transaction)
            schedule(index, after: delay(0.1)) { [self] in
                try handle(.recorded(record, transaction: transaction), $0, index)
            }
        case .endFenced: node.isFinished = true
        case .giveUp, .giveUpLoading: break
        }
    }

    private func compare(_ name: SnapshotName, _ node: Node, _ index: Int) throws {
        guard let body = node.downloaded.removeValue(forKey: name) else { return }
        if case .applying = node.machine.work.writing { besides += 1 }
        let plan: MergePlan
        do {
            let isLoaded = node.machine.fence?.mayLeaveOutDeletions ?? false
            let cutoff = isLoaded ? DeletedCutoff(retention: retention).timestamp(at: node.clock(at: now)) : 0
            let rules = MergePlanner.Rules(deletedCutoff: cutoff, schema: schema)
            do {
                plan = try MergePlanner.plan(body, for: node.environment, rules: rules).plan
            } catch is ShadowIsMissing {
                try handle(capture(node), node, index)
                plan = try MergePlanner.plan(body, for: node.environment, rules: rules).plan
            }
        } catch is SnapshotError {
            refusals += 1
            schedule(index, after: delay(0.1)) { [self] in try handle(.refused(name), $0, index) }
            return
        }
        schedule(index, after: delay(0.5)) { [self] node in
            if plan.isEmpty { return try handle(.merged(name, transaction: nil), node, index) }
            node.planned[name] = plan
            try handle(.compared(name), node, index)
        }
    }

    private func apply(_ name: SnapshotName, _ node: Node, _ index: Int) {
        guard let plan = node.planned.removeValue(forKey: name) else { return }
        let through = node.capture?.through
        // Now and then the application has the write lock for long.
        let isLocked = random.chance(faults.lock)
        if isLocked { waits += 1 }
        schedule(index, after: isLocked ? .seconds(1) + delay(5) : delay(0.05)) { [self] node in
            let clock = node.clock(at: now)
            let outcome = try Merge.apply(
                plan, to: node.environment, paddingBlock: false, capturedThrough: through,
                willCommit: { node.own.insert($0) }, clock: { clock })
            if let transaction = outcome.transaction { node.capture?.noteOwn(transaction) }
            // The change of the file may be noticed before the merge reports it, and others may write meanwhile.
            if random.chance(0.5) { try handle(node.observation, node, index) }
            schedule(index, after: delay(0.2)) { [self] node in
                try handle(.merged(name, transaction: outcome.transaction), node, index)
            }
        }
    }

    private func send(_ node: Node, _ index: Int) throws {
        node.sends += 1
        if case .applying = node.machine.work.writing { besides += 1 }
        let clock = node.clock(at: now)
        let identity = SenderIdentity(database: "main", instance: node.name, hostname: node.name)
        var captured: UInt64?
        if schema.hasShadows {
            try handle(capture(node), node, index)
            captured = node.capture?.through
        }
        let (found, scanned) = try FullScan.run(node.environment, identity: identity, schema: schema) {
            max(clock, node.newestOwnTimestamp + 1)
        }
        let transaction = captured ?? scanned
        guard let snapshot = found else {
            // What a merge brings into an empty LMDB is sent once.
            node.reasonsToSend += 1
            schedule(index, after: delay(0.1)) { [self] in
                try handle(.foundNothing(transaction: transaction), $0, index)
            }
            return
        }
        node.newestOwnTimestamp = max(node.newestOwnTimestamp, snapshot.name.timestamp)
        schedule(index, after: delay(0.1)) { [self] in try handle(.read(transaction: transaction), $0, index) }
        let fails = random.chance(faults.store) || node.isCutOff
        let arrives = random.chance(0.5) && !node.isCutOff
        if fails { node.reasonsToSend += 1 }
        schedule(index, after: .milliseconds(200) + delay(2)) { [self] node in
            // A failed upload may have arrived all the same.
            if !fails || arrives {
                storage[snapshot.name] = snapshot.body
                damaged.remove(snapshot.name)
                join(&stored, with: try contents(of: snapshot.body))
                for other in nodes.indices where other != index && random.chance(0.5) {
                    schedule(other, after: delay(0.05)) { [self] in try handle(.storageChanged, $0, other) }
                }
            }
            try handle(fails ? .sendFailed : .stored(snapshot.name), node, index)
        }
    }

    private func poll(_ index: Int) {
        schedule(index, after: pollInterval) { [self] node in
            try handle(node.observation, node, index)
            poll(index)
        }
    }

    func schedule(_ node: Int, after delay: Duration, _ run: @escaping (Node) throws -> Void) {
        counter += 1
        pending.append(Pending(time: now + delay, number: counter, node: node, life: nodes[node].life, run: run))
    }

    func delay(_ seconds: Double) -> Duration { .seconds(Double.random(in: 0...seconds, using: &random)) }
}
