import BlobStorage
import LMDB
import Simulator
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// The name of a delta of the database `main`.
func delta(_ instance: String, _ from: UInt64) -> SnapshotName {
    SnapshotName(
        database: "main", instance: instance, timestamp: from, fileExtension: SnapshotName.deltaExtension)
}

/// The bytes of a delta.
func deltaBody(
    _ name: SnapshotName, to end: UInt64, flags: UInt64 = 0, in database: String = "records",
    _ entries: [(key: String, version: TestVersion)]
) throws -> Spool {
    var writer = try SnapshotWriter(
        SnapshotMeta(
            instanceID: name.instance, timestamp: end, databaseName: "main", from: name.timestamp, readsDeltas: true))
    try writer.beginDatabase(database, flags: flags)
    for (key, version) in entries.sorted(by: { $0.key < $1.key }) {
        try Array(key.utf8).withUnsafeBytes { key in
            try version.value.withUnsafeBytes { value in
                try writer.append(
                    key: key, value: value, timestamp: version.timestamp, isDeleted: version.isDeleted)
            }
        }
    }
    try writer.endDatabase()
    return try writer.finish()
}

/// Deltas that are merged in one transaction.
@Suite struct MergeTogetherTests {
    /// Writes down what changes, and refuses what it is asked to.
    private final class Notes: ChangeInspector {
        let lines = Mutex<[String]>([])
        /// Refused when it is compared for the second time.
        let refused: String?
        /// Looks at more than what changes.
        let curious: String?

        init(refusing refused: String? = nil, curious: String? = nil) {
            (self.refused, self.curious) = (refused, curious)
        }

        func inspectMerge(of snapshot: SnapshotName, into database: String) -> (any MergeInspection)? {
            Look(self, snapshot.instance)
        }
        func inspectSend(of database: String) -> (any SendInspection)? { nil }
        func note(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock(\.self) }
    }

    private final class Look: MergeInspection {
        private let notes: Notes
        private let instance: String
        private let comparisons = Mutex(0)

        init(_ notes: Notes, _ instance: String) { (self.notes, self.instance) = (notes, instance) }

        var isSelfContained: Bool { notes.curious != instance }

        func begins(_ transaction: borrowing ReadTransaction) throws {
            let count = comparisons.withLock { count in
                count += 1
                return count
            }
            notes.note("\(instance) begins")
            if notes.refused == instance, count > 1 { throw RefusedSnapshot("not \(instance)") }
        }
        func change(
            of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version
        ) throws(RefusedSnapshot) -> ChangeVerdict {
            let old = old.map { String(decoding: $0.value, as: UTF8.self) } ?? "nothing"
            notes.note("\(instance): \(old) to \(String(decoding: new.value, as: UTF8.self))")
            return .merge
        }
        func check(_ transaction: borrowing ReadTransaction) throws {}
        func refused(_ refusal: RefusedSnapshot) -> RefusedSnapshot { refusal }
        func heldBack() -> HeldEntries? { nil }
        func lost(_ key: UnsafeRawBufferPointer, in dbi: String) { notes.note("\(instance) lost") }
        func ended(_ report: MergeReport?) {}
    }

    private let instance: Instance
    private var environment: LMDB.Environment { instance.application }

    init() throws {
        instance = try Instance("own", MemoryStore())
        try environment.put("old", .init(1, "old"))
    }

    private func database(_ notes: Notes? = nil) -> SyncedDatabase {
        var settings = instance.settings
        settings.machine.deltas = .init()
        return SyncedDatabase(
            settings: settings, environment: environment, clock: SyncClock(), inspector: notes)
    }

    private typealias Delta = (
        instance: String, flags: UInt64, dbi: String, entries: [(key: String, version: TestVersion)]
    )

    /// Compares deltas from 10 to 20, each behind those before it.
    private func compared(_ deltas: [Delta], _ database: SyncedDatabase) throws -> [MergeInHand] {
        var merges: [MergeInHand] = []
        for one in deltas {
            let name = delta(one.instance, 10)
            let order = MergeOrder(
                name: name, body: try deltaBody(name, to: 20, flags: one.flags, in: one.dbi, one.entries),
                downloadTime: .zero, leavesOutOldDeletions: false, behind: merges)
            database.compare(order) { event in
                if case .compared(let merge) = event { merges.append(merge) }
            }
        }
        #expect(merges.count == deltas.count)
        return merges
    }

    /// - Returns: what is reported: the instance, and in the how manyth transaction something of it was written, or that it failed.
    private func apply(
        _ merges: [MergeInHand], _ database: SyncedDatabase, isOutdated: Bool = false,
        positions: RecordedPositions? = nil
    ) -> [String] {
        var reports: [String] = []
        let before = environment.info.lastTransactionID
        database.apply(merges, isOutdated: isOutdated, positions: positions) { event in
            switch event {
            case .merged(let merge, let report, _):
                reports.append("\(merge.name.instance) \(report.transaction.map { "+\($0 - before)" } ?? "-")")
            case .mergeFailed(let name, _): reports.append("\(name.instance) failed")
            default: break
            }
        }
        return reports
    }

    private var positions: RecordedPositions {
        var positions = RecordedPositions()
        positions.merged = ["a": 20, "b": 20, "c": 20]
        return positions
    }

    private func one(_ instance: String, _ entries: [(key: String, version: TestVersion)]) -> Delta {
        (instance, 0, "records", entries)
    }

    @Test(arguments: [false, true]) func allAreWrittenInOneTransactionAndTheNewestWins(isInspected: Bool) throws {
        let notes = Notes()
        let database = database(isInspected ? notes : nil)
        let merges = try compared(
            [
                one("a", [("k", .init(5, "a")), ("l", .init(9, "a"))]), one("b", [("k", .init(7, "b"))]),
                one("c", [("k", .init(6, "c")), ("l", .deleted(8)), ("m", .init(1, "c"))]),
            ], database)
        let before = environment.info.lastTransactionID
        #expect(apply(merges, database, positions: positions) == ["a +1", "b +1", "c +1"])
        #expect(environment.info.lastTransactionID == before + 1)
        #expect(try environment.version("k") == .init(7, "b"))
        #expect(try environment.version("l") == .init(9, "a"))
        #expect(try environment.version("m") == .init(1, "c"))
        #expect(try RecordedPositions.read(environment) == positions)
        if isInspected {
            // Each is told what it replaces once those before it are written.
            let expected = [
                "a begins", "a: nothing to a", "a: nothing to a", "b begins", "b: a to b", "c begins",
                "c: nothing to c",
                "c lost", "c lost",
            ]
            #expect(notes.all == expected)
        }
    }

    @Test func whatTheApplicationWritesMeanwhileIsComparedAgain() throws {
        let database = database()
        let merges = try compared([one("a", [("k", .init(5, "a"))]), one("b", [("k", .init(7, "b"))])], database)
        try environment.put("k", .init(6, "x"))
        #expect(apply(merges, database) == ["a -", "b +1"])
        #expect(try environment.version("k") == .init(7, "b"))
        let others = try compared([one("c", [("l", .init(5, "c"))]), one("d", [("l", .init(4, "d"))])], database)
        try environment.put("l", .init(6, "x"))
        #expect(apply(others, database, positions: positions) == ["c -", "d -"])
        #expect(try environment.version("l") == .init(6, "x"))
    }

    /// Two may be right by themselves, and not together.
    @Test func whoLooksAtMoreIsComparedAgainAfterTheOthers() throws {
        let notes = Notes(curious: "b")
        let database = database(notes)
        let merges = try compared(
            [one("a", [("k", .init(5, "a"))]), one("b", [("k", .init(7, "b"))]), one("c", [("k", .init(8, "c"))])],
            database)
        #expect(apply(merges, database, positions: positions) == ["a +1", "b +2", "c +2"])
        #expect(
            notes.all.suffix(4) == ["b begins", "b: a to b", "c begins", "c: b to c"])
        #expect(try RecordedPositions.read(environment) == positions)
        // The first one needs nothing else.
        let first = try compared([one("b", [("m", .init(5, "b"))]), one("c", [("n", .init(5, "c"))])], database)
        #expect(apply(first, database) == ["b +1", "c +1"])
    }

    @Test func thoseThatCannotBeWrittenTogetherAreWrittenAlone() throws {
        let database = database(Notes())
        // Who is first decides about the flags.
        let merges = try compared(
            [
                ("a", 0, "new", [("k", .init(5, "a"))]),
                ("b", UInt64(DatabaseFlags.reverseKey.rawValue), "new", [("l", .init(5, "b"))]),
                one("c", [("k", .init(5, "c"))]),
            ], database)
        #expect(apply(merges, database, positions: positions) == ["a +1", "b +2", "c +3"])
        #expect(try environment.version("k", in: "new") == .init(5, "a"))
        #expect(try environment.version("l", in: "new") == .init(5, "b"))
        #expect(try environment.version("k") == .init(5, "c"))
    }

    @Test func oneThatCannotBeWrittenHoldsUpNoOther() throws {
        try environment.put("k", .init(1, "x"), in: "gone")
        let database = database()
        let merges = try compared(
            [
                one("a", [("k", .init(5, "a"))]), ("b", 0, "gone", [("k", .init(5, "b"))]),
                one("c", [("l", .init(5, "c"))]),
            ],
            database)
        try environment.write { transaction in
            if let gone = try transaction.database("gone") { try transaction.drop(gone) }
            return .commit(())
        }
        #expect(apply(merges, database, positions: positions) == ["a +1", "b failed", "c +2"])
        #expect(try environment.version("k") == .init(5, "a"))
        #expect(try environment.version("l") == .init(5, "c"))
        // What they say of it would be wrong.
        #expect(try RecordedPositions.read(environment) == RecordedPositions())
    }

    /// The refused one had the newer entry, so that the other one seemed to have nothing to write.
    @Test func oneThatIsRefusedAtLastLeavesItsPlaceToTheOthers() throws {
        let notes = Notes(refusing: "a")
        let database = database(notes)
        let merges = try compared([one("a", [("k", .init(5, "a"))]), one("b", [("k", .init(3, "b"))])], database)
        #expect(notes.all == ["a begins", "a: nothing to a", "b begins"])
        #expect(apply(merges, database, isOutdated: true, positions: positions) == ["a failed", "b +1"])
        #expect(try environment.version("k") == .init(3, "b"))
        #expect(try RecordedPositions.read(environment) == RecordedPositions())
    }
}
