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

/// Checks and counts under simulated time.
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
                text.hasPrefix("nothing has been heard of a for 19m0s: it does not run, or can't write to the storage"))
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

    // MARK: Metrics

    @Test func eventsAreCounted() async throws {
        let monitor = monitor()
        let name = snapshot("a", -30)
        monitor.observe(listing([name, snapshot("own", 0)], size: 100), of: "main")
        monitor.observe(.downloadsWaiting(3), of: "main")
        monitor.observe(.downloadStarted(name, waited: .milliseconds(20)), of: "main")
        let during = await monitor.metrics()
        #expect(value(#"lightningstream_climit_active{lmdb="main",limit_name="download"}"#, in: during) == 1)
        monitor.observe(.downloaded(name, bytes: 100, time: .milliseconds(3)), of: "main")
        monitor.observe(.mergeStarted(name, waited: .zero), of: "main")
        var report = MergeReport(name, written: 5, kept: 7)
        report.ages.add(nanoseconds: 3_000_000_000)
        report.ages.add(nanoseconds: 40_000_000_000)
        monitor.observe(.merged(report), of: "main")
        monitor.observe(.refused(name, entries: 11, "bad", time: .zero), of: "main")
        monitor.observe(.clockSkew(instance: "a", ahead: .milliseconds(1500), exceeds: false), of: "main")
        monitor.observe(.namesake(name), of: "main")
        monitor.observe(.fenced("away for too long"), of: "main")
        let text = await monitor.metrics()
        let expected: [String: Double] = [
            #"lightningstream_receiver_snapshots_last_received_seconds{lmdb="main",syncer_instance="a"}"#:
                Double(TestClock.start - 30),
            #"lightningstream_receiver_snapshots_last_received_age_seconds_bucket{lmdb="main",syncer_instance="a",le="10"}"#:
                0,
            #"lightningstream_receiver_snapshots_last_received_age_seconds_bucket{lmdb="main",syncer_instance="a",le="30"}"#:
                1,
            #"lightningstream_receiver_snapshots_in_storage_count{lmdb="main"}"#: 2,
            #"lightningstream_receiver_snapshots_in_storage_bytes{lmdb="main"}"#: 200,
            #"lightningstream_receiver_clock_skew_seconds{lmdb="main",syncer_instance="a"}"#: 1.5,
            #"lightningstream_climit_limit{lmdb="main",limit_name="download"}"#: 2,
            #"lightningstream_climit_waiting{lmdb="main",limit_name="download"}"#: 3,
            #"lightningstream_climit_active{lmdb="main",limit_name="download"}"#: 0,
            #"lightningstream_climit_acquired_total{lmdb="main",limit_name="download"}"#: 1,
            #"lightningstream_climit_waiting_seconds_sum{lmdb="main",limit_name="download"}"#: 0.02,
            #"lightningstream_syncer_entries_total{lmdb="main",result="merged"}"#: 5,
            #"lightningstream_syncer_entries_total{lmdb="main",result="kept"}"#: 7,
            #"lightningstream_syncer_entries_total{lmdb="main",result="refused"}"#: 11,
            #"lightningstream_syncer_write_lock_seconds_sum{lmdb="main"}"#: 0.002,
            #"lightningstream_syncer_visible_latency_seconds_bucket{lmdb="main",syncer_instance="a",le="2.5"}"#: 0,
            #"lightningstream_syncer_visible_latency_seconds_bucket{lmdb="main",syncer_instance="a",le="5"}"#: 1,
            #"lightningstream_syncer_visible_latency_seconds_count{lmdb="main",syncer_instance="a"}"#: 2,
            #"lightningstream_syncer_visible_latency_seconds_sum{lmdb="main",syncer_instance="a"}"#: 43,
            #"lightningstream_syncer_fenced{lmdb="main"}"#: 1,
            #"lightningstream_syncer_namesake{lmdb="main"}"#: 1,
            "lightningstream_syncer_snapshots_load_bytes_total": 100,
            "lightningstream_syncer_snapshots_list_calls_total": 1,
        ]
        for (series, number) in expected { #expect(value(series, in: text) == number, "\(series)") }
        // A merge without a transaction has taken no lock.
        monitor.observe(.merged(.init(name, written: 0, kept: 3)), of: "main")
        #expect(
            value(#"lightningstream_syncer_write_lock_seconds_count{lmdb="main"}"#, in: await monitor.metrics()) == 1)
    }

    @Test func gaugesOfInstancesThatHaveGoneGo() async {
        let monitor = monitor()
        monitor.observe(listing([snapshot("a", 0), snapshot("b", 0)]), of: "main")
        for name in ["a", "b"] {
            monitor.observe(.clockSkew(instance: name, ahead: .zero, exceeds: false), of: "main")
            monitor.observe(.downloaded(snapshot(name, 0), bytes: 1, time: .zero), of: "main")
        }
        monitor.observe(listing([snapshot("b", 0)]), of: "main")
        let text = String(decoding: await monitor.metrics(), as: UTF8.self)
        for family in ["receiver_clock_skew_seconds", "receiver_snapshots_last_received_seconds"] {
            #expect(!text.contains("lightningstream_\(family){lmdb=\"main\",syncer_instance=\"a\"}"))
            #expect(text.contains("lightningstream_\(family){lmdb=\"main\",syncer_instance=\"b\"}"))
        }
        // What was counted stays counted.
        #expect(text.contains(#"age_seconds_count{lmdb="main",syncer_instance="a"} 1"#))
    }

    @Test func callsOfTheStorageAreCounted() async {
        let monitor = monitor()
        monitor.expectStorageCalls()
        #expect(value(#"storage_s3_call_total{method="delete"}"#, in: await monitor.metrics()) == 0)
        monitor.observe(StorageCall(method: .load, time: 1_500_000_000, duration: .milliseconds(30)))
        monitor.observe(StorageCall(method: .load, time: 2_500_000_000, duration: .seconds(1), errorCode: "SlowDown"))
        let text = await monitor.metrics()
        #expect(value(#"storage_s3_call_timestamp_seconds{method="load"}"#, in: text) == 2.5)
        #expect(value(#"storage_s3_call_total{method="load"}"#, in: text) == 2)
        #expect(value(#"storage_s3_call_error_total{method="load"}"#, in: text) == 1)
        #expect(value(#"storage_s3_call_error_by_type_total{method="load",error="SlowDown"}"#, in: text) == 1)
        #expect(value(#"storage_s3_call_duration_seconds_bucket{method="load",le="0.05"}"#, in: text) == 1)
        #expect(value(#"storage_s3_call_duration_seconds_sum{method="load"}"#, in: text) == 1.03)
    }

    /// Alert rules name bounds as `le`; a series that is not there makes a rule silent.
    @Test func histogramsHaveTheBoundsOfRelease1() async {
        let monitor = monitor()
        monitor.expectStorageCalls()
        monitor.observe(.downloaded(snapshot("a", 0), bytes: 1, time: .zero), of: "main")
        let text = String(decoding: await monitor.metrics(), as: UTF8.self)
        let limit = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"]
        let expected: [(name: String, labels: String, bounds: [String])] = [
            (
                "lightningstream_receiver_snapshots_last_received_age_seconds", #"lmdb="main",syncer_instance="a""#,
                [
                    "0.1", "0.2", "0.5", "1", "2", "5", "10", "30", "60", "120", "300", "600", "1800", "3600", "7200",
                    "21600", "43200", "86400", "259200", "604800", "1.2096e+06", "2.592e+06",
                ]
            ),
            ("lightningstream_climit_active_seconds", #"lmdb="main",limit_name="download""#, limit),
            ("lightningstream_climit_waiting_seconds", #"lmdb="main",limit_name="decompress""#, limit),
            (
                "storage_s3_call_duration_seconds", #"method="load""#,
                ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "10", "30", "60"]
            ),
        ]
        for (name, labels, bounds) in expected {
            for bound in bounds + ["+Inf"] {
                #expect(text.contains("\n\(name)_bucket{\(labels),le=\"\(bound)\"} "), "\(name) \(bound)")
            }
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

/// A monitor beside real syncers.
@Suite(.timeLimit(.minutes(5))) struct MonitorLiveTests {
    private let log = LogLines()

    private func syncer(
        _ environment: LMDB.Environment, _ store: any BlobStore, _ monitor: Monitor
    ) -> DatabaseSyncer {
        DatabaseSyncer(
            settings: .init(
                identity: SenderIdentity(database: "main", instance: "own", hostname: "host"),
                environment: environment.options,
                machine: .init(
                    instance: "own", receiveOnly: false, onlyOnce: false, storagePollInterval: .milliseconds(40),
                    receiver: .init(concurrentDownloads: 2, retryInterval: .milliseconds(30)),
                    sender: .init(
                        minimumInterval: .milliseconds(30), forceInterval: .zero, retryInterval: .milliseconds(30),
                        retryLimit: nil)), lmdbPollInterval: .milliseconds(30)),
            store: store, logger: log.logger, environment: environment, observer: monitor)
    }

    @Test func aSyncerIsReported() async throws {
        let directory = try TemporaryDirectory()
        let environment = try makeLMDB(directory)
        try environment.put("key", timestamp: 5)
        let store = MemoryStore()
        try await store.store(
            "main__other.state",
            Spool(
                Array(
                    #"{"applied":{},"health":"Warning","hostname":"h","instance":"other","software":"s","time":"t","version":1}"#
                        .utf8)))
        let monitor = Monitor(.test(paths: ["main": directory.file("data.mdb")]), logger: log.logger)
        #expect(await monitor.report().databases[0].lmdb == nil)
        let syncer = syncer(environment, store, monitor)
        try await monitor.run(with: store) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                defer { syncer.shutDown() }
                group.addTask { try await syncer.run() }
                try await eventually {
                    let database = await monitor.report().databases[0]
                    return database.unsent == false && database.startupComplete == true
                        && database.instances.map(\.name) == ["other", "own"] && database.instances[0].health != nil
                }
                let report = await monitor.report()
                let database = report.databases[0]
                #expect(report.mode == .sync && report.instance == "own" && report.health.status == "OK")
                #expect(database.lmdb?.dbis.map(\.name) == ["records"] && database.lmdb?.mapSize == 1 << 20)
                #expect(database.sent != nil && database.activities.map(\.kind) == [.send])
                #expect(database.instances[0].health == "Warning" && database.instances[1].isOwn)
                try await eventually {
                    value(#"lmdb_stat_entries{lmdb="main",db="records"}"#, in: await monitor.metrics()) == 1
                }
                let text = await monitor.metrics()
                #expect(value(#"lmdb_mapsize_bytes{lmdb="main"}"#, in: text) == 1_048_576)
                #expect(value(#"lightningstream_syncer_snapshots_generated_total{lmdb="main"}"#, in: text) == 1)
                let headroom = try #require(value(#"lmdb_map_headroom_fraction{lmdb="main"}"#, in: text))
                #expect(headroom > 0.5 && headroom < 1)
                let rss = #"lmdb_smaps_bytes{lmdb="main",database_path="\#(directory.file("data.mdb"))",smap="rss"}"#
                // Nobody waits for it for long.
                try await eventually { value(rss, in: await monitor.metrics()) ?? 0 > 0 }
                syncer.shutDown()
                try await group.waitForAll()
            }
        }
        #expect(try await store.list(prefix: "main__own.state").count == 1)
    }

    @Test func statisticsAreLogged() async throws {
        let directory = try TemporaryDirectory()
        let environment = try makeLMDB(directory)
        try environment.put("key", timestamp: 5)
        var settings = MonitorSettings.test(["main", "notOpen"])
        settings.statisticsInterval = .milliseconds(10)
        let monitor = Monitor(settings, logger: log.logger)
        monitor.observe(.opened(environment), of: "main")
        try await monitor.run(with: MemoryStore()) {
            try await eventually { log.count("statistics of the LMDB") >= 2 }
        }
        #expect(log.count("\"entries\": 1") >= 2)
        #expect(log.count("notOpen") == 0)
    }
}
