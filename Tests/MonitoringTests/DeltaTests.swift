import BlobStorage
import Observability
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Monitoring
@testable import Replication

/// The name of a delta that begins so long after the start.
private func delta(_ instance: String, from seconds: Int) -> SnapshotName {
    SnapshotName(
        database: "main", instance: instance, timestamp: TestClock.nanoseconds(.seconds(seconds)),
        fileExtension: SnapshotName.deltaExtension)
}

/// A listing with deltas that were stored so long after the start.
private func listing(_ full: [SnapshotName], _ deltas: [(name: SnapshotName, stored: Int)]) -> SyncEvent {
    let blobs =
        full.map { Blob(name: $0.description, size: 1000) }
        + deltas.map {
            Blob(name: $0.name.description, size: 100, modified: TestClock.nanoseconds(.seconds($0.stored)))
        }
    return .listed(Catalog(blobs, database: "main", now: TestClock.nanoseconds(.seconds(60))))
}

/// A progress up to these positions, with something unread of those instances.
private func progressed(_ positions: [SnapshotName], unread: Set<String> = []) -> SyncEvent {
    var progress = SyncProgress(merged: positions)
    for instance in unread { progress.noteUnread(instance, true) }
    return .progressed(progress)
}

extension SendReport {
    fileprivate init(_ name: SnapshotName, to position: SnapshotName, size: Int) {
        self.init(name)
        (self.position, self.size) = (position, size)
    }
}

/// What is remembered of deltas, under simulated time.
@Suite struct DeltaRecordTests {
    private let clock = TestClock()

    private func record() -> DatabaseRecord {
        DatabaseRecord(name: "main", own: "own", receiveOnly: false, at: clock.now)
    }

    private func report(_ record: inout DatabaseRecord) -> StatusReport.Database {
        StatusReport.Database(&record, path: "/x", lmdb: nil, lastTransaction: 9, states: [:], at: clock.now)
    }

    @Test func aDeltaIsBehindUntilItsEndIsReached() {
        var record = record()
        record.handle(progressed([snapshot("a", 0)]), at: clock.now)
        record.handle(listing([snapshot("a", 0)], []), at: clock.now)
        clock.advance(.seconds(5))
        record.handle(listing([snapshot("a", 0)], [(delta("a", from: 0), stored: 5)]), at: clock.now)
        record.handle(progressed([snapshot("a", 0)], unread: ["a"]), at: clock.now)
        clock.advance(.seconds(2))
        var instance = report(&record).instances[0]
        // Where it ends is not in its name.
        #expect(instance.newest?.name == snapshot("a", 5).description)
        #expect(instance.merged?.name == snapshot("a", 0).description && instance.lag == 2)
        #expect(record.positionLags == ["a": 5])
        record.handle(.merged(.init(delta("a", from: 0))), at: clock.now)
        record.handle(progressed([snapshot("a", 4)]), at: clock.now)
        instance = report(&record).instances[0]
        #expect(instance.newest?.name == snapshot("a", 4).description && instance.newest == instance.merged)
        #expect(instance.lag == 0 && instance.latency == 3 && record.positionLags == ["a": 0])
        #expect(report(&record).history.last?.latency == 3)
        #expect(record.reached.map(\.position) == [snapshot("a", 4)] && record.reached.map(\.age) == [.seconds(3)])
        // The next version of it.
        record.handle(listing([snapshot("a", 0)], [(delta("a", from: 0), stored: 7)]), at: clock.now)
        record.handle(progressed([snapshot("a", 4)], unread: ["a"]), at: clock.now)
        #expect(report(&record).instances[0].newest?.name == snapshot("a", 7).description)
        #expect(record.positionLags == ["a": 3])
    }

    @Test func positionsOfAnEarlierRunCount() {
        var record = record()
        record.handle(progressed([snapshot("a", 4), snapshot("gone", 1)]), at: clock.now)
        record.handle(listing([snapshot("a", 0)], [(delta("a", from: 0), stored: 4)]), at: clock.now)
        clock.advance(.seconds(1))
        let shown = report(&record)
        #expect(shown.instances.map(\.name) == ["a"] && shown.storage?.deltas == 1 && shown.storage?.snapshots == 1)
        #expect(shown.instances[0].lag == 0 && shown.instances[0].latency == nil)
        #expect(shown.instances[0].merged?.name == snapshot("a", 4).description)
        #expect(record.applied == ["a": snapshot("a", 4)])
    }

    @Test func aFullSnapshotBeyondTheDeltasIsTheNewest() {
        var record = record()
        record.handle(
            listing([snapshot("a", 0), snapshot("a", 9)], [(delta("a", from: 0), stored: 30)]), at: clock.now)
        record.handle(progressed([snapshot("a", 5)], unread: ["a"]), at: clock.now)
        #expect(report(&record).instances[0].newest?.name == snapshot("a", 9).description)
        #expect(record.positionLags == ["a": 4])
        // Whoever has deltas only is not gone.
        record.handle(listing([], [(delta("a", from: 9), stored: 30)]), at: clock.now)
        #expect(report(&record).instances.map(\.name) == ["a"])
    }

    @Test func aRejectedDeltaIsBehindUntilSomethingTakesItsPlace() {
        var record = record()
        let (full, open) = (snapshot("a", 0), (name: delta("a", from: 0), stored: 5))
        record.handle(listing([full], [open]), at: clock.now)
        record.handle(progressed([full], unread: ["a"]), at: clock.now)
        record.handle(.refused(open.name, entries: 0, "bad CRC", time: .zero), at: clock.now)
        record.handle(progressed([full]), at: clock.now)
        record.handle(listing([full], [open]), at: clock.now)
        clock.advance(.seconds(8))
        #expect(report(&record).instances[0].lag == 8 && record.instances["a"]?.refused.count == 1)
        #expect(record.positionLags == ["a": 5])
        // Something after a gap says nothing about it.
        record.handle(.merged(.init(delta("a", from: 6))), at: clock.now)
        #expect(record.instances["a"]?.refused.count == 1)
        record.handle(progressed([snapshot("a", 7)]), at: clock.now)
        #expect(record.instances["a"]?.refused.isEmpty == true && report(&record).instances[0].lag == 0)
    }

    @Test func whatIsSentIsThePosition() {
        var record = record()
        record.handle(listing([snapshot("own", 1)], [(delta("own", from: 3), stored: 6)]), at: clock.now)
        #expect(report(&record).sent?.name == snapshot("own", 3).description)
        record.handle(progressed([snapshot("own", 5)]), at: clock.now)
        #expect(report(&record).sent?.name == snapshot("own", 5).description)
        record.handle(.started, at: clock.now)
        clock.advance(.seconds(9))
        record.handle(.stored(.init(delta("own", from: 5), to: snapshot("own", 9), size: 100)), at: clock.now)
        record.handle(listing([snapshot("own", 1)], [(delta("own", from: 5), stored: 10)]), at: clock.now)
        clock.advance(.seconds(1))
        let shown = report(&record)
        #expect(shown.sent?.name == snapshot("own", 9).description && shown.sent?.size == 100)
        #expect(shown.instances[0].newest == shown.sent && shown.instances[0].lag == 0)
        #expect(
            InstanceState(
                record, positions: .init(applied: record.applied, covered: record.covered), hostname: "", software: "",
                at: clock.now.wall, health: "OK"
            ).sent == shown.sent?.name
        )
    }

    @Test func activitiesSayWhetherTheyAreOfDeltas() {
        var record = record()
        record.handle(.merged(.init(snapshot("a", 0))), at: clock.now)
        record.handle(.merged(.init(delta("a", from: 0))), at: clock.now)
        record.handle(.stored(.init(delta("own", from: 5), to: snapshot("own", 9), size: 100)), at: clock.now)
        record.handle(.stored(.init(snapshot("own", 9))), at: clock.now)
        #expect(report(&record).activities.map(\.isDelta) == [false, true, true, false])
        #expect(report(&record).history.last?.sends == 2)
    }
}

/// Metrics, health and state of deltas.
@Suite(.timeLimit(.minutes(5))) struct DeltaMonitorTests {
    private let clock = TestClock()
    private let log = LogLines()

    private func monitor() -> Monitor {
        Monitor(.test(), logger: log.logger) { [clock] in clock.now }
    }

    private func expect(_ expected: [String: Double?], of monitor: Monitor) async {
        let text = await monitor.metrics()
        for (series, number) in expected {
            #expect(value("lightningstream_" + series, in: text) == number, "\(series)")
        }
    }

    @Test func sendsAreCountedByKind() async {
        let monitor = monitor()
        await expect(
            [
                #"syncer_sends_total{lmdb="main",kind="delta"}"#: 0,
                #"syncer_delta_fallbacks_total{lmdb="main",reason="too_many_transactions"}"#: 0,
                #"syncer_diff_wrong{lmdb="main"}"#: 0, #"syncer_pin_age_transactions{lmdb="main"}"#: 0,
            ], of: monitor)
        var full = SendReport(snapshot("own", 1), to: snapshot("own", 1), size: 1000)
        full.fallback = .tooManyTransactions
        monitor.observe(.stored(full), of: "main")
        var small = SendReport(delta("own", from: 1), to: snapshot("own", 2), size: 30)
        small.changes = ChangeTracker.Changes(found: 2, written: 2, pages: 17, time: .milliseconds(2))
        monitor.observe(.stored(small), of: "main")
        monitor.observe(.stored(small), of: "main")
        monitor.observe(.pinned(age: 12), of: "main")
        await expect(
            [
                #"syncer_sends_total{lmdb="main",kind="full"}"#: 1,
                #"syncer_sends_total{lmdb="main",kind="delta"}"#: 2,
                #"syncer_sent_bytes_total{lmdb="main",kind="full"}"#: 1000,
                #"syncer_sent_bytes_total{lmdb="main",kind="delta"}"#: 60,
                #"syncer_diff_pages_total{lmdb="main"}"#: 34,
                #"syncer_diff_seconds_bucket{lmdb="main",le="0.001"}"#: 0,
                #"syncer_diff_seconds_bucket{lmdb="main",le="0.0025"}"#: 2,
                #"syncer_delta_fallbacks_total{lmdb="main",reason="too_many_transactions"}"#: 1,
                #"syncer_pin_age_transactions{lmdb="main"}"#: 12,
                // Those of release 1.0: each object counts, and the size is that of the database.
                #"syncer_snapshots_generated_total{lmdb="main"}"#: 3,
                #"syncer_snapshots_generated_last_unix_seconds{lmdb="main"}"#: Double(TestClock.start + 2),
                #"syncer_snapshots_generated_last_size_bytes{lmdb="main"}"#: 1000,
                "syncer_snapshots_store_bytes_total": 1060,
            ], of: monitor)
        monitor.observe(.pinned(age: 0), of: "main")
        await expect([#"syncer_pin_age_transactions{lmdb="main"}"#: 0], of: monitor)
    }

    @Test func whatArrivesWithDeltasIsCountedByPosition() async {
        let monitor = monitor()
        let lag = #"syncer_position_lag_seconds{lmdb="main",syncer_instance="a"}"#
        let received = #"receiver_snapshots_last_received_seconds{lmdb="main",syncer_instance="a"}"#
        let age = #"receiver_snapshots_last_received_age_seconds_"#
        monitor.observe(listing([snapshot("a", 0)], [(delta("a", from: 0), stored: 5)]), of: "main")
        await expect([lag: nil, received: nil], of: monitor)
        monitor.observe(progressed([snapshot("a", 1)], unread: ["a"]), of: "main")
        await expect([lag: 4, received: Double(TestClock.start + 1)], of: monitor)
        clock.advance(.seconds(6))
        monitor.observe(.downloaded(delta("a", from: 0), bytes: 50, time: .zero), of: "main")
        await expect(
            [received: Double(TestClock.start + 1), age + #"count{lmdb="main",syncer_instance="a"}"#: nil], of: monitor)
        monitor.observe(.merged(.init(delta("a", from: 0))), of: "main")
        monitor.observe(progressed([snapshot("a", 5)]), of: "main")
        await expect(
            [
                lag: 0, received: Double(TestClock.start + 5), age + #"count{lmdb="main",syncer_instance="a"}"#: 1,
                age + #"sum{lmdb="main",syncer_instance="a"}"#: 1,
            ], of: monitor)
        monitor.observe(listing([], []), of: "main")
        await expect([lag: nil, received: nil], of: monitor)
    }

    /// They are loaded at start only, and would look as if nothing had come for long.
    @Test func whatIsOurOwnIsNotReceived() async {
        let monitor = monitor()
        let received = #"receiver_snapshots_last_received_seconds{lmdb="main",syncer_instance="own"}"#
        monitor.observe(listing([snapshot("own", 0)], [(delta("own", from: 0), stored: 5)]), of: "main")
        monitor.observe(.downloaded(snapshot("own", 0), bytes: 9, time: .zero), of: "main")
        monitor.observe(.merged(.init(delta("own", from: 0))), of: "main")
        monitor.observe(progressed([snapshot("own", 5)]), of: "main")
        await expect(
            [received: nil, #"syncer_position_lag_seconds{lmdb="main",syncer_instance="own"}"#: nil], of: monitor)
        let receiver = Monitor(.test(receiveOnly: true), logger: log.logger) { [clock] in clock.now }
        receiver.observe(.downloaded(snapshot("own", 0), bytes: 9, time: .zero), of: "main")
        await expect([received: Double(TestClock.start)], of: receiver)
    }

    @Test func comparisonsOfCapturesAreCounted() async {
        let monitor = monitor()
        for pages in [5, 2] { monitor.observe(.compared(.init(pages: pages, time: .milliseconds(2))), of: "main") }
        await expect(
            [#"syncer_diff_pages_total{lmdb="main"}"#: 7, #"syncer_diff_seconds_count{lmdb="main"}"#: 2], of: monitor)
    }

    @Test func aWrongComparisonFailsUntilTheRestart() async {
        let monitor = monitor()
        func proof(isSound: Bool) -> SyncEvent {
            .proved(ChangeTracker.Proof(earlier: 1, later: 2, found: 3, expected: isSound ? 3 : 4, isSound: isSound))
        }
        monitor.observe(proof(isSound: true), of: "main")
        #expect(monitor.health().status == "OK")
        monitor.observe(proof(isSound: false), of: "main")
        monitor.observe(.stored(.init(snapshot("own", 1))), of: "main")
        monitor.observe(proof(isSound: true), of: "main")
        #expect(monitor.health().failures == ["main_page_comparison": SyncHealth.wrongDiff])
        #expect(await monitor.report().problems.map(\.text) == [SyncHealth.wrongDiff])
        await expect([#"syncer_diff_wrong{lmdb="main"}"#: 1], of: monitor)
    }

    /// Otherwise each delta would cost two state objects, the first without it.
    @Test func theStateObjectChangesWhenSomethingIsReached() {
        let monitor = monitor()
        let count = Mutex(0)
        monitor.databases[0].onChange { count.withLock { $0 += 1 } }
        monitor.observe(listing([snapshot("a", 0)], [(delta("a", from: 0), stored: 5)]), of: "main")
        monitor.observe(progressed([snapshot("a", 0)]), of: "main")
        #expect(count.withLock(\.self) == 1)
        monitor.observe(progressed([snapshot("a", 0)], unread: ["a"]), of: "main")
        monitor.observe(.merged(.init(delta("a", from: 0))), of: "main")
        #expect(count.withLock(\.self) == 1)
        monitor.observe(progressed([snapshot("a", 5)]), of: "main")
        #expect(count.withLock(\.self) == 2)
        #expect(monitor.databases[0].ownState(isLast: false)?.applied == ["a": snapshot("a", 5).description])
    }
}
