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
