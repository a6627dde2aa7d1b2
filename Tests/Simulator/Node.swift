import BlobStorage
import LMDB
import Replication
import Snapshots
import Support
import TestSupport

/// One host: its LMDB, its clock, and the process that syncs it while that runs.
final class Node {
    let index: Int
    let name: String
    /// Its name in the storage, which a namesake shares.
    let instance: String
    let member: Scenario.Member
    let clock: SimulatedClock
    var directory: ScratchDirectory
    var environment: LMDB.Environment
    /// How many LMDBs it has had.
    private(set) var generation = 0
    /// The one that its published state is about.
    var publishedGeneration = 0
    /// What is in the LMDB, as of the last look.
    var contents: TestContents = [:]
    /// What was read last, and as of which transaction.
    var lastRead: (transaction: UInt64, contents: TestContents)?
    /// The LMDB file of some time ago.
    var backup: (bytes: [UInt8], contents: TestContents)?
    var process: Process?
    var isCutOff = false
    /// Until when no object can be downloaded.
    var downloadsFrom = Duration.zero
    /// Whether it has been started once.
    var hasStarted = false
    var random: SeededGenerator
    /// Objects of which one download was damaged: the next one is not.
    var garbled: Set<SnapshotName> = []
    /// When an operator has rebuilt its LMDB.
    var lastResync = Duration.zero
    /// When the report of a namesake began, and when it ended, by turns.
    var namesakeChanges: [Duration] = []
    /// How many times a send began, and how many reasons there were for one at most.
    var sends = 0
    var reasonsToSend = 0

    init(_ index: Int, _ member: Scenario.Member, _ time: SimulatedTime, seed: UInt64, mapSize: Int) throws {
        self.index = index
        self.member = member
        name = "node\(index)"
        instance = member.isNamesake ? "node0" : name
        random = SeededGenerator(seed: seed ^ UInt64(index + 1) &* 0x9e37_79b9)
        clock = SimulatedClock(time, error: member.clockError)
        directory = try ScratchDirectory()
        environment = try .scratch(directory, mapSize: mapSize)
    }

    /// Gives it another LMDB: an empty one, or one with these bytes.
    func replaceLMDB(with backup: (bytes: [UInt8], contents: TestContents)?, mapSize: Int) throws {
        generation += 1
        directory = try ScratchDirectory()
        if let backup { try writeFile("\(directory.path)/data.mdb", backup.bytes) }
        environment = try .scratch(directory, mapSize: mapSize)
        contents = backup?.contents ?? [:]
        lastRead = nil
    }

    func backUp() throws { backup = (try readFile("\(directory.path)/data.mdb"), contents) }
}

/// A run of the program on a host.
final class Process {
    var engine: SyncEngine<SimulatedEffects>?
    let database: SyncedDatabase
    /// Nothing of it happens any more.
    var isDead = false
    var isStarted = false
    /// Whether a merge waits for the write lock.
    var isApplying = false
    /// What it has merged and sent, and the transaction up to which everything is sent, as it reports.
    var progress = SyncProgress()
    var settled: UInt64?
    /// Whether its state waits to be published.
    var isPublishing = false
    var isFinished = false
    /// Whether the storage announces all changes over a connection.
    var hasFeed = false
    /// The update marker, as this process knows it; nil if there is none.
    var marker: UpdateMarker?
    /// The snapshot of another host with its name, and whether there was one.
    var namesake: SnapshotName?
    var sawNamesake = false
    /// The same for the listing that is kept as long as the marker does not change.
    var lastKept = Duration.zero
    /// When the storage was as the last listing shows it.
    var lastListing = Duration.zero
    /// When the next tick comes.
    var tick: Duration?
    /// The timestamps of the snapshot that is being stored.
    var scanned: [SnapshotName: TestContents] = [:]

    init(_ database: SyncedDatabase) { self.database = database }
}

/// The time that all hosts share.
final class SimulatedTime: @unchecked Sendable {
    var now = Duration.zero

    static let start: UInt64 = 1_800_000_000_000_000_000

    private static let begin = ContinuousClock.now

    /// The same for what counts in instants.
    var instant: ContinuousClock.Instant { Self.begin + now }

    /// Nanoseconds since the UNIX epoch.
    var wall: UInt64 { Self.start + UInt64(now.wholeNanoseconds) }
}

/// The clock of a host. Used by one thread, as everything here.
final class SimulatedClock: @unchecked Sendable {
    let time: SimulatedTime
    /// How far it is ahead.
    var error: Duration

    init(_ time: SimulatedTime, error: Duration) { (self.time, self.error) = (time, error) }

    var wall: UInt64 { UInt64(Int64(time.wall) + error.wholeNanoseconds) }
    var syncClock: SyncClock { SyncClock(wall: { self.wall }, uptime: { self.time.now }) }
}
