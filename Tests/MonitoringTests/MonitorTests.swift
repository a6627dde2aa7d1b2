import BlobStorage
import Dispatch
import LMDB
import Observability
import Replication
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Monitoring

/// Checks under simulated time.
@Suite(.timeLimit(.minutes(5))) struct MonitorTests {
    private let clock = TestClock()
    private let log = LogLines()

    private func monitor(_ settings: MonitorSettings = .test()) -> Monitor {
        Monitor(settings, logger: log.logger) { [clock] in clock.now }
    }

    // MARK: Health

    @Test func listingLoadingAndStoringAreChecked() {
        let monitor = monitor()
        let (a, b) = (snapshot("a", 1), snapshot("b", 1))
        monitor.observe(listing([a, b]), of: "main")
        monitor.observe(.listFailed("no route"), of: "main")
        monitor.observe(.downloadFailed(a, "reset", time: .zero), of: "main")
        monitor.observe(.sendFailed("denied"), of: "main")
        #expect(monitor.health().ok && !monitor.health().hasWarnings && monitor.health().status == "OK")
        clock.advance(.seconds(60))
        monitor.observe(.merged(.init(b)), of: "main")
        var health = monitor.health()
        #expect(health.ok && health.hasWarnings && health.status == "Warning")
        #expect(
            health.warnings == [
                "main_storage_list_failed_duration": "listing the storage has failed for 1m0s: no route",
                "main_storage_load_failed_duration": "loading a snapshot has failed for 1m0s: reset",
                "main_storage_store_failed_duration": "storing a snapshot has failed for 1m0s: denied",
            ])
        #expect(health.since == health.time && health.time == "2026-11-21T00:01:00.000Z")
        clock.advance(.seconds(240))
        health = monitor.health()
        #expect(!health.ok && !health.hasWarnings && health.status == "Unavailable" && health.failures.count == 3)
        // What is replaced or gone does not fail any more.
        monitor.observe(listing([b]), of: "main")
        #expect(monitor.health().failures.keys.sorted() == ["main_storage_store_failed_duration"])
        monitor.observe(.stored(.init(snapshot("own", 5))), of: "main")
        #expect(monitor.health().status == "OK")
        #expect(log.count("health is Warning") == 1 && log.count("health is Unavailable") == 1)
        #expect(log.count("health is OK again") == 1)
    }

    @Test func aListingThatHangsIsNoticedBeforeItFails() {
        let monitor = monitor()
        monitor.observe(.listStarted, of: "main")
        clock.advance(.seconds(59))
        #expect(monitor.health().status == "OK")
        clock.advance(.seconds(1))
        #expect(
            monitor.health().warnings == [
                "main_storage_list_failed_duration": "a listing has had no answer for 1m0s"
            ])
        monitor.observe(listing([]), of: "main")
        clock.advance(.seconds(1000))
        #expect(monitor.health().status == "OK")
    }

    @Test func whatIsHeldBackWarnsUntilItIsMerged() async {
        let monitor = monitor()
        monitor.observe(listing([snapshot("a", 1)]), of: "main")
        var report = MergeReport(snapshot("a", 1))
        report.held = HeldEntries(count: 3, first: "zone example.org.")
        monitor.observe(.merged(report), of: "main")
        #expect(
            monitor.health().warnings == [
                "main_entries_held":
                    "3 entries of instance a are held back and the rest is merged, the first: zone example.org."
            ])
        let gauge = #"lightningstream_receiver_held_entries{lmdb="main",syncer_instance="a"}"#
        #expect(value(gauge, in: await monitor.metrics()) == 3)
        monitor.observe(.merged(MergeReport(snapshot("a", 2))), of: "main")
        #expect(monitor.health().status == "OK")
        #expect(value(gauge, in: await monitor.metrics()) == nil)
    }

    @Test func aNamesakeFailsAndAWrongClockOrABadSnapshotWarns() {
        let monitor = monitor()
        monitor.observe(listing([snapshot("a", 1), snapshot("b", 1)]), of: "main")
        monitor.observe(.clockSkew(instance: "a", ahead: .seconds(90), exceeds: true), of: "main")
        monitor.observe(.clockSkew(instance: "b", ahead: .seconds(2), exceeds: false), of: "main")
        monitor.observe(.refused(snapshot("b", 1), entries: 3, "bad CRC", time: .zero), of: "main")
        var health = monitor.health()
        #expect(health.warnings.keys.sorted() == ["main_clock_skew", "main_snapshot_refused"])
        #expect(health.warnings["main_clock_skew"]?.contains("the clock of a is 1m30s ahead") == true)
        #expect(health.warnings["main_snapshot_refused"]?.contains("bad CRC") == true)
        monitor.observe(.namesake(snapshot("own", 1)), of: "main")
        health = monitor.health()
        #expect(!health.ok && health.failures.keys.sorted() == ["main_namesake"])
        monitor.observe(.namesake(nil), of: "main")
        monitor.observe(.clockSkew(instance: "a", ahead: .zero, exceeds: false), of: "main")
        monitor.observe(.merged(.init(snapshot("b", 2))), of: "main")
        #expect(monitor.health().status == "OK")
    }

    @Test func whatWillShutOffSendingIsAWarningAndInTheReport() async {
        let monitor = monitor()
        monitor.observe(.notInSync("not in sync since then"), of: "main")
        #expect(monitor.health().warnings == ["main_not_in_sync": "not in sync since then"])
        let report = await monitor.report()
        #expect(report.databases[0].notInSync == "not in sync since then")
        #expect(report.problems.first?.text == "not in sync since then")
        monitor.observe(.notInSync(nil), of: "main")
        #expect(monitor.health().status == "OK")
    }

    @Test(arguments: [-1, 1]) func ourOwnClockIsWatchedInBothDirections(sign: Int) async {
        let monitor = monitor()
        let metric = #"lightningstream_syncer_clock_offset_seconds{lmdb="main"}"#
        #expect(value(metric, in: await monitor.metrics()) == nil)
        monitor.observe(.ownClock(ahead: .seconds(4 * sign), exceeds: false), of: "main")
        #expect(monitor.health().status == "OK")
        #expect(value(metric, in: await monitor.metrics()) == Double(4 * sign))
        monitor.observe(.ownClock(ahead: .seconds(8 * sign), exceeds: true), of: "main")
        #expect(monitor.health().warnings["main_clock"]?.contains(sign < 0 ? "8.00s behind" : "8.00s ahead") == true)
        monitor.observe(.ownClock(ahead: .seconds(80 * sign), exceeds: true), of: "main")
        #expect(monitor.health().failures.keys.sorted() == ["main_clock"])
        monitor.observe(.ownClock(ahead: .zero, exceeds: false), of: "main")
        #expect(monitor.health().status == "OK")
    }

    /// The daemon of `a` was killed; `b` was a single run; `c` says nothing that makes sense.
    @Test func whoHasFallenSilentIsTold() async throws {
        let (store, monitor) = (MemoryStore(), monitor(.test(receiveOnly: true)))
        for (instance, interval) in [("a", 300), ("b", 0)] {
            let state = InstanceState(
                instance: instance, hostname: "", software: "", time: "", sent: nil, applied: [:], covered: nil,
                health: "OK", interval: interval)
            try await store.store("main__\(instance).state", Spool(try JSON.encode(state)))
        }
        try await store.store("main__c.state", Spool([1]))
        let others = ["main__a.state", "main__b.state", "main__c.state"]
        let metric = #"lightningstream_instance_last_heard_seconds{lmdb="main",syncer_instance="#
        try await monitor.run(with: store) {
            monitor.observe(listing([snapshot("a", 1)], others: others, at: .seconds(899)), of: "main")
            #expect(monitor.health().status == "OK")
            try await eventually {
                monitor.observe(listing([snapshot("a", 1)], others: others, at: .seconds(19 * 60)), of: "main")
                return monitor.health().warnings.keys.sorted() == ["main_instance_silent"]
            }
            let text = monitor.health().warnings["main_instance_silent"] ?? ""
            #expect(
                text.hasPrefix("no state from a for 19m0s: it is not running, or cannot write to the storage"))
            #expect(text.hasSuffix("lightningstream snapshots remove --instance a"))
            let shown = await monitor.report().databases[0].instances
            #expect(shown.map(\.name) == ["a", "b"] && shown.map(\.health) == ["Silent", "OK"])
            let metrics = await monitor.metrics()
            #expect(value(metric + #""a"}"#, in: metrics) == Double(TestClock.start))
            for other in ["b", "c"] { #expect(value(metric + "\"\(other)\"}", in: metrics) == nil) }
            monitor.observe(listing([], others: []), of: "main")
            #expect(monitor.health().status == "OK")
            #expect(value(metric + #""a"}"#, in: await monitor.metrics()) == nil)
        }
    }

    @Test(arguments: [true, false])
    func startUpIsReportedWhereThatIsWanted(reports: Bool) {
        let monitor = monitor(.test(["main", "shard"], reportsStart: reports))
        #expect(monitor.health().metadata["startup_main"] == .flag(false))
        clock.advance(.seconds(61))
        monitor.observe(.started, of: "shard")
        #expect(monitor.health().metadata["startup_main"] == .flag(false))
        #expect(monitor.health().metadata["startup_shard"] == .flag(true))
        #expect(
            monitor.health().warnings
                == (reports ? ["main_startup_in_progress": "the start-up has been going on for 1m1s"] : [:]))
        clock.advance(.seconds(240))
        #expect(monitor.health().ok == !reports)
        monitor.observe(.started, of: "main")
        #expect(monitor.health().status == "OK")
        #expect(monitor.health().metadata["hostname"] == .text("host"))
        #expect(monitor.health().metadata["version"] == .text("1.2.3"))
    }

    @Test func theHealthReportHasTheFieldsOfItsDescription() throws {
        let text = String(decoding: try JSON.encode(monitor().health()), as: UTF8.self)
        for part in [
            #""ok":true"#, #""has_warnings":false"#, #""status":"OK""#, #""time":"2026-11-21T00:00:00.000Z""#,
            #""since":"2026-11-21T00:00:00.000Z""#, #""startup_main":false"#, #""hostname":"host""#, #""failures":{}"#,
            #""warnings":{}"#, #""runtime":{"cpus":"#,
        ] {
            #expect(text.contains(part), "\(part) in \(text)")
        }
    }

    // MARK: Beside transactions

    /// A transaction of the syncer, however long it takes, holds up nobody: the figures are those of now.
    @Test func everybodyIsAnsweredWhileATransactionGoesOn() async throws {
        let directory = try TemporaryDirectory()
        let environment = try makeLMDB(directory)
        let monitor = Monitor(.test(["main", "other"]), logger: log.logger)
        monitor.observe(.opened(environment), of: "main")
        let holds = Flag()
        let (release, pool) = (DispatchSemaphore(value: 0), BlockingPool(label: "test", width: 1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { release.signal() }
            group.addTask {
                try await pool.run { _ in
                    try environment.read { _ in
                        holds.raise()
                        release.wait()
                    }
                }
            }
            try await eventually { holds.isRaised }
            // All of these come back before it is released.
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<200 {
                    group.addTask { await !monitor.metrics().isEmpty }
                    group.addTask { monitor.health().ok }
                }
                for try await isAnswered in group { #expect(isAnswered) }
            }
            try await eventually { await monitor.report().databases[0].lmdb != nil }
        }
        monitor.observe(.ended, of: "main")
    }

    /// Otherwise nothing could open the file again in this process.
    @Test func theEnvironmentIsLetGoAtTheEnd() async throws {
        let directory = try TemporaryDirectory()
        var environment: LMDB.Environment? = try makeLMDB(directory)
        let monitor = Monitor(.test(), logger: log.logger)
        if let environment { monitor.observe(.opened(environment), of: "main") }
        try await eventually { await monitor.report().databases[0].lmdb != nil }
        monitor.observe(.ended, of: "main")
        environment = nil
        try await eventually { (try? makeLMDB(directory)) != nil }
        #expect(environment == nil)
    }
}
