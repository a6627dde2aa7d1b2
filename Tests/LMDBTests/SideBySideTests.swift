import CLMDB
import Foundation
import Synchronization
import Testing

@testable import LMDB

/// Transactions of one process beside each other, and beside those of others.
@Suite(.timeLimit(.minutes(5))) struct SideBySideTests {
    /// Two threads that wait for each other.
    private struct Meeting: Sendable {
        private let first = DispatchSemaphore(value: 0)
        private let second = DispatchSemaphore(value: 0)

        /// - Returns: whether the other one has come as well.
        func first(within limit: Double = 60) -> Bool {
            first.signal()
            return second.wait(timeout: .now() + limit) == .success
        }

        func second(within limit: Double = 60) -> Bool {
            second.signal()
            return first.wait(timeout: .now() + limit) == .success
        }
    }

    @Test func readersMeet() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        let environment = try scratch.open()
        let meeting = Meeting()
        async let one = onOwnThread { try environment.read { _ in meeting.first() } }
        async let other = onOwnThread { try environment.read { _ in meeting.second() } }
        #expect(try await one)
        #expect(try await other)
    }

    @Test func aReaderMeetsAWriterThatCreatesADatabase() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        let environment = try scratch.open()
        // Only a reader that finds a database without a handle would wait for the writer.
        #expect(try environment.entries() != nil)
        let meeting = Meeting()
        async let writes = onOwnThread {
            try environment.write { transaction in
                let database = try transaction.database("new", creating: .duplicateSort)
                try key(1).withBytes { try transaction.put(database, $0, $0) }
                return .commit(meeting.first())
            }
        }
        async let reads = onOwnThread {
            try environment.read { transaction in
                let isThere = try transaction.database("new") != nil
                let meets = meeting.second()
                // Not later either: a transaction has one view.
                return try meets && !isThere && transaction.database("new") == nil
                    && transaction.database("a") != nil
            }
        }
        #expect(try await writes)
        #expect(try await reads)
        #expect(try environment.entries("new") == [[key(1), key(1)]])
    }

    /// A database that another process has created is opened while a reader of before goes on.
    @Test func aNewDatabaseIsOpenedBesideAReader() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        let (opened, finished) = (Meeting(), Meeting())
        async let old = onOwnThread {
            try environment.read { transaction in
                let meets = opened.first() && finished.first()
                return try meets && transaction.database("b") == nil && transaction.databases().map(\.name) == ["a"]
            }
        }
        #expect(opened.second())
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            RawEnvironment(file).put([("x", "y")], database: "b")
        }
        #expect(try environment.entries("b") == [["x", "y"]])
        #expect(finished.second())
        #expect(try await old)
    }
}

/// Transactions of this process beside those of another one.
@Suite(.timeLimit(.minutes(5))) struct SideBySideLiveTests {
    @Test func nobodyWaitsWithAWriterForTheLockOfAnotherProcess() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        let baton = Baton(path: scratch.path + "/step")
        let child = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, step = baton.path as String] in
                let baton = Baton(path: step)
                RawEnvironment(file).put([("theirs", "v")]) {
                    baton.reach("locked")
                    baton.wait(for: "release")
                }
            }
        }
        try await baton.reached("locked")
        async let written: Void = onOwnThread { try environment.put([("ours", "v")]) }
        for _ in 0..<6000 where !environment.activity.waitsForLock { try await Task.sleep(for: .milliseconds(10)) }
        #expect(environment.activity.waitsForLock)
        for _ in 0..<3 {
            #expect(try await onOwnThread { try environment.entries() } == [["k", "v"]])
        }
        #expect(environment.activity.waitsForLock)
        baton.reach("release")
        try await written
        await child.value
        #expect(try environment.entries()?.map { $0[0] } == ["k", "ours", "theirs"])
    }

    /// Readers, writers that create databases, and another process that drops one, creates it again with other flags, and makes the map
    /// larger: what each sees fits together.
    @Test func manyThreadsAndAnotherProcess() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: 1 << 20, maximumDatabases: 100)
        try environment.put([("n", "0"), ("m", "0")])
        let baton = Baton(path: scratch.path + "/step")
        let rounds = 60
        let child = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, rounds = rounds as Int, step = baton.path as String] in
                let raw = RawEnvironment(file)
                must(mdb_env_set_flags(raw.pointer, UInt32(MDB_NOSYNC), 1))
                for round in 1...rounds {
                    must(mdb_env_set_mapsize(raw.pointer, raw.usedBytes + 400_000))
                    raw.put([("n", "\(round)"), ("m", "\(round)")])
                    raw.put([("only", "\(round)")], database: "x", flags: round % 2 == 0 ? MDB_DUPSORT : 0)
                    usleep(2000)
                    raw.drop("x")
                    // RawEnvironment keeps no handles of what it has dropped.
                    usleep(1000)
                }
                Baton(path: step).reach("done")
            }
        }
        let isDone = { @Sendable in access(baton.path + ".done", F_OK) == 0 }
        let readers = (0..<3).map { _ in
            Task {
                try await onOwnThread {
                    var reads = 0
                    repeat {
                        try environment.read { transaction in
                            let database = try #require(try transaction.database("a"))
                            let (n, m) = try (
                                "n".withBytes { try transaction.get(database, $0)?.text },
                                "m".withBytes { try transaction.get(database, $0)?.text }
                            )
                            guard n != nil, n == m else { throw Difference(text: "\(n ?? "none") and \(m ?? "none")") }
                            for database in try transaction.databases() {
                                var cursor = try transaction.openCursor(database)
                                while try cursor.next() { reads += 1 }
                            }
                        }
                    } while !isDone()
                    return reads
                }
            }
        }
        let writers = (0..<2).map { number in
            Task {
                try await onOwnThread {
                    for round in 0..<20 { try environment.put([("k", "\(round)")], database: "w\(number)-\(round)") }
                }
            }
        }
        for writer in writers { try await writer.value }
        await child.value
        for reader in readers { #expect(try await reader.value > 0) }
        for number in 0..<2 {
            for round in 0..<20 { #expect(try environment.entries("w\(number)-\(round)") == [["k", "\(round)"]]) }
        }
        #expect(try environment.entries() == [["m", "\(rounds)"], ["n", "\(rounds)"]])
        #expect(try environment.entries("x") == nil)
    }

    private struct Difference: Error { var text: String }
}
