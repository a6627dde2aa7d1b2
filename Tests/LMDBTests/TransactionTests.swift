import CLMDB
import Foundation
import Synchronization
import Testing

@testable import LMDB

/// Transactions: what becomes visible when, and to whom.
@Suite struct TransactionTests {
    private struct Stop: Error, Equatable { var number: Int }

    private func put(_ key: String, _ transaction: borrowing WriteTransaction) throws {
        let database = try transaction.database("a", creating: [])
        try key.withBytes { try transaction.put(database, $0, $0) }
    }

    @Test func aCommitMakesEverythingVisible() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let id = try environment.write { transaction in
            try put("k", transaction)
            return .commit(transaction.id)
        }
        #expect(environment.info.lastTransactionID == id)
        #expect(try environment.read { $0.id } == id)
        #expect(try environment.entries() == [["k", "k"]])
    }

    @Test func anAbortLeavesNoTrace() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let before = environment.info
        let result = try environment.write { transaction in
            try put("k", transaction)
            return .abort(7)
        }
        #expect(result == 7)
        #expect(environment.info == before)
        #expect(try environment.entries() == nil)
        // A database of the same name can be made afterwards, with other flags.
        try environment.put([("1234", "v")], flags: .integerKey)
        #expect(try environment.read { try $0.database("a")?.flags } == .integerKey)
    }

    @Test func aThrownErrorAbortsAndPassesThrough() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let before = environment.info
        #expect(throws: Stop(number: 3)) {
            try environment.write { transaction -> WriteOutcome<Void> in
                try put("k", transaction)
                throw Stop(number: 3)
            }
        }
        #expect(throws: Stop(number: 4)) { try environment.read { _ in throw Stop(number: 4) } }
        #expect(environment.info == before)
        #expect(try environment.entries() == nil)
        // Neither the write lock nor a reader slot is held on to.
        try environment.put([("k", "v")])
        #expect(try environment.entries()?.count == 1)
    }

    @Test func aCommitOfNothingIsNoTransaction() throws {
        let scratch = try Scratch()
        try scratch.fill()
        let environment = try scratch.open()
        let before = environment.info
        try environment.write { transaction in
            _ = try transaction.database("a")
            return .commit(())
        }
        #expect(environment.info == before)
    }

    @Test func aTransactionThatFailedOnceCannotBeCommitted() throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: 1 << 20)
        let error = lmdbError {
            try environment.write { transaction in
                let database = try transaction.database("a", creating: [])
                let value = String(repeating: "x", count: 1000)
                do {
                    for number in 0..<5000 {
                        try key(number).withBytes { key in
                            try value.withBytes { try transaction.put(database, key, $0) }
                        }
                    }
                } catch {}
                return .commit(())
            }
        }
        #expect(error?.code == .other(MDB_BAD_TXN))
        #expect(try environment.entries() == nil)
    }

    @Test func handlesOpenedWhileReadingSurvive() throws {
        let scratch = try Scratch()
        try scratch.fill(database: "a")
        try scratch.fill(database: "b")
        let environment = try scratch.open(maximumDatabases: 2)
        var handles: Set<[MDB_dbi]> = []
        for _ in 0..<5 {
            handles.insert(try environment.read { try $0.databases().map(\.handle) })
            handles.insert(
                try environment.write { .commit(try $0.databases().map(\.handle)) })
            handles.insert(
                try environment.write { .abort(try $0.databases().map(\.handle)) })
            #expect(throws: Stop.self) {
                try environment.read { transaction in
                    handles.insert(try transaction.databases().map(\.handle))
                    throw Stop(number: 0)
                }
            }
        }
        #expect(handles.count == 1)
        #expect(handles.first?.count == 2)
    }

    @Test func aHandleOpenedWhileReadingIsNotGivenToAnother() throws {
        let scratch = try Scratch()
        for name in ["a", "b"] { try scratch.fill(database: name) }
        let environment = try scratch.open()
        let a = try environment.read { try $0.database("a")?.handle }
        let b = try environment.read { try $0.database("b")?.handle }
        #expect(a != nil && b != nil && a != b)
    }

    @Test func handlesOpenedInVainAreForgotten() throws {
        let scratch = try Scratch()
        try scratch.fill(database: "a")
        let environment = try scratch.open(maximumDatabases: 2)
        #expect(throws: Stop.self) {
            try environment.write { transaction -> WriteOutcome<Void> in
                _ = try transaction.database("b", creating: [])
                throw Stop(number: 0)
            }
        }
        // Takes the place that liblmdb has free again.
        try environment.put([("only", "c")], database: "c")
        #expect(lmdbError { try environment.put([("only", "d")], database: "d") }?.code == .databasesFull)
        #expect(try environment.entries("c") == [["only", "c"]])
        #expect(try environment.entries("a")?.isEmpty == false)
    }

    @Test func readingCopiesNothing() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v"), ("large", String(repeating: "x", count: 10_000))])
        let map = try Self.mapping(of: scratch.file)
        try environment.read { transaction in
            let database = try #require(try transaction.database("a"))
            var cursor = try transaction.openCursor(database)
            while try cursor.next() {
                for bytes in [cursor.key, cursor.value] {
                    let start = UInt(bitPattern: bytes.baseAddress)
                    #expect(map.contains(start) && map.contains(start + UInt(bytes.count) - 1))
                }
                let value = try #require(try transaction.get(database, cursor.key))
                #expect(value.baseAddress == cursor.value.baseAddress && value.count == cursor.value.count)
            }
        }
    }

    private static func mapping(of file: String) throws -> Range<UInt> {
        let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n")
        let line = try #require(maps.first { $0.hasSuffix(file) })
        let addresses = line.prefix { $0 != " " }.split(separator: "-").compactMap { UInt($0, radix: 16) }
        try #require(addresses.count == 2)
        return addresses[0]..<addresses[1]
    }

    @Test func theLockOfADeadWriterIsTakenOver() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            _ = RawEnvironment(file).begin()
            _exit(0)
        }
        try environment.put([("l", "w")])
        #expect(try environment.entries()?.count == 2)
    }

    @Test func transactionsOfManyThreadsTakeTurns() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("counter", "0")])
        let failures = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 60) { iteration in
            do {
                guard iteration % 3 > 0 else {
                    _ = try environment.entries()
                    return
                }
                try environment.write { transaction in
                    let database = try transaction.database("a", creating: [])
                    try "counter".withBytes { key in
                        let value = Int(try transaction.get(database, key)?.text ?? "") ?? 0
                        try "\(value + 1)".withBytes { try transaction.put(database, key, $0) }
                    }
                    return .commit(())
                }
            } catch {
                failures.add(1, ordering: .relaxed)
            }
        }
        #expect(failures.load(ordering: .relaxed) == 0)
        #expect(try environment.entries() == [["counter", "40"]])
    }
}

/// Transactions while another process writes.
@Suite struct TransactionLiveTests {
    @Test func aReadTransactionKeepsItsView() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        let baton = Baton(path: scratch.path + "/step")
        let writer = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, step = baton.path as String] in
                Baton(path: step).wait(for: "reading")
                RawEnvironment(file).put([("k", "w"), ("l", "w")])
                Baton(path: step).reach("written")
            }
        }
        let seen = try await onOwnThread {
            try environment.read { transaction in
                var seen: [String] = []
                guard let database = try transaction.database("a") else { return seen }
                var cursor = try transaction.openCursor(database)
                baton.reach("reading")
                baton.wait(for: "written")
                while try cursor.next() { seen.append(cursor.value.text) }
                return seen
            }
        }
        #expect(seen == ["v"])
        await writer.value
        #expect(try environment.entries() == [["k", "w"], ["l", "w"]])
    }

    @Test func aWriterWaitsForAnotherProcess() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        let baton = Baton(path: scratch.path + "/step")
        let other = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, step = baton.path as String] in
                RawEnvironment(file).put([("other", "first")]) {
                    Baton(path: step).reach("writing")
                    Baton(path: step).wait(for: "waiting")
                }
            }
        }
        try await baton.reached("writing")
        async let value = onOwnThread {
            try environment.write { transaction -> WriteOutcome<String?> in
                guard let database = try transaction.database("a") else { return .commit(nil) }
                return .commit(try "other".withBytes { try transaction.get(database, $0)?.text })
            }
        }
        for _ in 0..<6000 where !environment.activity.waitsForLock { try await Task.sleep(for: .milliseconds(10)) }
        #expect(environment.activity.waitsForLock)
        baton.reach("waiting")
        #expect(try await value == "first")
        await other.value
    }
}
