import CLMDB
import Foundation
import Testing

@testable import LMDB

/// Named databases: names, flags, and what other processes do to them.
@Suite struct DatabaseTests {
    // MARK: Changes by other processes

    @Test func aDatabaseThatAppearsLaterIsFound() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")], database: "first")
        #expect(try environment.entries("later") == nil)
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            RawEnvironment(file).put([("x", "y")], database: "later")
        }
        #expect(try environment.entries("later") == [["x", "y"]])
        #expect(try environment.read { try $0.databases().map(\.name) } == ["first", "later"])
    }

    @Test func aDatabaseDroppedByAnotherProcessIsGone() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        #expect(try environment.entries()?.count == 1)
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in RawEnvironment(file).drop("a") }
        #expect(try environment.entries() == nil)
        #expect(try environment.write { .commit(try $0.database("a") == nil) })
        #expect(try environment.read { try $0.databases().count } == 0)
    }

    @Test(arguments: [[], .integerKey, .duplicateSort] as [DatabaseFlags])
    func aDatabaseDroppedByAnotherProcessCanBeMadeAnew(_ flags: DatabaseFlags) async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("keys", "v")])
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in RawEnvironment(file).drop("a") }
        try environment.put([("1234", "w")], flags: flags)
        #expect(try environment.entries() == [["1234", "w"]])
        #expect(try environment.read { try $0.database("a")?.flags } == flags)
    }

    @Test(arguments: [false, true])
    func aDatabaseMadeAnewWithOtherFlagsIsUsedAsWhatItIs(_ writesFirst: Bool) async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("1234", "v")])
        #expect(try environment.entries()?.count == 1)
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            let environment = RawEnvironment(file)
            environment.drop("a")
            environment.put([("\u{1}\u{0}\u{0}\u{0}", "x")], flags: MDB_INTEGERKEY)
        }
        if writesFirst { try environment.put([("\u{0}\u{1}\u{0}\u{0}", "y")]) }
        #expect(try environment.read { try $0.database("a")?.flags } == .integerKey)
        if !writesFirst { try environment.put([("\u{0}\u{1}\u{0}\u{0}", "y")]) }
        // 1 before 256, as numbers sort and bytes don't.
        #expect(try environment.entries()?.map { $0[1] } == ["x", "y"])
    }

    @Test func aDatabaseMadeAnewWithTheSameFlagsIsRead() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            let environment = RawEnvironment(file)
            environment.drop("a")
            environment.put([("x", "y")])
        }
        #expect(try environment.entries() == [["x", "y"]])
    }

    @Test func aDatabaseReplacedByAPlainEntryIsIncompatible() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        // Of any size, that of a database's record included.
        for size in [1, 48] {
            await #expect(processExitsWith: .success) { [file = scratch.file as String, size = size as Int] in
                let environment = RawEnvironment(file)
                if size == 1 { environment.drop("a") }
                environment.put([("a", String(repeating: "\0", count: size))], database: nil)
            }
            #expect(lmdbError { _ = try environment.entries() }?.code == .incompatible)
            #expect(lmdbError { try environment.put([("k", "v")]) }?.code == .incompatible)
            #expect(try environment.read { try $0.databases().count } == 0)
        }
    }

    // MARK: Names

    @Test(arguments: [
        ("", "has 0 bytes, LMDB supports 1 to 511"), ("a\0b", "contains a NUL"),
        (String(repeating: "n", count: 512), "has 512 bytes, LMDB supports 1 to 511"),
    ])
    func aNameThatLMDBCannotTakeIsAnError(_ name: String, _ problem: String) throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")], database: "a")
        let attempts: [() throws -> Void] = [
            { _ = try environment.entries(name) },
            { try environment.put([("k", "v")], database: name) },
            { _ = try environment.write { .commit(try $0.database(name)?.name) } },
        ]
        for attempt in attempts {
            let error = lmdbError(attempt)
            #expect(error?.code == .badName)
            #expect(error?.description.contains(problem) == true)
        }
        #expect(try environment.read { try $0.databases().map(\.name) } == ["a"])
    }

    @Test(arguments: [
        String(repeating: "n", count: 511), "records_v5", " ", "a/b", "\u{7f}\n", "zürich", "\u{10FFFF}",
    ])
    func otherNamesAreTaken(_ name: String) throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")], database: name)
        #expect(try environment.entries(name) == [["k", "v"]])
        #expect(try environment.read { try $0.databases().map(\.name) } == [name])
    }

    @Test func namesOfTheSameTextInOtherBytesAreOtherDatabases() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
        #expect(composed == decomposed)
        try environment.put([("k", "composed")], database: composed)
        try environment.put([("k", "decomposed")], database: decomposed)
        #expect(try environment.entries(composed) == [["k", "composed"]])
        #expect(try environment.entries(decomposed) == [["k", "decomposed"]])
        #expect(try environment.read { try $0.databases().count } == 2)
    }

    @Test func databasesAreListedInBytewiseOrderWithoutWhatIsNone() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        for name in ["b", "a", "ab", "\u{e9}", "Z"] { try environment.put([("k", "v")], database: name) }
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            let environment = RawEnvironment(file)
            environment.put([("aa plain entry", "v"), ("z", "v"), ("a\0b", "v")], database: nil)
            // A database whose name is not UTF-8.
            let transaction = environment.begin()
            var handle = MDB_dbi()
            must(mdb_dbi_open(transaction, [CChar(bitPattern: 0xff), 0], UInt32(MDB_CREATE), &handle))
            must(mdb_txn_commit(transaction))
        }
        #expect(try environment.read { try $0.databases().map(\.name) } == ["Z", "a", "ab", "b", "\u{e9}"])
        #expect(lmdbError { _ = try environment.entries("z") }?.code == .incompatible)
    }

    // MARK: How many

    @Test func tooManyDatabasesAreAClearError() throws {
        let scratch = try Scratch()
        let environment = try scratch.open(maximumDatabases: 2)
        for name in ["a", "b"] { try environment.put([("k", "v")], database: name) }
        let error = lmdbError { try environment.put([("k", "v")], database: "c") }
        #expect(error?.code == .databasesFull)
        #expect(error?.description.contains("more named databases than the 2 that are allowed") == true)
        // The others go on.
        #expect(try environment.entries("b")?.count == 1)
        #expect(try environment.read { try $0.databases().count } == 2)
    }

    @Test func droppedDatabasesDoNotCount() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open(maximumDatabases: 2)
        for name in ["a", "b"] { try environment.put([("k", "v")], database: name) }
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            let environment = RawEnvironment(file)
            environment.drop("a")
            environment.put([("k", "new")], database: "c")
        }
        // Neither by looking it up first nor by listing.
        #expect(try environment.entries("c") == [["k", "new"]])
        #expect(try environment.entries("b") == [["k", "v"]])
        #expect(try environment.read { try $0.databases().map(\.name) } == ["b", "c"])
        #expect(lmdbError { try environment.put([("k", "v")], database: "d") }?.code == .databasesFull)
    }

    @Test(arguments: [Int.min, -1, 0, 1, Int(UInt32.max), Int.max])
    func anyMaximumIsTaken(_ maximum: Int) throws {
        let scratch = try Scratch()
        let environment = try scratch.open(maximumDatabases: maximum)
        try environment.put([("k", "v")])
        #expect(try environment.entries()?.count == 1)
    }

    // MARK: Flags

    private static let valid: [DatabaseFlags] = [
        [], .reverseKey, .integerKey, .duplicateSort, [.duplicateSort, .duplicateFixed],
        [.duplicateSort, .reverseDuplicates], [.duplicateSort, .duplicateFixed, .integerDuplicates],
        [.integerKey, .duplicateSort], .all,
    ]

    @Test(arguments: valid) func flagsAreKept(_ flags: DatabaseFlags) throws {
        let scratch = try Scratch()
        try scratch.open().put([("1234", "5678")], flags: flags)
        let environment = try scratch.open()
        let database = try #require(try environment.read { try $0.databases().first })
        #expect(database.flags == flags)
        #expect(database.sortsBytewise == flags.isDisjoint(with: [.reverseKey, .integerKey]))
        // An existing database keeps its flags.
        try environment.put([("4321", "5678")], flags: [])
        #expect(try environment.read { try $0.database("a")?.flags } == flags)
        #expect(try environment.entries()?.count == 2)
    }

    private static let invalid: [DatabaseFlags] = [
        .duplicateFixed, .integerDuplicates, .reverseDuplicates, [.integerKey, .duplicateFixed],
        DatabaseFlags(rawValue: 1), DatabaseFlags(rawValue: UInt32(MDB_CREATE)), DatabaseFlags(rawValue: .max),
    ]

    @Test(arguments: invalid) func flagsThatLMDBGoesWrongOnAreRefused(_ flags: DatabaseFlags) throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let error = lmdbError { try environment.put([("1234", "5678")], flags: flags) }
        #expect(error?.code == .incompatible)
        #expect(error?.description.contains("0x\(String(flags.rawValue, radix: 16))") == true)
        #expect(try environment.entries() == nil)
    }

    @Test func flagsOnDiskThatLMDBGoesWrongOnAreRefused() async throws {
        let scratch = try Scratch()
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            let environment = RawEnvironment(file)
            let transaction = environment.begin()
            var handle = MDB_dbi()
            must(mdb_dbi_open(transaction, "a", UInt32(MDB_CREATE | MDB_DUPFIXED), &handle))
            must(mdb_txn_commit(transaction))
        }
        let environment = try scratch.open()
        for _ in 0..<2 {
            #expect(lmdbError { _ = try environment.entries() }?.code == .corrupted)
            #expect(lmdbError { _ = try environment.read { try $0.databases().count } }?.code == .corrupted)
        }
    }

    @Test func aMainDatabaseThatCannotHoldNamesHasNone() async throws {
        let scratch = try Scratch()
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            RawEnvironment(file).put([("1234", "v")], database: nil, flags: MDB_INTEGERKEY)
        }
        let environment = try scratch.open()
        #expect(try environment.read { try $0.databases().count } == 0)
        // A name of another size than the integer keys must not get as far as liblmdb's comparison.
        for name in ["n", "odd", "1234", "a name of some length"] { #expect(try environment.entries(name) == nil) }
        #expect(lmdbError { try environment.put([("k", "v")]) }?.code == .incompatible)
    }

    @Test(
        arguments: [
            ([], "0"), (.integerKey, "MDB_INTEGERKEY"),
            ([.duplicateSort, .reverseKey], "MDB_REVERSEKEY|MDB_DUPSORT"),
        ] as [(DatabaseFlags, String)])
    func flagsHaveTheirNamesOfTheHeader(_ flags: DatabaseFlags, _ names: String) {
        #expect(flags.names == names)
    }
}
