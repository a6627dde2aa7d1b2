import BlobStorage
import Replication
import TestSupport

/// The processes of the hosts.
extension World {
    var sweeper: SweeperMachine.Settings? {
        scenario.retention.map {
            .init(
                retention: $0, firstInterval: $0 / 200, interval: $0 / 40, lockDuration: .milliseconds(1),
                releaseDuration: .milliseconds(1))
        }
    }

    func settings(_ node: Node, once: Bool) -> SyncSettings {
        let scale = scenario.retention == nil ? 1 : 5
        let cleaner = CleanerMachine.Settings(
            database: "main", interval: .seconds(20) * scale, mustKeepInterval: .seconds(10) * scale,
            rule: .init(
                instance: node.instance,
                removeOldInstancesInterval: scenario.hasRightClocks ? .seconds(100) * scale : .seconds(7200)))
        return SyncSettings(
            identity: SenderIdentity(database: "main", instance: node.instance, hostname: node.name),
            environment: node.environment.options,
            machine: .init(
                instance: node.instance, receiveOnly: node.member.isReceiver, onlyOnce: once,
                storagePollInterval: scenario.pollInterval,
                receiver: .init(concurrentDownloads: 2, retryInterval: .seconds(5)),
                sender: .init(
                    minimumInterval: .seconds(1), forceInterval: .seconds(14400), retryInterval: .seconds(5),
                    retryLimit: nil),
                sweeper: sweeper,
                deltas: node.member.usesDeltas ? .init(fullInterval: fullInterval, closingSize: 300) : nil),
            lmdbPollInterval: .seconds(1), deletedCutoff: DeletedCutoff(retention: scenario.retention),
            cleaner: node.member.cleans ? cleaner : nil,
            schema: scenario.usesShadows ? .shadow(dupSortHack: true) : .native)
    }

    /// How long after a change a full snapshot follows.
    private var fullInterval: Duration? {
        [nil, .seconds(5), .seconds(30), .seconds(600)][Int(scenario.seed % 4)]
    }

    /// How old a listing may be with an update marker.
    var forceListInterval: Duration { scenario.pollInterval * (scenario.retention == nil ? 5 : 2) }

    func start(_ node: Node, once: Bool = false) throws {
        guard node.process == nil else { return }
        trace?("\(node.name) starts")
        node.hasStarted = true
        node.reasonsToSend += 1
        let settings = settings(node, once: once)
        let inspector: SimulatedInspector? =
            node.member.inspection == .none ? nil : SimulatedInspector(holds: node.member.inspection == .holds)
        let database = SyncedDatabase(
            settings: settings, environment: node.environment, clock: node.clock.syncClock, inspector: inspector)
        let process = Process(database)
        let record = try database.recordAtStart()
        let positions = try database.positionsAtStart()
        let random = Box(node.random)
        let core = SyncCore(
            settings: settings, transaction: node.environment.info.lastTransactionID, record: record,
            positions: positions, isLogging: trace != nil, random: { random.next() })
        process.engine = SyncEngine(core: core, effects: SimulatedEffects(self, node, process))
        node.process = process
        if scenario.usesMarker { process.marker = UpdateMarker(forceListInterval: forceListInterval) }
        changeFeed(of: process, node)
        deliver(to: process, of: node, after: .milliseconds(Int64.random(in: 0...500, using: &node.random))) { .tick }
    }

    /// Ends the process of a host, whatever it does.
    func stop(_ node: Node) {
        guard let process = node.process else { return }
        trace?("\(node.name) ends")
        process.isDead = true
        node.process = nil
    }

    /// The process ends within an effect, and is started again soon.
    func crash(_ node: Node) {
        count("crashes")
        node.process?.isDead = true
        schedule(after: .seconds(Double.random(in: 0...5, using: &node.random))) { [self] in
            guard node.process?.isDead == true else { return }
            stop(node)
            try start(node)
        }
    }

    /// Whether an instance sends nothing because of an absence.
    package func isFenced(_ index: Int) -> Bool { isFenced(nodes[index]) }

    /// What is in the LMDB of an instance, as of the last look.
    package func contents(of index: Int) -> TestContents { nodes[index].contents }

    /// What somebody gets who begins with nothing.
    package var published: TestContents { bucket.view }

    /// How many times an instance has begun to send.
    package func sends(of index: Int) -> Int { nodes[index].sends }

    /// When the report of a namesake began, and when it ended, by turns.
    package func namesakeChanges(of index: Int) -> [Duration] { nodes[index].namesakeChanges }

    func isFenced(_ node: Node) -> Bool { node.process?.engine?.core.machine.fence?.reason != nil }
}

/// A generator that a closure can hold.
private final class Box: @unchecked Sendable {
    private var generator: SeededGenerator
    init(_ generator: SeededGenerator) { self.generator = generator }
    func next() -> Double { Double.random(in: 0..<1, using: &generator) }
}
