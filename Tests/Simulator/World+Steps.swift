import BlobStorage
import LMDB
import Replication
import Snapshots
import Support
import TestSupport

/// What scenarios have happen.
extension World {
    /// Lets time pass, and then somebody do something.
    package func perform(_ step: Scenario.Step) throws {
        try run(until: time.now + step.pause)
        let node = nodes[step.member]
        trace?("-- \(time.now) \(node.name): \(step.action)")
        // Its choices do not depend on what happened before.
        var random = SeededGenerator(seed: scenario.seed &+ UInt64(step.number + 1) &* 0x2545_f491_4f6c_dd1d)
        switch step.action {
        case .write(let count): try write(node, count, &random)
        case .dropDatabase: try dropDatabase(node)
        case .restart: try restart(node) {}
        case .wipe: try restart(node) { try node.replaceLMDB(with: nil, mapSize: mapSize(node.member)) }
        case .backUp: try node.backUp()
        case .restore:
            guard let backup = node.backup else { return }
            try restart(node) { try node.replaceLMDB(with: backup, mapSize: mapSize(node.member)) }
        case .stop: stop(node)
        case .comeBack: if node.hasStarted { try start(node) }
        case .damageNewest: try damageNewest(of: node, &random)
        case .jumpClock(let error): node.clock.error = error
        // One that has nothing yet, and gets nothing, knows of no absence either.
        case .cutOff: node.isCutOff = try scenario.retention == nil || SyncRecord.read(node.environment).lastSync != nil
        case .reconnect: (node.isCutOff, node.downloadsFrom) = (false, .zero)
        case .blockDownloads:
            // What nobody can load for longer than an absence may last may be lost: docs/deletions.md.
            node.downloadsFrom = time.now + (scenario.retention.map { $0 / 5 } ?? .seconds(60))
        case .resync(let fails):
            guard isFenced(node), !node.isCutOff, node.downloadsFrom <= time.now else { return }
            try resync(node, fails: fails)
        }
    }

    func restart(_ node: Node, _ change: () throws -> Void) throws {
        guard node.process != nil else { return }
        stop(node)
        try change()
        try start(node)
    }

    func damageNewest(of node: Node, _ random: inout SeededGenerator) throws {
        guard let (name, object) = bucket.newest(of: node.instance) else { return }
        let copy = SnapshotName(database: name.database, instance: name.instance, timestamp: name.timestamp + 1)
        // An intact one of this name may be the only one that holds something.
        guard bucket.objects[copy]?.isDamaged ?? true else { return }
        bucket.store(
            copy, try garbled(object.body, &random), [:], isDamaged: true, at: time.now, time.wall)
    }

    func resync(_ node: Node, fails: Bool) throws {
        guard let sweeper else { return }
        trace?("\(node.name): resync\(fails ? ", which fails" : "")")
        count("resyncs")
        node.lastResync = time.now
        let store = ResyncStore(
            bucket, fails: fails, clockOffset: scenario.storageHasClock ? .zero - node.clock.error : nil)
        let clock = node.clock
        let resync = Resync(
            settings: settings(node, once: false), sweeper: sweeper, store: store, clock: clock.syncClock,
            environment: node.environment)
        do {
            _ = try runBlocking { try await resync.run() }
        } catch is NothingToRebuildFrom {
        } catch  where bucket.hasDamage && !(error is LMDBError) {
            // The error names it; the operator removes it and tries again.
            trace?("\(error)")
            bucket.removeDamaged(at: time.now)
        } catch let error as LMDBError where error.code == .mapFull && node.member.hasSmallMap {
            count("full maps")
        } catch let error as BlobStoreError where fails {
            trace?("\(error)")
        }
        let before = node.contents
        try refresh(node, .rebuild)
        model.rebuilt(before, node.contents, view: bucket.view(without: node.instance))
        for (name, body) in store.stored {
            stored(name, body, node.contents, by: node)
            if scenario.usesMarker { bucket.marker = Array("\(name)".utf8) }
        }
        notify(node)
    }

    /// The change of the LMDB is noticed at once, late, or with the next poll.
    func notify(_ node: Node) {
        guard let process = node.process else { return }
        let delay: Duration = node.random.chance(0.5) ? .milliseconds(10) : .seconds(1)
        deliver(to: process, of: node, after: delay) { process.database.observation }
    }
}
