import BlobStorage
import Logging
import Snapshots
import TestSupport
import Testing

@testable import Replication

/// What a process reads again that was stopped and started.
@Suite struct RestartLiveTests {
    private func syncer(_ instance: Instance, _ store: any BlobStore, _ log: LogLines) -> DatabaseSyncer {
        var settings = instance.settings
        settings.machine.deltas = .init()
        return DatabaseSyncer(
            settings: settings, store: store, logger: Logger(label: "test") { _ in log }, clock: SyncClock(),
            environment: instance.application)
    }

    /// Runs a process until its start-up is complete; returns its log.
    private func run(_ instance: Instance, _ store: any BlobStore) async throws -> LogLines {
        let log = LogLines()
        let syncer = syncer(instance, store, log)
        async let run: Void = syncer.run()
        try await eventually { log.contains("start-up is complete") }
        syncer.shutDown()
        try await run
        return log
    }

    // Neither the snapshot of another one that has no news, nor the own one of the last start, is recorded by a merge.
    @Test func whatHadNoNewsIsNotComparedAgain() async throws {
        let store = MemoryStore()
        let (a, b) = (try Instance("a", store), try Instance("b", store))
        for instance in [a, b] { try instance.application.put("same", .init(1, "x")) }
        #expect(!(try await run(b, store)).contains("merged a snapshot"))
        #expect((try await run(a, store)).contains("merged a snapshot"))
        for _ in 0..<3 { #expect(!(try await run(a, store)).contains("merged a snapshot")) }
    }

    @Test func aWriterThatHoldsTheLockDoesNotPreventTheEnd() async throws {
        let store = MemoryStore()
        let a = try Instance("a", store)
        try a.application.put("key", .init(1, "x"))
        let log = LogLines()
        let syncer = syncer(a, store, log)
        async let run: Void = syncer.run()
        try await eventually { log.contains("start-up is complete") }
        let lock = try await MergeBesideTests.Lock(of: a.application)
        defer { lock.release() }
        syncer.shutDown()
        try await run
        #expect(try RecordedPositions.read(a.application) == RecordedPositions())
    }
}
