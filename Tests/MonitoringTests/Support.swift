import BlobStorage
import LMDB
import Logging
import Observability
import Snapshots
import Support
import Synchronization
import TestSupport

@testable import Monitoring
@testable import Replication

/// A clock that a test sets; it begins at a fixed time.
final class TestClock: Sendable {
    /// 2026-11-21T00:00:00Z
    static let start: Int64 = 1_795_219_200
    private let uptime = Mutex(Duration.zero)

    var now: Moment {
        let uptime = uptime.withLock(\.self)
        return Moment(uptime: uptime, wall: WallTime(nanosecondsSinceEpoch: Self.nanoseconds(uptime)))
    }

    func advance(_ duration: Duration) { uptime.withLock { $0 += duration } }

    /// The time so long after the start, in nanoseconds since the UNIX epoch.
    static func nanoseconds(_ uptime: Duration) -> UInt64 {
        UInt64(start * 1_000_000_000 + Int64(uptime / .nanoseconds(1)))
    }
}

/// The name of a snapshot that shows the time so long after the start.
func snapshot(_ instance: String, _ seconds: Int, database: String = "main") -> SnapshotName {
    SnapshotName(database: database, instance: instance, timestamp: TestClock.nanoseconds(.seconds(seconds)))
}

func listing(
    _ names: [SnapshotName], size: Int = 100, others: [String] = [], written: Duration = .zero, at now: Duration = .zero
) -> SyncEvent {
    let snapshots = names.map { Blob(name: $0.description, size: size) }
    let others = others.map { Blob(name: $0, size: 10, modified: TestClock.nanoseconds(written)) }
    return .listed(Catalog(snapshots + others, database: "main", now: TestClock.nanoseconds(now)))
}

extension MergeReport {
    init(_ name: SnapshotName, written: Int = 1, kept: Int = 0) {
        self.init(
            name: name, position: name, size: 100, written: written, kept: kept, transaction: written > 0 ? 7 : nil,
            ages: EntryAges(),
            compareTime: .milliseconds(1), lockTime: .milliseconds(2), totalTime: .milliseconds(4))
    }
}

extension SendReport {
    init(_ name: SnapshotName) {
        self.init(
            name: name, position: name, size: 100, entries: 3, transaction: 7, dumpTime: .milliseconds(1),
            storeTime: .milliseconds(2),
            totalTime: .milliseconds(3))
    }
}

extension SyncProgress {
    /// These are merged, and of them those are in `sent`.
    init(merged: [SnapshotName], sent: SnapshotName? = nil, covering: [SnapshotName] = []) {
        self.init()
        for name in covering { self.merged(name, in: .init(instance: name.instance, isFarAhead: false)) }
        if let sent { stored(sent, covering: self.merged) }
        for name in merged { self.merged(name, in: .init(instance: name.instance, isFarAhead: false)) }
    }
}

extension MonitorSettings {
    /// The defaults of the configuration.
    static func test(
        _ names: [String] = ["main"], paths: [String: String] = [:], receiveOnly: Bool = false,
        reportsStart: Bool = false, publishesState: Bool = true, onlyOnce: Bool = false
    ) -> MonitorSettings {
        let limits = LastingTrouble.Limits(warning: .seconds(60), failure: .seconds(300))
        return MonitorSettings(
            instance: "own", hostname: "host", version: "1.2.3", receiveOnly: receiveOnly, onlyOnce: onlyOnce,
            databases: names.map { Database(name: $0, path: paths[$0] ?? "/nowhere/\($0)", downloads: 2) },
            health: Health(
                storageList: limits, storageLoad: limits, storageStore: limits, start: limits,
                reportsStart: reportsStart, notesStart: true),
            publishesState: publishesState, scrapesMaps: true, statisticsInterval: .zero)
    }
}

/// A storage whose stores fail while it is told to, and that remembers what was called.
final class FaultyStore: BlobStore {
    private struct State {
        var fails = false
        var stored: [String] = []
        var loaded: [String] = []
    }

    private let base: any BlobStore
    private let state = Mutex(State())

    init(_ base: any BlobStore = MemoryStore()) { self.base = base }

    var fails: Bool {
        get { state.withLock(\.fails) }
        set { state.withLock { $0.fails = newValue } }
    }
    var stored: [String] { state.withLock(\.stored) }
    var loaded: [String] { state.withLock(\.loaded) }

    func list(prefix: String) async throws -> [Blob] { try await base.list(prefix: prefix) }
    func load(_ name: String, atMost limit: Int) async throws -> Spool {
        state.withLock { $0.loaded.append(name) }
        return try await base.load(name, atMost: limit)
    }
    @discardableResult
    func store(_ name: String, _ body: Spool) async throws -> String? {
        let fails = state.withLock { state in
            state.stored.append(name)
            return state.fails
        }
        if fails { throw BlobStoreError(.other, "cannot store \(name): the disk is on fire") }
        return try await base.store(name, body)
    }
    func delete(_ name: String) async throws { try await base.delete(name) }
    func changes(prefix: String) -> AsyncStream<StorageChange>? { nil }
}

/// A new LMDB in a directory of its own.
func makeLMDB(_ directory: TemporaryDirectory) throws -> LMDB.Environment {
    try LMDB.Environment(EnvironmentOptions(path: directory.path, create: true, mapSize: 1 << 20))
}

extension LMDB.Environment {
    /// Writes an entry as an application does that tracks changes itself.
    func put(_ key: String, timestamp: UInt64, in dbi: String = "records") throws {
        try write { transaction in
            let database = try transaction.database(dbi, creating: [])
            var value = [UInt8](repeating: 0, count: EntryHeader.size) + Array("value".utf8)
            let header = EntryHeader(timestamp: timestamp, transactionID: transaction.id, flags: 0)
            value.withUnsafeMutableBytes { header.write(to: $0) }
            try Array(key.utf8).withUnsafeBytes { key in
                try value.withUnsafeBytes { try transaction.put(database, key, $0) }
            }
            return .commit(())
        }
    }
}

/// Something that has happened or not.
final class Flag: Sendable {
    private let state = Mutex(false)
    func raise() { state.withLock { $0 = true } }
    var isRaised: Bool { state.withLock(\.self) }
}

/// The value of a series in the text of metrics; nil when it is not there.
func value(_ series: String, in text: [UInt8]) -> Double? {
    let line = String(decoding: text, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(series + " ") }
    return line.flatMap { Double($0.dropFirst(series.count + 1)) }
}
