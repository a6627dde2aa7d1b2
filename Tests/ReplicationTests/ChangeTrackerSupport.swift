import LMDB
import Simulator
import Snapshots
import Support
import Synchronization
import Testing

@testable import Replication

/// An LMDB with a tracker, and the objects that a bucket would have.
final class TrackedLMDB {
    let directory: ScratchDirectory
    let environment: LMDB.Environment
    let own = OwnTransactions()
    let tracker: ChangeTracker
    let times: TrackerTimes
    let schema: Schema
    /// By name, the last version of each object.
    private(set) var bucket: [SnapshotName: Spool] = [:]
    /// The position of the last reading.
    private(set) var position: UInt64?
    /// Where the delta begins that may be continued.
    private(set) var openedAt: UInt64?
    var inspection: SentNotes?
    private var nextTimestamp: UInt64 = 1000

    static let identity = SenderIdentity(database: "main", instance: "ns1", hostname: "host.example")

    init(
        schema: Schema = .native, mapSize: Int = 16 << 20, isEnabled: Bool = true,
        compare: ChangeTracker.Comparison? = nil
    ) throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory, mapSize: mapSize)
        let times = TrackerTimes()
        (self.times, self.schema) = (times, schema)
        tracker = ChangeTracker(
            environment, SnapshotSource(identity: Self.identity, schema: schema), isEnabled: isEnabled,
            clock: SyncClock(wall: { times.tick() }, uptime: { times.uptime }),
            compare: compare ?? { try PageDiff.run(from: &$0, to: &$1, includes: $2, $3) })
    }

    /// Orders a reading, and keeps its snapshot.
    @discardableResult
    func read(from: UInt64?, positions: [String: UInt64] = [:], floor: UInt64 = 0) throws -> ChangeTracker.Reading {
        let reading = try tracker.read(
            .init(floor: floor, from: from, positions: positions), changes: { own.changes }, inspection: inspection)
        keep(reading)
        return reading
    }

    /// Orders a full snapshot, or a delta that begins at the last reading.
    @discardableResult
    func readNext() throws -> ChangeTracker.Reading { try read(from: position) }

    func keep(_ reading: ChangeTracker.Reading) {
        position = reading.to
        openedAt = reading.from
        if let snapshot = reading.snapshot { bucket[snapshot.name] = snapshot.body }
    }

    /// What an instance has that has merged everything.
    func received() throws -> TestContents {
        var joined: TestContents = [:]
        for body in bucket.values { join(&joined, with: try contents(of: body)) }
        return joined
    }

    func timestamp() -> UInt64 {
        nextTimestamp += 1000
        return nextTimestamp
    }

    /// Lets the application write, later than everything before.
    @discardableResult
    func put(_ key: String, _ value: String?, in database: String = "records") throws -> UInt64 {
        let time = timestamp()
        return try environment.put(
            key, .init(timestamp: time, isDeleted: value == nil, value: Array((value ?? "").utf8)), in: database)
    }

    /// Merges a snapshot of another instance.
    func merge(_ snapshot: RawSnapshot) throws {
        let plan = try environment.plan(snapshot)
        _ = try own.noting { try Merge.apply(plan, to: environment, paddingBlock: false, willCommit: $0) }
    }

    /// Removes an entry without a trace, as a sweeper does.
    func remove(_ key: [UInt8], in database: String = "records") throws {
        try environment.appDelete(key, in: database)
    }
}

/// Clocks of a test: the time of day moves with each use, the monotonic one when it is told to.
final class TrackerTimes: Sendable {
    private let state = Mutex<(wall: UInt64, uptime: Duration)>((1_800_000_000_000_000_000, .seconds(100)))

    func tick() -> UInt64 {
        state.withLock { state in
            state.wall += 1000
            return state.wall
        }
    }

    var uptime: Duration { state.withLock { $0.uptime } }

    func wait(_ time: Duration) { state.withLock { $0.uptime += time } }
}

/// What the inspection of sends was told.
final class SentNotes: SendInspection {
    private let lines = Mutex<[String]>([])

    var taken: [String] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }

    func begins(_ transaction: borrowing ReadTransaction) throws { lines.withLock { $0.append("begins") } }

    func change(of key: UnsafeRawBufferPointer, in dbi: String, to new: MergeRule.Version) {
        note(key, dbi, text(new))
    }

    func change(
        of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version?
    ) {
        note(key, dbi, "\(text(old)) to \(text(new))")
    }

    private func note(_ key: UnsafeRawBufferPointer, _ dbi: String, _ what: String) {
        lines.withLock { $0.append("\(dbi) \(String(decoding: key, as: UTF8.self)): \(what)") }
    }

    private func text(_ version: MergeRule.Version?) -> String {
        guard let version else { return "nothing" }
        return version.isDeleted ? "Deleted" : String(decoding: version.value, as: UTF8.self)
    }

    func ended(_ report: SendReport?) {}
}

extension ChangeTracker.Reading {
    /// Everything in the snapshot, by key, as texts.
    func entries() throws -> [String: String] {
        guard let snapshot else { return [:] }
        var texts: [String: String] = [:]
        for (key, version) in try contents(of: snapshot.body) {
            texts[key.description] = version.isDeleted ? "Deleted" : String(decoding: version.value, as: UTF8.self)
        }
        return texts
    }

    func meta() throws -> SnapshotMeta {
        guard let snapshot else { return SnapshotMeta() }
        return try SnapshotMeta.read(snapshot.body)
    }
}
