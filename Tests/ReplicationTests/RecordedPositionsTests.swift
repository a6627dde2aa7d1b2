import LMDB
import Snapshots
import TestSupport
import Testing

@testable import Replication
@testable import Simulator

@Suite struct RecordedPositionsTests {
    private func write(_ positions: RecordedPositions, to environment: LMDB.Environment) throws {
        try environment.write { transaction in
            try positions.write(to: transaction, at: 5)
            return .commit(())
        }
    }

    private var some: RecordedPositions {
        var positions = RecordedPositions()
        positions.merged = ["a": 10, "b-c": .max]
        positions.owed = ["d": 7]
        positions.readsDeltas = ["a"]
        return positions
    }

    @Test func whatIsWrittenIsRead() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        #expect(try RecordedPositions.read(environment) == RecordedPositions())
        try write(some, to: environment)
        #expect(try RecordedPositions.read(environment) == some)
        // The later ones replace all earlier ones.
        var other = RecordedPositions()
        other.merged = ["b-c": 20]
        try write(other, to: environment)
        #expect(try RecordedPositions.read(environment) == other)
    }

    @Test func theOtherRecordStays() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        let record = SyncRecord(lastSync: 3, sweepAfter: 4)
        _ = try record.write(to: environment)
        try write(some, to: environment)
        #expect(try SyncRecord.read(environment) == record)
        try SyncRecord.forget(environment)
        #expect(try RecordedPositions.read(environment) == some)
        try RecordedPositions.forget(environment)
        #expect(try RecordedPositions.read(environment) == RecordedPositions())
    }

    @Test func thoseOfAnotherFileDoNotCount() throws {
        let (directory, copy) = (try ScratchDirectory(), try ScratchDirectory())
        let environment = try LMDB.Environment.scratch(directory)
        try write(some, to: environment)
        try writeFile("\(copy.path)/data.mdb", readFile("\(directory.path)/data.mdb"))
        #expect(try RecordedPositions.read(.scratch(copy)) == RecordedPositions())
    }

    @Test func aNameThatIsTooLongForAKeyIsLeftOut() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        var positions = some
        positions.merged[String(repeating: "x", count: 600)] = 5
        positions.owed[String(repeating: "y", count: 600)] = 5
        try write(positions, to: environment)
        #expect(try RecordedPositions.read(environment) == some)
    }

    @Test func damagedOnesDoNotCount() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        try write(some, to: environment)
        try environment.write { transaction in
            let database = try transaction.database(SyncRecord.database, creating: [])
            let value: [UInt8] = [1, 2, 3]
            for key in ["position a", "owed d"] {
                try Array(key.utf8).withUnsafeBytes { key in
                    try value.withUnsafeBytes { try transaction.put(database, key, $0) }
                }
            }
            return .commit(())
        }
        var rest = RecordedPositions()
        rest.merged = ["b-c": .max]
        #expect(try RecordedPositions.read(environment) == rest)
    }

    /// Others bring it back only if they are read again.
    @Test func withADBIThatIsGoneTheyDoNotCount() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        try environment.put("key", .init(1, "x"), in: "first")
        try write(some, to: environment)
        #expect(try some.areRecorded(in: environment))
        try environment.put("key", .init(1, "x"), in: "second")
        // A new one is no reason to forget them, but to record them again.
        #expect(try RecordedPositions.read(environment) == some)
        #expect(try !some.areRecorded(in: environment))
        try write(some, to: environment)
        #expect(try some.areRecorded(in: environment))
        try environment.write { transaction in
            if let database = try transaction.database("second") { try transaction.drop(database) }
            return .commit(())
        }
        #expect(try RecordedPositions.read(environment) == RecordedPositions())
        #expect(try !some.areRecorded(in: environment))
    }

    @Test func thoseWithoutTheNamesOfDBIsDoNotCount() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        try write(some, to: environment)
        try environment.write { transaction in
            let database = try transaction.database(SyncRecord.database, creating: [])
            try Array("databases".utf8).withUnsafeBytes { _ = try transaction.delete(database, $0) }
            return .commit(())
        }
        #expect(try RecordedPositions.read(environment) == RecordedPositions())
    }

    @Test func onlyWhatDiffersFromTheLastOnesIsWritten() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        try write(some, to: environment)
        var next = some
        next.merged["a"] = 11
        next.owed = [:]
        next.readsDeltas = ["b-c"]
        try environment.write { transaction in
            try next.write(to: transaction, at: 6, replacing: some)
            return .commit(())
        }
        #expect(try RecordedPositions.read(environment) == next)
        // What another process has removed stays so, which is safe.
        try RecordedPositions.forget(environment)
        var last = next
        last.merged["a"] = 12
        try environment.write { transaction in
            try last.write(to: transaction, at: 7, replacing: next)
            return .commit(())
        }
        #expect(try RecordedPositions.read(environment).merged == ["a": 12])
    }
}
