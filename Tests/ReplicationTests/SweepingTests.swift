import BlobStorage
import LMDB
import Simulator
import Snapshots
import Support
import TestSupport
import Testing

@testable import Replication

/// The sweeper within the sync loop.
@Suite struct SweepingTests {
    private static let settings = SweeperMachine.Settings(
        retention: .seconds(3600), firstInterval: .seconds(30), interval: .seconds(100),
        lockDuration: .milliseconds(50),
        releaseDuration: .milliseconds(20))

    private static let lock = SweepLock(deleting: .milliseconds(1), committing: .milliseconds(1))

    private static func loop(receiveOnly: Bool = false, onlyOnce: Bool = false) -> Loop {
        Loop(receiveOnly: receiveOnly, onlyOnce: onlyOnce, sweeper: settings, lastSync: 0)
    }

    private func isSweep(_ action: SyncMachine.Action) -> Bool {
        if case .sweep = action { true } else { false }
    }

    @Test func sweepsWhenThereIsNothingElseToDo() {
        var loop = Self.loop()
        loop.startAlone()
        let actions = loop.pass(.seconds(30), listing: [])
        #expect(actions.count == 1 && actions.allSatisfy(isSweep))
        // A slice under way keeps neither lists nor downloads waiting, and merges and sends only if it does not wait itself.
        let name = SnapshotName(database: "main", instance: "other", timestamp: 5)
        #expect(loop.pass(.seconds(1), listing: [name]) == [.download(name)])
        #expect(loop.handle(.downloaded(name)) == [.compare(name)])
        #expect(loop.handle(.swept(transaction: nil, lock: nil, isLast: false)) == [])
        let following = loop.handle(.merged(name, transaction: nil))
        #expect(following.contains(where: isSweep))
        let next = SnapshotName(database: "main", instance: "other", timestamp: 6)
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list])
        #expect(loop.handle(.listed([next, snapshot("own", 1)])) == [.download(next)])
        #expect(loop.handle(.swept(transaction: nil, lock: nil, isLast: false)).contains(where: isSweep))
        #expect(loop.handle(.downloaded(next)) == [])
        #expect(loop.handle(.swept(transaction: nil, lock: nil, isLast: false)) == [.compare(next)])
        #expect(loop.handle(.merged(next, transaction: nil)).contains(where: isSweep))
        #expect(loop.handle(.swept(transaction: nil, lock: nil, isLast: true)) == [])
        #expect(!loop.pass(.seconds(60), listing: [name]).contains(where: isSweep))
        #expect(loop.pass(.seconds(40), listing: [name]).contains(where: isSweep))
    }

    @Test func ownSweepsCauseNoSend() {
        var loop = Self.loop()
        loop.startAlone()
        #expect(loop.pass(.seconds(30), listing: []).count == 1)
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.handle(.swept(transaction: 11, lock: Self.lock, isLast: false)) == [])
        #expect(loop.pass(.milliseconds(30), listing: []).allSatisfy(isSweep))
        #expect(loop.handle(.swept(transaction: 12, lock: Self.lock, isLast: true)) == [])
        #expect(loop.pass(.seconds(20), listing: []) == [])
    }

    @Test func aChangeBetweenTwoSlicesIsSent() {
        var loop = Self.loop()
        loop.startAlone()
        #expect(loop.pass(.seconds(30), listing: []).count == 1)
        #expect(loop.handle(.swept(transaction: 11, lock: Self.lock, isLast: false)) == [])
        #expect(loop.pass(.milliseconds(30), listing: []).allSatisfy(isSweep))
        // The application was number 12.
        #expect(loop.handle(.swept(transaction: 13, lock: Self.lock, isLast: true)) == [])
        #expect(loop.pass(.seconds(2), listing: []) == [.send(.full)])
    }

    @Test func neverInReceiversAndSingleRuns() {
        var receiver = Self.loop(receiveOnly: true)
        #expect(receiver.handle(.tick) == [.list])
        #expect(receiver.handle(.listed([])) == [.started])
        #expect(receiver.pass(.seconds(500), listing: []) == [])
        var once = Self.loop(onlyOnce: true)
        #expect(once.handle(.tick) == [.list])
        #expect(once.handle(.listed([])) == [.send(.full)])
        #expect(once.handle(.read(transaction: 10), after: .seconds(300)) == [.list])
    }

    @Test func theEndWaitsForTheSlice() {
        var loop = Self.loop()
        loop.startAlone()
        #expect(loop.pass(.seconds(30), listing: []).count == 1)
        #expect(loop.handle(.shutDown) == [])
        #expect(loop.handle(.swept(transaction: 11, lock: Self.lock, isLast: false)) == [.finish])
    }

    @Test func aFailedRunIsTriedAtTheNextInterval() {
        var loop = Self.loop()
        loop.startAlone()
        #expect(loop.pass(.seconds(30), listing: []).count == 1)
        #expect(loop.handle(.sweepFailed) == [])
        #expect(loop.pass(.seconds(90), listing: []) == [])
        #expect(loop.pass(.seconds(20), listing: []).contains(where: isSweep))
    }
}

/// A sweeper in a real syncer.
@Suite struct SweepingLiveTests {
    /// With everything real: what is old goes, nothing is sent for that, and one line is logged.
    @Test func removesAndReports() async throws {
        let store = MemoryStore()
        let instance = try Instance(
            "a", store,
            sweeper: .init(
                retention: .seconds(3600), firstInterval: .milliseconds(300), interval: .seconds(1000),
                lockDuration: .milliseconds(50), releaseDuration: .milliseconds(10)))
        try instance.application.applicationWrite(
            (0..<2000).map { (TestKey(database: "records", key: Array("old\($0)".utf8)), .deleted(5)) })
        try instance.application.put("live", TestVersion(5, "x"))
        try instance.application.put("young", .deleted(systemWallClock()))
        try await withSyncers([instance]) {
            try await eventually { instance.log.contains("info swept") }
            #expect(try instance.keys == ["live", "young"])
            #expect(instance.log.contains("\"cleaned\": 2000"))
            // A change of the application goes out as ever.
            #expect(try await snapshots(of: instance, in: store) == 1)
            try instance.application.put("new", TestVersion(systemWallClock(), "x"))
            try await eventually { try await snapshots(of: instance, in: store) == 2 }
        }
        let newest = try #require(try await store.list(prefix: "main__a__").last)
        #expect(try contents(of: try await store.load(newest.name)).count == 3)
    }
}
