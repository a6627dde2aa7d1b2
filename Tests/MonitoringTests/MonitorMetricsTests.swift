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

/// Counts under simulated time.
@Suite(.timeLimit(.minutes(5))) struct MonitorMetricsTests {
    private let clock = TestClock()
    private let log = LogLines()

    private func monitor(_ settings: MonitorSettings = .test()) -> Monitor {
        Monitor(settings, logger: log.logger) { [clock] in clock.now }
    }

    /// A download that the storage refuses ends a download, not a merge.
    @Test func aRefusedDownloadIsCounted() async throws {
        let monitor = monitor()
        let name = snapshot("a", -30)
        monitor.observe(.downloadStarted(name, waited: .zero), of: "main")
        monitor.observe(.refused(name, entries: nil, "it is forged", time: .zero), of: "main")
        let text = await monitor.metrics()
        for limit in ["download", "decompress"] {
            #expect(value(#"lightningstream_climit_active{lmdb="main",limit_name="\#(limit)"}"#, in: text) == 0)
        }
        #expect(value(#"lightningstream_syncer_entries_total{lmdb="main",result="refused"}"#, in: text) == 0)
        #expect(monitor.health().warnings["main_snapshot_refused"]?.contains("it is forged") == true)
    }

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
        monitor.expectStorageCalls(to: .s3)
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

    @Test func callsOfEachKindOfServerAreItsOwn() async {
        let monitor = monitor()
        monitor.expectStorageCalls(to: .azure)
        monitor.observe(StorageCall(.azure, method: .list, time: 1_500_000_000, duration: .milliseconds(3)))
        let text = await monitor.metrics()
        #expect(value(#"storage_azure_call_total{method="list"}"#, in: text) == 1)
        #expect(value(#"storage_azure_call_error_by_type_total{method="list",error="NotFound"}"#, in: text) == 0)
        #expect(!String(decoding: text, as: UTF8.self).contains("storage_s3_call_total{"))
    }

    /// Alert rules name bounds as `le`; a series that is not there makes a rule silent.
    @Test func histogramsHaveTheBoundsOfRelease1() async {
        let monitor = monitor()
        monitor.expectStorageCalls(to: .s3)
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
}
