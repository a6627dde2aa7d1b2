import Observability
import Replication
import Snapshots
import Support

extension SyncMetrics {
    /// Counts an event of a database.
    ///
    /// - Parameter own: this instance's name; nil in a receiver.
    func count(_ event: SyncEvent, of lmdb: String, own: String?, at now: Moment) {
        switch event {
        case .listed(let catalog):
            listCalls.with().add()
            receiver.listed(catalog, lmdb)
        case .listFailed:
            listCalls.with().add()
            listFailed.with(lmdb).add()
        case .hinted(let source): hints.received.with(lmdb, source.rawValue).add()
        case .hintMerged(let source, let delay): hints.merged.with(lmdb, source.rawValue).observe(delay)
        case .hearing(let hearing): hints.feed.with(lmdb).set(hearing.feedIsUp ? 1 : 0)
        case .downloadStarted(_, let waited):
            loadCalls.with().add()
            limits.began(lmdb, "download", waited: waited)
        case .downloaded(let name, let bytes, let time):
            loadBytes.with().add(bytes)
            limits.ended(lmdb, "download", time)
            if name.instance != own { received(name, lmdb, at: now) }
        case .downloadVanished(_, let time): limits.ended(lmdb, "download", time)
        case .downloadFailed(let name, _, let time):
            limits.ended(lmdb, "download", time)
            loadFailed.with(lmdb, name.instance).add()
        case .downloadsWaiting(let count): limits.waiting.with(lmdb, "download").set(count)
        case .mergesWaiting(let count): limits.waiting.with(lmdb, "decompress").set(count)
        case .mergeStarted(_, let waited): limits.began(lmdb, "decompress", waited: waited)
        case .merged(let report):
            limits.ended(lmdb, "decompress", report.totalTime)
            merged(report, lmdb)
        case .mergeFailed(let name, _, let time):
            limits.ended(lmdb, "decompress", time)
            loadFailed.with(lmdb, name.instance).add()
        case .refused(let name, let count, _, let time):
            limits.ended(lmdb, count == nil ? "download" : "decompress", time)
            entries.with(lmdb, "refused").add(count ?? 0)
            loadFailed.with(lmdb, name.instance).add()
        case .storing: send.calls.with().add()
        case .stored(let report):
            send.stored(report, lmdb)
            deltas.stored(report, lmdb)
        case .compared(let comparison): deltas.compared(comparison, lmdb)
        case .proved(let proof): if !proof.isSound { deltas.wrong.with(lmdb).set(1) }
        case .pinned(let age): deltas.pinAge.with(lmdb).set(Double(age))
        case .sendFailed: send.failed.with(lmdb).add()
        case .sendingGivenUp: send.givenUp.with(lmdb).add()
        case .fenced(let reason): fenced.with(lmdb).set(reason == nil ? 0 : 1)
        case .namesake(let name): namesake.with(lmdb).set(name == nil ? 0 : 1)
        case .clockSkew(let instance, let ahead, _): receiver.clockSkew.with(lmdb, instance).set(ahead / .seconds(1))
        case .ownClock(let ahead, _): ownClock.with(lmdb).set(ahead / .seconds(1))
        case .opened, .listStarted, .progressed, .settled, .sendBlocked, .notInSync, .started, .ended, .swept,
            .cleanerListed, .cleanerListFailed, .cleanerDeleted, .cleanerDeleteFailed:
            break
        }
    }

    private func received(_ name: SnapshotName, _ lmdb: String, at now: Moment) {
        // Where a delta ends is known with the progress.
        if !name.isDelta { receiver.received(name, DatabaseRecord.age(of: name, at: now.wall), lmdb) }
    }

    private func merged(_ report: MergeReport, _ lmdb: String) {
        entries.with(lmdb, "merged").add(report.written)
        entries.with(lmdb, "kept").add(report.kept)
        if let count = report.held?.count { entries.with(lmdb, "held").add(count) }
        receiver.merged(report, lmdb)
        if report.transaction != nil { writeLock.with(lmdb).observe(report.lockTime) }
        visibleLatency.with(lmdb, report.name.instance).add(counts: report.ages.counts, sum: report.ages.sum)
    }

    /// Shows positions after a listing or a progress.
    ///
    /// - Parameters:
    ///   - reached: those reached, with the age of those that a delta has reached.
    ///   - lags: how many seconds each instance is behind.
    func show(_ reached: [(position: SnapshotName, age: Duration?)], lags: [String: Double], of lmdb: String) {
        for (position, age) in reached { receiver.received(position, age, lmdb) }
        deltas.show(lags: lags, lmdb)
    }

    /// When the state objects of others were written, in nanoseconds since the UNIX epoch.
    func stateTimes(_ times: [String: UInt64], of lmdb: String) {
        lastHeard.remove { $0[0] == lmdb && $0[1] != "other" && times[$0[1]] == nil }
        for (instance, time) in times { lastHeard.with(lmdb, instance).set(Double(time) / 1e9) }
    }
}
