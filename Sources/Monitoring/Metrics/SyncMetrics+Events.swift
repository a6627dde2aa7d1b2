import Observability
import Replication

extension SyncMetrics {
    /// Counts what happened to a database.
    func count(_ event: SyncEvent, of lmdb: String, at now: Moment) {
        switch event {
        case .listed(let catalog):
            listCalls.with().add()
            inStorageCount.with(lmdb).set(catalog.snapshots.count)
            inStorageBytes.with(lmdb).set(catalog.snapshots.reduce(0.0) { $0 + Double($1.size) })
            forgetInstances(of: lmdb, except: catalog.instances)
        case .listFailed:
            listCalls.with().add()
            listFailed.with(lmdb).add()
        case .downloadStarted(_, let waited):
            loadCalls.with().add()
            began(lmdb, "download", waited: waited)
        case .downloaded(let name, let bytes, let time):
            loadBytes.with().add(bytes)
            ended(lmdb, "download", time)
            received.with(lmdb, name.instance).set(Double(name.timestamp) / 1e9)
            receivedAge.with(lmdb, name.instance).observe(DatabaseRecord.age(of: name, at: now.wall))
        case .downloadVanished(_, let time): ended(lmdb, "download", time)
        case .downloadFailed(let name, _, let time):
            ended(lmdb, "download", time)
            loadFailed.with(lmdb, name.instance).add()
        case .downloadsWaiting(let count): waiting.with(lmdb, "download").set(count)
        case .mergesWaiting(let count): waiting.with(lmdb, "decompress").set(count)
        case .mergeStarted(_, let waited): began(lmdb, "decompress", waited: waited)
        case .merged(let report):
            ended(lmdb, "decompress", report.totalTime)
            entries.with(lmdb, "merged").add(report.written)
            entries.with(lmdb, "kept").add(report.kept)
            if let count = report.held?.count {
                entries.with(lmdb, "held").add(count)
                held.with(lmdb, report.name.instance).set(count)
            } else {
                held.remove { $0 == [lmdb, report.name.instance] }
            }
            if report.transaction != nil { writeLock.with(lmdb).observe(report.lockTime) }
            visibleLatency.with(lmdb, report.name.instance).add(counts: report.ages.counts, sum: report.ages.sum)
        case .mergeFailed(let name, _, let time):
            ended(lmdb, "decompress", time)
            loadFailed.with(lmdb, name.instance).add()
        case .refused(let name, let count, _, let time):
            ended(lmdb, "decompress", time)
            entries.with(lmdb, "refused").add(count)
            loadFailed.with(lmdb, name.instance).add()
        case .storing: storeCalls.with().add()
        case .stored(let report):
            storeBytes.with().add(report.size)
            generated.with(lmdb).add()
            generatedLast.with(lmdb).set(Double(report.name.timestamp) / 1e9)
            generatedSize.with(lmdb).set(report.size)
        case .sendFailed: storeFailed.with(lmdb).add()
        case .sendingGivenUp: storeGivenUp.with(lmdb).add()
        case .fenced(let reason): fenced.with(lmdb).set(reason == nil ? 0 : 1)
        case .namesake(let name): namesake.with(lmdb).set(name == nil ? 0 : 1)
        case .clockSkew(let instance, let ahead, _): clockSkew.with(lmdb, instance).set(ahead / .seconds(1))
        case .ownClock(let ahead, _): ownClock.with(lmdb).set(ahead / .seconds(1))
        case .opened, .listStarted, .progressed, .settled, .sendBlocked, .notInSync, .started, .ended, .swept,
            .cleanerListed,
            .cleanerListFailed,
            .cleanerDeleted, .cleanerDeleteFailed:
            break
        }
    }

    /// When the state objects of others were written, in nanoseconds since the UNIX epoch.
    func heard(_ times: [String: UInt64], of lmdb: String) {
        lastHeard.remove { $0[0] == lmdb && $0[1] != "other" && times[$0[1]] == nil }
        for (instance, time) in times { lastHeard.with(lmdb, instance).set(Double(time) / 1e9) }
    }

    private func began(_ lmdb: String, _ limit: String, waited: Duration) {
        acquired.with(lmdb, limit).add()
        waitingTime.with(lmdb, limit).observe(waited)
        active.with(lmdb, limit).add(1)
    }

    private func ended(_ lmdb: String, _ limit: String, _ time: Duration) {
        active.with(lmdb, limit).add(-1)
        activeTime.with(lmdb, limit).observe(time)
    }

    /// What was counted of an instance that has gone stays; what says where it stands goes.
    private func forgetInstances(of lmdb: String, except instances: Set<String>) {
        let isGone = { (values: [String]) in
            values[0] == lmdb && values[1] != "other" && !instances.contains(values[1])
        }
        received.remove(where: isGone)
        clockSkew.remove(where: isGone)
        held.remove(where: isGone)
    }
}
