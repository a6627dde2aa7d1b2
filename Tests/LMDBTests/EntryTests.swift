import CLMDB
import Foundation
import Testing

@testable import LMDB

/// Entries: moving, writing, and sizes that LMDB can't take.
@Suite struct EntryTests {
    private static func bytes(_ count: Int, _ value: UInt8 = 1) -> [UInt8] { [UInt8](repeating: value, count: count) }

    // MARK: Moving

    @Test func aCursorGoesWhereItIsTold() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put(["b", "d", "f"].map { ($0, $0 + $0) })
        try environment.read { transaction in
            let database = try #require(try transaction.database("a"))
            var cursor = try transaction.openCursor(database)
            #expect(try cursor.next() && cursor.key.text == "b" && cursor.value.text == "bb")
            #expect(try cursor.last() && cursor.key.text == "f")
            #expect(try !cursor.next())
            #expect(try cursor.first() && cursor.key.text == "b")
            #expect(try cursor.next() && cursor.key.text == "d")
            for (wanted, found) in [("a", "b"), ("b", "b"), ("bb", "d"), ("f", "f")] {
                #expect(try wanted.withBytes { try cursor.seek($0) })
                #expect(cursor.key.text == found && cursor.value.text == found + found)
            }
            #expect(try !"g".withBytes { try cursor.seek($0) })
            #expect(try "d".withBytes { try cursor.find($0) })
            #expect(cursor.key.text == "d" && cursor.value.text == "dd")
            #expect(try cursor.next() && cursor.key.text == "f")
            for missing in ["a", "c", "dd", "g"] { #expect(try !missing.withBytes { try cursor.find($0) }) }
            #expect(try "d".withBytes { try transaction.get(database, $0)?.text } == "dd")
            #expect(try "c".withBytes { try transaction.get(database, $0) } == nil)
        }
    }

    @Test func aFreshCursorStandsBeforeTheFirstEntry() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([])
        try environment.read { transaction in
            var cursor = try transaction.openCursor(try #require(try transaction.database("a")))
            #expect(cursor.key.isEmpty && cursor.value.isEmpty)
            #expect(try !cursor.next() && !cursor.next())
            #expect(try !cursor.first() && !cursor.last())
            #expect(try !"a".withBytes { try cursor.seek($0) || cursor.find($0) })
        }
    }

    @Test func eachOfSeveralValuesIsAnEntry() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let entries = (0..<700).flatMap { number in [(key(number), "b"), (key(number), "a")] }
        try environment.put(entries, flags: .duplicateSort)
        #expect(try environment.entries()?.count == 1400)
        #expect(try environment.entries()?.prefix(2) == [[key(0), "a"], [key(0), "b"]])
        try environment.write { transaction in
            let database = try #require(try transaction.database("a"))
            #expect(try key(5).withBytes { try transaction.get(database, $0)?.text } == "a")
            #expect(try key(5).withBytes { try transaction.delete(database, $0) })
            #expect(try !key(5).withBytes { try transaction.delete(database, $0) })
            return .commit(())
        }
        #expect(try environment.entries()?.count == 1398)
    }

    /// liblmdb holds one, but looks for none beside others.
    @Test func findsAnEmptyValueOfAKeyWithSeveral() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("alone", ""), ("several", "a"), ("several", "b")], flags: .duplicateSort)
        try environment.write { transaction in
            let database = try #require(try transaction.database("a"))
            let looked: [(key: String, value: String, isThere: Bool, next: String?)] = [
                ("alone", "", true, ""), ("alone", "a", false, nil), ("several", "", false, "a"),
                ("several", "b", true, "b"), ("none", "", false, nil),
            ]
            for (key, value, isThere, next) in looked {
                var cursor = try transaction.openCursor(database)
                let isFound = try key.withBytes { key in
                    try value.withBytes { try cursor.find(key, value: $0) }
                }
                let isBefore = try key.withBytes { key in
                    try value.withBytes { try cursor.seek(key, value: $0) }
                }
                #expect(isFound == isThere)
                #expect((isBefore ? cursor.value.text : nil) == next)
            }
            for (key, expected) in [("several", false), ("alone", true), ("alone", false)] {
                #expect(
                    try key.withBytes { key in
                        try "".withBytes { try transaction.delete(database, key, value: $0) }
                    } == expected)
            }
            return .commit(())
        }
        #expect(try environment.entries() == [["several", "a"], ["several", "b"]])
    }

    @Test(
        arguments: [
            ([], "a", "b", -1), ([], "a", "aa", -1), ([], "b", "a", 1), ([], "ab", "ab", 0),
            (.reverseKey, "ba", "ab", -1), (.integerKey, "\u{0}\u{1}\u{0}\u{0}", "\u{1}\u{0}\u{0}\u{0}", 1),
            // What can't be in one database is still in some order.
            (.integerKey, "", "1234", -1), (.integerKey, "12345678", "1234", 1), (.integerKey, "123", "1", 1),
            (.integerKey, "", "", 0),
        ] as [(DatabaseFlags, String, String, Int)])
    func keysCompareAsTheyAreSorted(_ flags: DatabaseFlags, _ a: String, _ b: String, _ sign: Int) throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("1234", "v")], flags: flags)
        try environment.read { transaction in
            let database = try #require(try transaction.database("a"))
            #expect(a.withBytes { a in b.withBytes { transaction.compare(database, a, $0).signum() } } == sign)
            #expect(b.withBytes { b in a.withBytes { transaction.compare(database, b, $0).signum() } } == -sign)
        }
    }

    // MARK: Writing

    @Test func aWriteCursorFillsTheRoomThatItMakes() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.write { transaction in
            var cursor = try transaction.openWriteCursor(try transaction.database("a", creating: []))
            for (name, size, append) in [("b", 3, true), ("c", 5000, true), ("a", 0, false), ("b", 1, false)] {
                try name.withBytes { key in
                    try cursor.put(key, size: size, append: append) { buffer in
                        #expect(buffer.count == size)
                        buffer.initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "x"))
                    }
                }
            }
            #expect(try "c".withBytes { try cursor.reading.find($0) })
            #expect(cursor.reading.value.count == 5000)
            return .commit(())
        }
        #expect(try environment.entries() == [["a", ""], ["b", "x"], ["c", String(repeating: "x", count: 5000)]])
    }

    @Test(arguments: ["a", "b"]) func appendingOutOfOrderIsAnErrorThatChangesNothing(_ name: String) throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("b", "v")])
        try environment.write { transaction in
            var cursor = try transaction.openWriteCursor(try #require(try transaction.database("a")))
            var isFilled = false
            let error = lmdbError {
                try name.withBytes { key in try cursor.put(key, size: 1, append: true) { _ in isFilled = true } }
            }
            #expect(error?.code == .keyExists)
            #expect(!isFilled)
            return .commit(())
        }
        #expect(try environment.entries() == [["b", "v"]])
    }

    @Test func thereIsNoRoomToBeHadWhereAKeyHasSeveralValues() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let error = lmdbError {
            try environment.write { transaction in
                _ = try transaction.openWriteCursor(try transaction.database("a", creating: .duplicateSort))
                return .commit(())
            }
        }
        #expect(error?.code == .incompatible)
    }

    // MARK: Sizes

    /// What each entry point makes of a key; nil when it throws nothing.
    private static func attempts(
        _ environment: LMDB.Environment, key: [UInt8], value: [UInt8] = [1], flags: DatabaseFlags
    ) -> [(name: String, error: LMDBError?)] {
        func writing(_ body: (borrowing WriteTransaction, Database, UnsafeRawBufferPointer) throws -> Void)
            -> LMDBError?
        {
            lmdbError {
                try environment.write { transaction in
                    let database = try transaction.database("a", creating: flags)
                    try key.withUnsafeBytes { try body(transaction, database, $0) }
                    return .abort(())
                }
            }
        }
        var results = [
            ("get", writing { transaction, database, key in _ = try transaction.get(database, key) }),
            ("delete", writing { transaction, database, key in _ = try transaction.delete(database, key) }),
            (
                "seek",
                writing { transaction, database, key in
                    var cursor = try transaction.openCursor(database)
                    _ = try cursor.seek(key)
                }
            ),
            (
                "find",
                writing { transaction, database, key in
                    var cursor = try transaction.openCursor(database)
                    _ = try cursor.find(key)
                }
            ),
            (
                "put",
                writing { transaction, database, key in
                    try value.withUnsafeBytes { try transaction.put(database, key, $0) }
                }
            ),
        ]
        guard flags.isDisjoint(with: .anyDuplicates) else { return results }
        for append in [false, true] {
            results.append(
                (
                    "cursor put",
                    writing { transaction, database, key in
                        var cursor = try transaction.openWriteCursor(database)
                        try cursor.put(key, size: value.count, append: append) { $0.copyBytes(from: value) }
                    }
                ))
        }
        return results
    }

    private static let keyOrders: [DatabaseFlags] = [[], .reverseKey, .integerKey, .duplicateSort]

    @Test(arguments: keyOrders) func anEmptyKeyIsAnErrorEverywhere(_ flags: DatabaseFlags) throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        for round in 0..<2 {
            for (name, error) in Self.attempts(environment, key: [], flags: flags) {
                // An empty database is empty for every key.
                #expect(error?.code == .badSize, "\(name), round \(round)")
                #expect(error?.description.contains("a key of 0 bytes") == true, "\(name)")
            }
            try environment.put([("1234", "v")], flags: flags)
        }
    }

    @Test(arguments: keyOrders, [512, 4096, 70_000])
    func aKeyThatIsTooLongCannotBeWritten(_ flags: DatabaseFlags, _ size: Int) throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        for _ in 0..<2 {
            for (name, error) in Self.attempts(environment, key: Self.bytes(size), flags: flags) {
                if name.hasSuffix("put") || flags == .integerKey {
                    #expect(error?.code == .badSize, "\(name)")
                    #expect(error?.description.contains("a key of \(size) bytes") == true, "\(name)")
                } else {
                    #expect(error == nil, "\(name)")
                }
            }
            try environment.put([("1234", "v")], flags: flags)
        }
        #expect(try environment.entries()?.count == 1)
    }

    @Test func theLongestKeyCanBeWritten() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let longest = String(repeating: "k", count: environment.maximumKeySize)
        try environment.put([(longest, "v")])
        #expect(try environment.entries() == [[longest, "v"]])
    }

    @Test(arguments: 1...17) func integerKeysHaveOneSizeAndNoOther(_ size: Int) throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let isInteger = size == 4 || size == 8
        for (name, error) in Self.attempts(environment, key: Self.bytes(size), flags: .integerKey) {
            #expect(error?.code == (isInteger ? nil : .badSize), "\(name) when empty")
            if !isInteger { #expect(error?.description.contains("have 4 or 8 bytes") == true) }
        }
        for present in [4, 8] {
            try environment.put([(String(repeating: "k", count: present), "v")], database: "a", flags: .integerKey)
            for (name, error) in Self.attempts(environment, key: Self.bytes(size, 0xff), flags: .integerKey) {
                #expect(error?.code == (size == present ? nil : .badSize), "\(name) beside \(present) bytes")
            }
            try environment.write { transaction in
                let database = try #require(try transaction.database("a"))
                try String(repeating: "k", count: present).withBytes { _ = try transaction.delete(database, $0) }
                return .commit(())
            }
        }
    }

    @Test(arguments: [1 << 32, 1 << 33, Int.max, -1, Int.min])
    func aValueBeyondFourGibibytesIsAnError(_ size: Int) throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let error = lmdbError {
            try environment.write { transaction in
                var cursor = try transaction.openWriteCursor(try transaction.database("a", creating: []))
                try "k".withBytes { key in
                    try cursor.put(key, size: size, append: false) { _ in Issue.record("there is room") }
                }
                return .commit(())
            }
        }
        #expect(error?.code == .badSize)
        #expect(error?.description.contains(size < 0 ? "negative size" : "a value of \(size) bytes") == true)
        guard size > 0 else { return }
        // LMDB looks at the size before it looks at the bytes.
        let other = lmdbError {
            try environment.write { transaction in
                let database = try transaction.database("a", creating: [])
                try "k".withBytes { key in
                    try transaction.put(database, key, UnsafeRawBufferPointer(start: key.baseAddress, count: size))
                }
                return .commit(())
            }
        }
        #expect(other?.code == .badSize)
    }

    @Test func aValueOfNearlyFourGibibytesFindsTheMapFull() throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: 1 << 20)
        let error = lmdbError {
            try environment.write { transaction in
                var cursor = try transaction.openWriteCursor(try transaction.database("a", creating: []))
                try "k".withBytes { try cursor.put($0, size: 0xffff_ffff, append: false) { _ in } }
                return .commit(())
            }
        }
        #expect(error?.code == .mapFull)
    }

    @Test(
        arguments: [
            // Flags, the size there is (nil: none), the size to write, whether it can be.
            ([.duplicateSort], 3, 511, true), ([.duplicateSort], 3, 512, false), ([.duplicateSort], nil, 512, false),
            ([.duplicateSort, .duplicateFixed], nil, 3, true), ([.duplicateSort, .duplicateFixed], nil, 0, false),
            ([.duplicateSort, .duplicateFixed], 3, 3, true), ([.duplicateSort, .duplicateFixed], 3, 2, false),
            ([.duplicateSort, .duplicateFixed], 3, 400, false), ([.duplicateSort, .integerDuplicates], nil, 4, true),
            ([.duplicateSort, .integerDuplicates], nil, 8, true),
            ([.duplicateSort, .integerDuplicates], nil, 5, false),
            ([.duplicateSort, .integerDuplicates], 4, 8, false), ([.duplicateSort, .integerDuplicates], 8, 8, true),
            ([.duplicateSort, .integerDuplicates], nil, 0, false),
        ] as [(DatabaseFlags, Int?, Int, Bool)])
    func valuesBesideOthersHaveTheirSize(_ flags: DatabaseFlags, _ present: Int?, _ size: Int, _ fits: Bool) throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        if let present { try environment.put([("k", String(repeating: "v", count: present))], flags: flags) }
        for key in ["k", "l"] {
            let error = lmdbError {
                try environment.put([(key, String(repeating: "w", count: size))], flags: flags)
            }
            #expect(error?.code == (fits ? nil : .badSize), "key \(key)")
        }
        #expect(try environment.entries()?.count ?? 0 == (present == nil ? 0 : 1) + (fits ? 2 : 0))
    }
}
