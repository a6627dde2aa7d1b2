import Testing

@testable import LMDB

/// Dropping a named database, and what becomes of its handle.
@Suite struct DropTests {
    private let scratch: Scratch
    private let environment: LMDB.Environment

    init() throws {
        scratch = try Scratch()
        environment = try scratch.open(maximumDatabases: 3)
        for name in ["a", "b"] { try environment.put([("key1", "of \(name)")], database: name) }
    }

    private func drop(_ name: String, _ transaction: borrowing WriteTransaction) throws {
        try transaction.drop(#require(try transaction.database(name)))
    }

    @Test(arguments: [[], .integerKey, [.duplicateSort, .duplicateFixed]] as [DatabaseFlags])
    func whatIsDroppedIsGoneAndTheRestStays(_ flags: DatabaseFlags) throws {
        try environment.put((0..<2000).map { (String(key($0).suffix(4)), "value") }, database: "c", flags: flags)
        let used = try environment.read { try $0.statistics(#require(try $0.database("c"))).entries }
        #expect(used == 2000)
        try environment.write { transaction in
            try drop("c", transaction)
            #expect(try transaction.database("c")?.name == nil)
            return .commit(())
        }
        #expect(try environment.entries("c") == nil)
        #expect(try environment.read { try $0.databases().map(\.name) } == ["a", "b"])
        #expect(try environment.entries("a") == [["key1", "of a"]])
        // Its pages are there to be used again, from the transaction after the next on.
        try environment.put([("k", "v")], database: "b")
        let before = environment.info.usedBytes
        try environment.put((0..<2000).map { (String(key($0).suffix(4)), "value") }, database: "c")
        #expect(environment.info.usedBytes < before + 10 * environment.info.pageSize)
    }

    @Test func anAbortBringsItBack() throws {
        #expect(try environment.entries("a")?.count == 1)
        try environment.write { transaction -> WriteOutcome<Void> in
            try drop("a", transaction)
            return .abort(())
        }
        // The number of its handle may belong to this one now.
        try environment.put([("key1", "of c")], database: "c")
        #expect(try environment.entries("a") == [["key1", "of a"]])
        #expect(try environment.entries("b") == [["key1", "of b"]])
        #expect(try environment.entries("c") == [["key1", "of c"]])
        try environment.put([("key2", "new")], database: "a")
        #expect(try environment.entries("a") == [["key1", "of a"], ["key2", "new"]])
    }

    /// Its handle was opened by the transaction that drops it, and in the second round by the one before.
    @Test func anAbortBringsBackWhatWasOpenedInTheSameTransaction() throws {
        let environment = try Scratch().open()
        for round in 0..<2 {
            try environment.write { transaction -> WriteOutcome<Void> in
                let database = try transaction.database("new", creating: [])
                try "k".withBytes { try transaction.put(database, $0, $0) }
                try drop("new", transaction)
                return round == 0 ? .abort(()) : .commit(())
            }
            #expect(try environment.entries("new") == nil)
        }
        try environment.put([("k", "v")], database: "other")
        #expect(try environment.entries("new") == nil)
        #expect(try environment.entries("other") == [["k", "v"]])
    }

    @Test func itCanBeMadeAnewInTheSameTransaction() throws {
        try environment.write { transaction in
            try drop("a", transaction)
            let anew = try transaction.database("a", creating: .integerKey)
            #expect(anew.flags == .integerKey)
            try "1234".withBytes { try transaction.put(anew, $0, $0) }
            return .commit(())
        }
        #expect(try environment.entries("a") == [["1234", "1234"]])
        #expect(try environment.read { try $0.database("a")?.flags } == .integerKey)
    }

    @Test func aDroppedOneCannotBeDroppedAgain() throws {
        let error = lmdbError {
            try environment.write { transaction -> WriteOutcome<Void> in
                let database = try #require(try transaction.database("a"))
                try transaction.drop(database)
                // Takes the number of the handle.
                _ = try transaction.database("c", creating: [])
                try transaction.drop(database)
                return .commit(())
            }
        }
        #expect(error?.description.hasPrefix("cannot drop DBI a of LMDB \(scratch.file): ") == true)
        #expect(try environment.read { try $0.databases().map(\.name) } == ["a", "b"])
    }

    @Test func makesRoomForOthers() throws {
        try environment.put([("k", "v")], database: "c")
        #expect(lmdbError { try environment.put([("k", "v")], database: "d") }?.code == .databasesFull)
        try environment.write { transaction in
            try drop("b", transaction)
            return .commit(())
        }
        try environment.put([("k", "v")], database: "d")
        #expect(try environment.read { try $0.databases().map(\.name) } == ["a", "c", "d"])
    }
}
