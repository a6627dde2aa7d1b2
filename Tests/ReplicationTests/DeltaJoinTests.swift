import LMDB
import Simulator
import Snapshots
import Support
import TestSupport
import Testing

@testable import Replication

/// What comes of several deltas in a row.
@Suite(.timeLimit(.minutes(2)))
struct DeltaJoinTests {
    /// A DBI of a joined delta, with its chunks put together.
    struct Joined: Equatable {
        var name: String
        var flags: DatabaseFlags = []
        var transform = ""
        var entries: [String] = []
    }

    private static let shadow = Schema.shadow(dupSortHack: true)

    static func text(_ entry: RawSnapshot.Entry) -> String {
        "\(entry.key) = \(entry.value.count < 40 ? "\(entry.value)" : "\(entry.value.count) bytes") at \(entry.timestamp), \(entry.flags)"
    }

    private static func join(
        _ parts: [Spool], meta: SnapshotMeta = SnapshotMeta(), schema: Schema = .native
    ) throws -> (body: Spool, entries: Int) {
        try DeltaJoin.run(parts, meta: meta, schema: schema, stagingDirectory: nil, signal: CancellationSignal())
    }

    static func read(_ spool: Spool) throws -> [Joined] {
        var reader = SnapshotReader(spool, maximumEntrySize: 1 << 30)
        var result: [Joined] = []
        while true {
            switch try reader.next() {
            case .databaseBegin:
                let name = reader.databaseName
                // Equal strings may be different names.
                if result.last.map({ Array($0.name.utf8) }) != Array(name.utf8) { result.append(Joined(name: name)) }
            case .entry:
                let entry = RawSnapshot.Entry(
                    Array(reader.key), Array(reader.value), at: reader.timestamp, flags: reader.isDeleted ? 1 : 0)
                result[result.count - 1].entries.append(text(entry))
            case .databaseEnd:
                result[result.count - 1].flags = DatabaseFlags(rawValue: UInt32(reader.databaseFlags))
                result[result.count - 1].transform = reader.databaseTransform
            case .end: return result
            }
        }
    }

    private func failure(_ parts: [RawSnapshot], schema: Schema = .native) -> DeltaJoin.Failure? {
        thrown { _ = try Self.join(parts.map(\.spool), schema: schema) } as? DeltaJoin.Failure
    }

    // MARK: Contents

    /// The DBIs of the random parts, and how their keys are ordered.
    private struct Kind: Sendable {
        var name: String
        var flags: DatabaseFlags
        var transform = ""
        var schema = Schema.native
        var key: @Sendable (inout SeededGenerator) -> [UInt8]
        var precedes: @Sendable ([UInt8], [UInt8]) -> Bool
    }

    @Sendable private static func shortKey(_ random: inout SeededGenerator) -> [UInt8] {
        (0..<Int.random(in: 1...3, using: &random)).map { _ in UInt8.random(in: 0...4, using: &random) }
    }

    @Sendable private static func bytewise(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.lexicographicallyPrecedes(b) }

    private static func transformed(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        key + [0, 0, 0, 0] + value + [UInt8(key.count)]
    }

    @Sendable private static func integer(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        func number(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) } }
        return number(a) < number(b)
    }

    private static let kinds = [
        Kind(name: "a", flags: [], key: shortKey, precedes: bytewise),
        Kind(
            name: "b", flags: .integerKey, key: { bytes(of: UInt32.random(in: 0...600, using: &$0)) }, precedes: integer
        ),
        Kind(
            name: "c", flags: .reverseKey, key: shortKey,
            precedes: { $0.reversed().lexicographicallyPrecedes($1.reversed()) }),
        Kind(
            name: "d", flags: .duplicateSort, transform: "dupsort_hack_v1", schema: shadow,
            key: { transformed(shortKey(&$0), shortKey(&$0)) }, precedes: bytewise),
        // A shadow is in another order than its DBI.
        Kind(name: "e", flags: .reverseKey, schema: shadow, key: shortKey, precedes: bytewise),
        Kind(
            name: "f", flags: [.duplicateSort, .integerKey, .reverseKey], transform: "dupsort_hack_v1", schema: shadow,
            key: { transformed(bytes(of: UInt32.random(in: 0...9, using: &$0)), shortKey(&$0)) }, precedes: bytewise),
        Kind(
            name: "g", flags: .integerKey, schema: shadow, key: { bytes(of: UInt32.random(in: 0...600, using: &$0)) },
            precedes: integer),
    ]

    @Test(arguments: 0..<60 as Range<UInt64>)
    func theNewestEntryOfEachKeyStaysInTheOrderOfTheDBI(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let schema = Bool.random(using: &random) ? Schema.native : Self.shadow
        let kinds = Self.kinds.filter { $0.schema == schema }
        var expected: [String: [[UInt8]: RawSnapshot.Entry]] = [:]
        var parts: [Spool] = []
        for number in 0..<Int.random(in: 1...17, using: &random) {
            var part = RawSnapshot()
            for kind in kinds where Int.random(in: 0..<4, using: &random) > 0 {
                var entries: [[UInt8]: RawSnapshot.Entry] = [:]
                for _ in 0..<Int.random(in: 0...40, using: &random) {
                    let key = kind.key(&random)
                    // The timestamp of a later part may be lower: the part counts.
                    entries[key] = RawSnapshot.Entry(
                        key, [UInt8(number)] + key, at: random.next() >> 60, flags: random.next() & 1)
                }
                expected[kind.name, default: [:]].merge(entries) { $1 }
                var rest = entries.values.sorted { kind.precedes($0.key, $1.key) }[...]
                repeat {
                    let count = Int.random(in: 0...max(1, rest.count), using: &random)
                    part = part.database(
                        kind.name, flags: kind.flags, transform: kind.transform, Array(rest.prefix(count)))
                    rest = rest.dropFirst(count)
                } while !rest.isEmpty
            }
            parts.append(part.spool)
        }
        let meta = SnapshotMeta(instanceID: "a", timestamp: 9, databaseName: "main", from: 5, positions: ["b": 3])
        let (body, count) = try Self.join(parts, meta: meta, schema: schema)
        let joined = kinds.compactMap { kind in
            expected[kind.name].map { entries in
                Joined(
                    name: kind.name, flags: kind.flags, transform: kind.transform,
                    entries: entries.values.sorted { kind.precedes($0.key, $1.key) }.map(Self.text))
            }
        }
        #expect(try Self.read(body) == joined, "seed \(seed)")
        #expect(count == joined.reduce(0) { $0 + $1.entries.count })
        #expect(try SnapshotMeta.read(body) == meta)
        // The result is a part like others.
        #expect(try Self.read(Self.join([body], schema: schema).body) == joined)
        #expect(try Self.read(Self.join([body, body], schema: schema).body) == joined)
        let middle = parts.count / 2
        let halves = try [parts[..<middle], parts[middle...]].map { try Self.join(Array($0), schema: schema).body }
        #expect(try Self.read(Self.join(halves, schema: schema).body) == joined, "seed \(seed): joined in two steps")
    }

    @Test func deletedEntriesStay() throws {
        let old = RawSnapshot().database("d", [.init("a", "1", at: 1), .init("b", "", at: 2, deleted: true)])
        let new = RawSnapshot().database(
            "d", [.init("a", "", at: 3, deleted: true), .init("c", "x", at: 4, deleted: true)])
        let joined = try Self.join([old.spool, new.spool])
        #expect(joined.entries == 3)
        #expect(
            try Self.read(joined.body).first?.entries == [
                Self.text(.init("a", "", at: 3, deleted: true)), Self.text(.init("b", "", at: 2, deleted: true)),
                Self.text(.init("c", "x", at: 4, deleted: true)),
            ])
    }

    @Test func anEmptyDBIStaysAndFlagsAreThoseOfTheNewestPart() throws {
        let old = RawSnapshot().database("d", flags: .integerKey, [.init(bytes(of: UInt32(1)), [1], at: 1)])
            .database("empty")
        let new = RawSnapshot().database("d", flags: [.integerKey, .reverseKey])
        #expect(
            try Self.read(Self.join([old.spool, new.spool]).body) == [
                Joined(
                    name: "d", flags: [.integerKey, .reverseKey],
                    entries: [Self.text(.init(bytes(of: UInt32(1)), [1], at: 1))]), Joined(name: "empty"),
            ])
        #expect(try Self.read(Self.join([]).body) == [])
        #expect(try Self.read(Self.join([RawSnapshot().spool, RawSnapshot().spool]).body) == [])
    }

    @Test func namesAreOrderedBytewise() throws {
        // Unicode has another order, and takes the last two for one.
        let names = ["Z", "a", "ab", "e\u{301}", "\u{e9}"]
        let parts = names.map { RawSnapshot().database($0, [.init($0, "x", at: 1)]).spool }
        let all = names.reduce(RawSnapshot()) { $0.database($1, [.init($1, "y", at: 1)]) }
        let joined = try Self.read(Self.join(parts.reversed() + [all.spool]).body)
        #expect(joined.map { Array($0.name.utf8) } == names.map { Array($0.utf8) })
        #expect(joined.map(\.entries) == names.map { [Self.text(.init($0, "y", at: 1))] })
    }

    @Test func largeValuesAreJoined() throws {
        let large = [UInt8](repeating: 7, count: 6 << 20)
        let parts = [
            RawSnapshot().database("d", [.init([1], large, at: 1), .init([2], large, at: 1)]),
            RawSnapshot().database("d", [.init([2], [2], at: 2), .init([3], large, at: 2)]),
        ]
        let joined = try Self.read(Self.join(parts.map(\.spool)).body)
        #expect(
            joined.first?.entries == [
                Self.text(.init([1], large, at: 1)), Self.text(.init([2], [2], at: 2)),
                Self.text(.init([3], large, at: 2)),
            ])
    }

    @Test(arguments: [DatabaseFlags(), .reverseKey, .integerKey, .duplicateSort], [Schema.native, shadow])
    func whatIsReadFromAnLMDBCanBeJoined(_ flags: DatabaseFlags, _ schema: Schema) throws {
        guard schema.hasShadows || !flags.contains(.duplicateSort) else { return }
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        var random = SeededGenerator(seed: 1)
        let header = [UInt8](repeating: 0, count: EntryHeader.size)
        for _ in 0..<300 {
            let key = flags.contains(.integerKey) ? bytes(of: UInt32(truncatingIfNeeded: random.next())) : random.key()
            try environment.putRaw("d", key, (schema.hasShadows ? [] : header) + [1], flags: flags)
            guard schema.hasShadows else { continue }
            let shadowKey = flags.contains(.duplicateSort) ? Self.transformed(key, [1]) : key
            try environment.putRaw(
                schema.versions(of: "d"), shadowKey, header + [1], flags: schema.versionFlags(of: flags))
        }
        let identity = SenderIdentity(database: "main", instance: "a", hostname: "h")
        let scan = try FullScan.run(environment, identity: identity, schema: schema) { 5 }
        let body = try #require(scan.snapshot?.body)
        let joined = try Self.join([body, body], schema: schema)
        #expect(joined.entries == scan.snapshot?.entries && joined.entries > 250)
        #expect(try Self.read(joined.body) == Self.read(body))
    }

    // MARK: Refusals

    private static let good = RawSnapshot().database("d", [.init("a", "1", at: 1), .init("c", "1", at: 1)])

    @Test func aPartOutOfOrderIsRefusedByItsNumber() {
        let (one, two) = (RawSnapshot.Entry("a", "1", at: 1), RawSnapshot.Entry("b", "1", at: 1))
        let disorder = DeltaJoin.Failure.Problem.keyOrder(database: "d", key: "a")
        for (number, part) in [
            RawSnapshot().database("d", [two, one]), RawSnapshot().database("d", [one, one]),
            RawSnapshot().database("d", [two]).database("d", [one]),
            RawSnapshot().database("d", [one]).database("d").database("d", [one]),
        ].enumerated() {
            #expect(failure([Self.good, part, Self.good])?.part == 1, "\(number)")
            #expect(failure([Self.good, part, Self.good])?.problem == disorder, "\(number)")
            #expect(failure([part])?.part == 0 && failure([Self.good, Self.good, part])?.part == 2, "\(number)")
        }
        for part in [
            RawSnapshot().database("e").database("d", [one]),
            RawSnapshot().database("d").database("e").database("d", [one]),
        ] {
            #expect(failure([Self.good, part]) == .init(part: 1, problem: .databaseOrder("d")))
        }
        let numbers = [UInt32(256), 1].map { RawSnapshot.Entry(bytes(of: $0), [1], at: 1) }
        let byteOrder = RawSnapshot().database("d", flags: .integerKey, numbers)
        #expect(failure([byteOrder])?.part == 0)
    }

    @Test func aDamagedPartIsRefusedByItsNumber() throws {
        let whole = Self.good.object
        for damaged in [Array(whole.dropLast(5)), Array(whole[..<(whole.count / 2)]), [], Array("text".utf8)] {
            let parts = [Self.good.spool, Spool(damaged)]
            let error = try #require(thrown { _ = try Self.join(parts) } as? DeltaJoin.Failure)
            #expect(error.part == 1)
            guard case .rejected = error.problem else {
                Issue.record("\(error)")
                continue
            }
            #expect(error.description.hasPrefix("cannot join part 2: rejected the snapshot"))
        }
        var flipped = whole
        flipped[whole.count - 6] ^= 1
        #expect((thrown { _ = try Self.join([Spool(flipped), Self.good.spool]) } as? DeltaJoin.Failure)?.part == 0)
        // A file that cannot be read says nothing about the part, but is named as well.
        let unreadable = Spool(owning: 1 << 20, count: 100)
        let error = thrown { _ = try Self.join([Self.good.spool, unreadable]) } as? DeltaJoin.Failure
        #expect(error?.part == 1)
        if case .rejected(let cause)? = error?.problem { #expect(cause.kind == .unreadable) }
    }

    @Test func aPartOfAnotherKindIsRefusedByItsNumber() {
        let entry = RawSnapshot.Entry(bytes(of: UInt32(1)), [1], at: 1)
        let integers = RawSnapshot().database("d", flags: .integerKey, [entry])
        #expect(failure([integers, Self.good]) == .init(part: 0, problem: .otherFlags(database: "d")))
        #expect(failure([Self.good, integers]) == .init(part: 0, problem: .otherFlags(database: "d")))
        let transformed = RawSnapshot().database("d", flags: .duplicateSort, transform: "dupsort_hack_v1")
        #expect(
            failure([Self.good, transformed, Self.good], schema: Self.shadow)
                == .init(part: 1, problem: .otherFlags(database: "d")))
        let changing = RawSnapshot().database("d").database("d", flags: .reverseKey)
        #expect(failure([changing]) == .init(part: 0, problem: .otherFlags(database: "d")))
        let privateOne = RawSnapshot().database("_sync_x")
        #expect(failure([Self.good, privateOne]) == .init(part: 1, problem: .privateDatabase("_sync_x")))
        let old = RawSnapshot(formatVersion: 2).database("d")
        #expect(failure([Self.good, old]) == .init(part: 1, problem: .formatVersion(2)))
        let contradiction = RawSnapshot().database("d", flags: .duplicateSort)
        #expect(failure([contradiction])?.part == 0)
        let long = RawSnapshot().database("d", [.init([UInt8](repeating: 1, count: 0x10000), [], at: 1)])
        #expect(failure([long, Self.good]) == .init(part: 0, problem: .longKey(database: "d", size: 0x10000)))
    }

    @Test func aCancelledJoinEnds() {
        let signal = CancellationSignal()
        signal.cancel()
        #expect(throws: CancellationError.self) {
            try DeltaJoin.run(
                [Self.good.spool], meta: SnapshotMeta(), schema: .native, stagingDirectory: nil, signal: signal)
        }
    }
}

extension SeededGenerator {
    /// A key of 1 to 6 bytes.
    fileprivate mutating func key() -> [UInt8] {
        (0..<Int.random(in: 1...6, using: &self)).map { _ in UInt8.random(in: 1...255, using: &self) }
    }
}
