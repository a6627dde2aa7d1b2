import BlobStorage
import LMDB
import Replication
import Snapshots
import Support
import TestSupport

/// Performs the effects of one process in simulated time, with a real LMDB and the simulated storage.
final class SimulatedEffects: SyncEffects {
    private unowned let world: World
    private unowned let node: Node
    private unowned let process: Process

    init(_ world: World, _ node: Node, _ process: Process) {
        (self.world, self.node, self.process) = (world, node, process)
    }

    var moment: Moment { node.clock.syncClock.moment }
    private var faults: Scenario.Faults { world.faults }

    private func chance(_ probability: Double) -> Bool { node.random.chance(probability) }
    private func delay(_ seconds: Double) -> Duration {
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
        if chance(faults.kill) { return world.crash(node) }
        let database = process.database
        switch effect {
        case .list(let readsRecord): list(readsRecord: readsRecord)
        case .measureMap(let name): work(delay(0.01), .capture) { $0(database.measureMap(for: name)) }
        case .download(let name, _): download(name)
        case .compare(let order):
            noteBeside()
            work(delay(0.3), .capture) { database.compare(order, $0) }
        case .apply(let merge, let isOutdated): apply(merge, isOutdated: isOutdated)
        case .capture: work(delay(0.1), .capture) { database.capture($0) }
        case .scan(let floor): scan(floor)
        case .store(let result): store(result)
        case .sweep(let run, let deletionTime):
            let age = (world.scenario.retention ?? .zero).wholeNanoseconds
            // The run began before, so its limit is not later than this.
            work(delay(0.05), .sweep(limit: node.clock.wall - UInt64(age))) {
                $0(database.sweep(run, deletionTime: deletionTime))
            }
        case .record(let record): work(delay(0.05), .capture) { $0(database.write(record)) }
        case .listForCleaner: listForCleaner()
        case .remove(let removal): remove(removal)
        case .removeLeftovers: report(after: delay(0.1)) { .removedLeftovers(0) }
        case .noteSent(let transaction): database.noteSent(through: transaction)
        case .endInspection(let inspection, let report): inspection.ended(report)
        case .endSendInspection(let inspection, let report): inspection.ended(report)
        case .log(let level, let text, let metadata):
            world.trace?("\(node.name) \(level): \(text) \(metadata.sorted { $0.key < $1.key }.map { "\($0)=\($1)" })")
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
        default: break
        }
    }

    private func report(after delay: Duration, _ event: @escaping () throws -> SyncCore.Event?) {
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

    private func apply(_ merge: MergeInHand, isOutdated: Bool) {
        let database = process.database
        // Now and then the application has the write lock for long.
        let isLocked = chance(faults.lock)
        if isLocked { world.count("waits for the lock") }
        let pause = isLocked ? .seconds(1) + delay(5) : delay(0.05)
        process.isApplying = true
        work(pause, .merge) { [process] post in
            process.isApplying = false
            database.apply(merge, isOutdated: isOutdated, post)
        }
    }

    /// Something reads while a merge waits for the write lock, or writes.
    private func noteBeside() {
        if process.isApplying { world.count("readers beside a writer") }
    }

    private func scan(_ floor: UInt64) {
        node.sends += 1
        noteBeside()
        let (database, process) = (process.database, process)
        work(delay(0.1), .capture) { [world, node] post in
            database.scan(floor: floor) { event in
                if case .scanned(let scan) = event {
                    process.scanned[scan.snapshot.name] = (try? world.read(node)) ?? [:]
                }
                // What a merge brings into an empty LMDB is sent once.
                if case .foundNothing = event { node.reasonsToSend += 1 }
                post(event)
            }
        }
    }

    // MARK: The storage

    private func list(readsRecord: Bool) {
        let fails = chance(faults.listing) || node.isCutOff
        let began = node.clock.wall
        let (world, node, process) = (world, node, process)
        if readsRecord { report(after: delay(0.05)) { process.database.readRecord() } }
        report(after: .milliseconds(50) + delay(0.3)) { [unowned self] in
            if fails { return .listingFailed("no answer") }
            let listing = listing(world, node, began)
            process.lastListing = listing.isStale ? process.lastListing : world.time.now
            return .listed(listing.listing)
        }
    }

    private func listing(
        _ world: World, _ node: Node, _ began: UInt64
    ) -> (listing: SyncCore.Listing, isStale: Bool) {
        let age = chance(faults.staleListing) ? delay(10) : nil
        let offset: Duration? = world.scenario.storageHasClock ? .zero - node.clock.error : nil
        let blobs = world.bucket.listing(asOf: age.map { world.time.now - $0 }, to: node.name)
        return (.init(blobs: blobs, began: began, ended: node.clock.wall, clockOffset: offset), age != nil)
    }

    private func listForCleaner() {
        let fails = chance(faults.listing) || node.isCutOff
        let began = node.clock.wall
        let (world, node) = (world, node)
        report(after: .milliseconds(50) + delay(0.3)) { [unowned self] in
            fails ? .cleanerListingFailed("no answer") : .listedForCleaner(listing(world, node, began).listing)
        }
    }

    private func remove(_ removal: CleanerMachine.Removal) {
        let fails = node.isCutOff || chance(faults.upload)
        let (world, node) = (world, node)
        report(after: delay(5)) {
            if fails { return .removalFailed(removal, "no answer") }
            try world.remove(removal.name, by: node)
            return .removed(removal)
        }
    }

    private func download(_ name: SnapshotName) {
        let fails = chance(faults.download) || node.isCutOff
        let isMissing = chance(faults.missing)
        let isGarbled = chance(faults.garbled)
        let time = delay(2)
        let (world, node) = (world, node)
        report(after: time) {
            if fails { return .downloadFailed(name, BlobStoreError(.timeout, "no answer"), time: time) }
            guard !isMissing, let object = world.bucket.objects[name] else {
                return .downloadFailed(name, BlobStoreError(.notFound, "not found"), time: time)
            }
            // One that is damaged each time is a damaged object.
            let body =
                isGarbled && !object.isDamaged && node.garbled.insert(name).inserted
                ? try garbled(object.body, &node.random) : object.body
            return .downloaded(name, body, time: time)
        }
    }

    private func store(_ result: FullScan.Result) {
        let contents = process.scanned.removeValue(forKey: result.name) ?? [:]
        let isLost = chance(faults.upload) || node.isCutOff
        let isUnheard = chance(faults.uploadDone)
        let isLate = chance(faults.uploadLate)
        let time = .milliseconds(200) + delay(2)
        if isLost || isUnheard || isLate { node.reasonsToSend += 1 }
        let (world, node, process) = (world, node, process)
        if !isLost {
            // A server goes on with what it has, whatever becomes of who sent it.
            let lateness = isLate ? .seconds(60) + delay(240) : .zero
            let generation = node.generation
            if isLate { world.lastUpload = max(world.lastUpload, world.time.now + time + lateness) }
            world.schedule(after: time + lateness) {
                if process.isDead, node.random.chance(0.5) { return }
                world.stored(
                    result.name, result.body, contents, by: node, isLost: node.generation != generation)
            }
        }
        let fails = isLost || isUnheard || isLate
        report(after: time) { fails ? .storeFailed(BlobStoreError(.timeout, "no answer")) : .stored }
    }
}

/// A copy that is cut short, or of which one bit is wrong.
func garbled(_ body: Spool, _ random: inout SeededGenerator) throws -> Spool {
    var bytes = [UInt8](repeating: 0, count: body.count)
    _ = try bytes.withUnsafeMutableBytes { try body.read(at: 0, into: $0) }
    if bytes.count <= 10 || random.chance(0.5) {
        bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
    } else {
        bytes[Int.random(in: 10..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    }
    return Spool(bytes)
}
