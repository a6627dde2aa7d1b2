import Simulator
import Snapshots
import Support
import TestSupport
import Testing

@testable import BlobStorage
@testable import Replication

/// What is said, long before nothing is sent any more, when the other instances cannot be loaded.
@Suite struct SyncLagTests {
    private static let time: UInt64 = 1_800_000_000_000_000_000
    fileprivate static func sweeper(_ retention: Duration) -> SweeperMachine.Settings {
        .init(
            retention: retention, firstInterval: .seconds(100_000), interval: .seconds(100_000),
            lockDuration: .milliseconds(50), releaseDuration: .milliseconds(50))
    }

    private static func name(_ instance: String, _ seconds: UInt64) -> SnapshotName {
        SnapshotName(database: "main", instance: instance, timestamp: time + seconds * 1_000_000_000)
    }

    /// What one instance does while no snapshot of the only other one can be loaded.
    private struct Story {
        var loop = Loop(sweeper: SyncLagTests.sweeper(.seconds(10_000)), lastSync: SyncLagTests.time)
        var seconds: UInt64 = 0
        var transaction: UInt64 = 10
        /// Whether the other one stores a snapshot every 100 s.
        var isOtherAlive = true
        /// A third one, all of whose snapshots are merged.
        var hasThird = false
        var lastSend: UInt64?
        var lag: (begin: UInt64, last: SyncLag)?
        var fenced: UInt64?

        private var names: [SnapshotName] {
            let latest = seconds - seconds % 100
            return [SyncLagTests.name("b", isOtherAlive ? latest : 0)]
                + (hasThird ? [SyncLagTests.name("c", latest)] : [])
                + (lastSend.map { [SyncLagTests.name("own", $0)] } ?? [])
        }

        mutating func run(_ duration: UInt64) {
            for _ in 0..<duration {
                take(.tick, after: .seconds(1))
                seconds += 1
                if seconds % 50 == 0 {
                    transaction += 1
                    take(.observed(transaction: transaction))
                }
                if fenced == nil, loop.machine.fence?.reason != nil { fenced = seconds }
                if let found = loop.machine.lag(at: loop.now) { lag = (lag?.begin ?? seconds, found) }
            }
        }

        private mutating func take(_ event: SyncMachine.Event, after delay: Duration = .zero) {
            for action in loop.handle(event, after: delay) {
                switch action {
                case .list: take(.listed(names, began: SyncLagTests.time + seconds * 1_000_000_000))
                case .download(let name): take(name.instance == "b" ? .downloadFailed(name) : .downloaded(name))
                case .compare(let name): take(.merged(name, transaction: nil))
                case .send:
                    lastSend = seconds
                    take(.read(transaction: transaction))
                    take(.stored(snapshot("own", 1)))
                case .record(let record):
                    transaction += 1
                    take(.recorded(record, transaction: transaction))
                default: break
                }
            }
        }
    }

    @Test func whatWillShutOffSendingIsSaidFromTheStartAndSendingGoesOn() throws {
        var story = Story()
        story.run(5000)
        let lag = try #require(story.lag)
        #expect(lag.begin < 10)
        #expect(lag.last == SyncLag(failing: ["b"], since: Self.time, fencedFrom: Self.time + 4_000_000_000_000))
        let fenced = try #require(story.fenced)
        #expect((4000...4200).contains(fenced))
        #expect(story.lastSend.map { $0 > fenced - 100 && $0 <= fenced } == true)
        #expect(story.loop.machine.lag(at: story.loop.now) == nil)
    }

    /// What it has merged comes with its snapshots.
    @Test func aThirdOneThatIsInSyncIsEnough() {
        var story = Story()
        story.hasThird = true
        story.run(9000)
        #expect(story.lag == nil && story.fenced == nil)
        #expect(story.lastSend.map { $0 > 8900 } == true)
    }
}

/// What a real syncer says of it.
@Suite struct SyncLagLiveTests {
    @Test func theReasonIsLoggedAndObserved() async throws {
        let store = MemoryStore()
        let a = try Instance("a", store, sweeper: SyncLagTests.sweeper(.seconds(800)))
        try a.application.put("mine", TestVersion(systemWallClock(), "x"))
        try await withSyncers([a]) {
            try await eventually { try await snapshots(of: a, in: store) > 0 }
            // This format does not tell the flags of a DBI that is not here.
            try await store.store(
                snapshot("b", systemWallClock()).description,
                RawSnapshot(formatVersion: 2).database("unknown", [.init("key", "b", at: 9)]).spool)
            try await eventually { a.log.contains("not in sync since") }
            #expect(a.log.contains("sending will be blocked from"))
            #expect(a.log.contains("the newest snapshot of b cannot be loaded: the snapshot"))
            let before = try await snapshots(of: a, in: store)
            try a.application.put("mine", TestVersion(systemWallClock(), "y"))
            try await eventually { try await snapshots(of: a, in: store) > before }
            try await store.store(
                snapshot("b", systemWallClock()).description,
                RawSnapshot().database("records", [.init("key", "b", at: 9)]).spool)
            try await eventually { a.log.contains("the snapshots that could not be loaded no longer matter") }
        }
        #expect(a.log.count("not in sync since") == 1)
    }
}
