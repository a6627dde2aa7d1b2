import BlobStorage
import LMDB
import Replication
import Snapshots
import Support
import TestSupport

/// Performs the effects of one process in simulated time, with a real LMDB and the simulated storage.
final class SimulatedEffects: SyncEffects {
    unowned let world: World
    unowned let node: Node
    unowned let process: Process

    init(_ world: World, _ node: Node, _ process: Process) {
        (self.world, self.node, self.process) = (world, node, process)
    }

    var moment: Moment { node.clock.syncClock.moment }
    var faults: Scenario.Faults { world.faults }

    func chance(_ probability: Double) -> Bool { node.random.chance(probability) }
    func delay(_ seconds: Double) -> Duration {
        .nanoseconds(Int64(Double.random(in: 0...seconds, using: &node.random) * 1e9))
    }

    func wake(at time: Duration?) {
        guard !process.isDead, let time else { return }
        if time <= world.time.now { world.noteBusyLoop(node) }
        if let tick = process.tick, tick <= time, tick > world.time.now { return }
        process.tick = time
        let process = process
        world.deliver(to: process, of: node, after: max(.zero, time - world.time.now)) {
            // Another one has come before it, and has set the next one.
            guard process.tick == time else { return nil }
            process.tick = nil
            return .tick
        }
    }

    func perform(_ effect: SyncCore.Effect) {
        guard !process.isDead else { return }
        // There is a log only in a history that is shown, and it has to be the same.
        if case .log(let level, let text, let metadata) = effect {
            let facts = metadata.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
            world.trace?("\(node.name) \(level): \(text) \(facts)")
            return
        }
        if chance(faults.kill) { return world.crash(node) }
        let database = process.database
        switch effect {
        case .list(let readsRecord): list(readsRecord: readsRecord)
        case .measureMap(let name): work(delay(0.01), .capture) { $0(database.measureMap(for: name)) }
        case .download(let name, _): download(name)
        case .compare(let order):
            noteBeside()
            work(delay(0.3), .capture) { database.compare(order, $0) }
        case .apply(let merges, let isOutdated, let positions): apply(merges, isOutdated: isOutdated, positions)
        case .capture: work(delay(0.1), .capture) { database.capture($0) }
        case .scan(let order): scan(order)
        case .store(let result): store(result)
        case .widen(let deltas): widen(deltas)
        case .prove: work(delay(1), .capture) { $0(database.prove()) }
        case .sweep(let run, let deletionTime):
            let age = (world.scenario.retention ?? .zero).wholeNanoseconds
            // The run began before, so its limit is not later than this.
            work(delay(0.05), .sweep(limit: node.clock.wall - UInt64(age))) {
                $0(database.sweep(run, deletionTime: deletionTime))
            }
        case .record(let record): work(delay(0.05), .capture) { $0(database.write(record)) }
        case .recordPositions(let positions): work(delay(0.05), .capture) { $0(database.record(positions)) }
        case .listForCleaner: listForCleaner()
        case .remove(let removal): remove(removal)
        case .removeLeftovers: report(after: delay(0.1)) { .removedLeftovers(0) }
        case .noteSent(let transaction): database.noteSent(through: transaction)
        case .endInspection(let inspection, let report): inspection.ended(report)
        case .endSendInspection(let inspection, let report): inspection.ended(report)
        case .log: break
        case .observe(let event): observe(event)
        case .end(let error):
            process.isFinished = true
            if let error { world.fail("no process ends with an error", "\(node.name): \(error)") }
        }
    }

    private func observe(_ event: SyncEvent) {
        switch event {
        case .started: process.isStarted = true
        case .progressed(let progress):
            process.progress = progress
            world.publish(node, process)
        case .settled(let transaction): process.settled = transaction
        case .compared: world.count("captures by pages")
        case .proved(let proof):
            world.count("proofs")
            if !proof.isSound { world.fail("a comparison of pages finds everything", "\(node.name): \(proof)") }
        case .namesake(let name):
            if (process.namesake == nil) != (name == nil) { node.namesakeChanges.append(world.time.now) }
            process.namesake = name
            process.sawNamesake = process.sawNamesake || name != nil
        default: break
        }
    }

    func report(after delay: Duration, _ event: @escaping () throws -> SyncCore.Event?) {
        world.deliver(to: process, of: node, after: delay, event)
    }

    // MARK: The LMDB

    /// Does work after a while, and reports what comes of it after another one.
    private func work(_ pause: Duration, _ change: Model.Change, _ body: @escaping (SyncedDatabase.Post) -> Void) {
        world.schedule(after: pause) { [self, world, node, process] in
            guard !process.isDead else { return }
            var events: [SyncCore.Event] = []
            body { events.append($0) }
            try world.refresh(node, change)
            // The change of the file may be noticed before the work is reported, and others may write meanwhile.
            if node.random.chance(0.3) {
                world.deliver(to: process, of: node, after: .zero) { process.database.observation }
            }
            var wait = delay(0.2)
            for event in events {
                world.deliver(to: process, of: node, after: wait) { event }
                wait += .milliseconds(1)
            }
        }
    }

    private func apply(_ merges: [MergeInHand], isOutdated: Bool, _ positions: RecordedPositions?) {
        let database = process.database
        // Now and then the application has the write lock for long.
        let isLocked = chance(faults.lock)
        if isLocked { world.count("waits for the lock") }
        let pause = isLocked ? .seconds(1) + delay(5) : delay(0.05)
        process.isApplying = true
        if merges.count > 1 { world.count("merges of several deltas") }
        work(pause, .merge) { [process] post in
            process.isApplying = false
            database.apply(merges, isOutdated: isOutdated, positions: positions, post)
        }
    }

    /// Something reads while a merge waits for the write lock, or writes.
    private func noteBeside() {
        if process.isApplying { world.count("readers beside a writer") }
    }

    private func scan(_ order: SyncCore.ScanOrder) {
        node.sends += 1
        // A full snapshot that follows changes needs no other reason.
        if order.kind == .fullBehindDelta { node.reasonsToSend += 2 }
        noteBeside()
        let (database, process) = (process.database, process)
        work(delay(0.1), .capture) { [world, node] post in
            database.scan(order) { event in
                if case .scanned(let scan) = event, !scan.snapshot.name.isDelta, order.kind == .full {
                    process.scanned[scan.snapshot.name] = (try? world.read(node)) ?? [:]
                }
                // What a merge brings into an empty LMDB is sent once.
                if case .foundNothing = event { node.reasonsToSend += 1 }
                post(event)
            }
        }
    }
}
