import Simulator
import TestSupport
import Testing

@testable import Replication

@Suite struct MergeRuleTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var incoming: TestVersion
        var local: TestVersion
        var wins: Bool
        var testDescription: String { name }
    }

    static let table: [Case] = [
        .init(name: "later wins", incoming: .init(2, "b"), local: .init(1, "a"), wins: true),
        .init(name: "earlier loses", incoming: .init(1, "a"), local: .init(2, "b"), wins: false),
        .init(name: "later Deleted wins", incoming: .deleted(2), local: .init(1, "a"), wins: true),
        .init(name: "earlier Deleted loses", incoming: .deleted(1), local: .init(2, "a"), wins: false),
        .init(name: "later wins over Deleted", incoming: .init(2, "a"), local: .deleted(1), wins: true),
        .init(name: "lower value wins a tie", incoming: .init(5, "a"), local: .init(5, "b"), wins: true),
        .init(name: "higher value loses a tie", incoming: .init(5, "b"), local: .init(5, "a"), wins: false),
        .init(name: "shorter prefix wins a tie", incoming: .init(5, "ab"), local: .init(5, "abc"), wins: true),
        .init(name: "longer extension loses a tie", incoming: .init(5, "abc"), local: .init(5, "ab"), wins: false),
        .init(name: "empty wins a tie", incoming: .init(5, ""), local: .init(5, "a"), wins: true),
        .init(name: "bytes are unsigned", incoming: .init(5, "z"), local: .init(5, "\u{e9}"), wins: true),
        .init(name: "Deleted wins a tie against empty", incoming: .deleted(5), local: .init(5, ""), wins: true),
        .init(name: "empty loses a tie against Deleted", incoming: .init(5, ""), local: .deleted(5), wins: false),
        .init(name: "Deleted wins a tie against a value", incoming: .deleted(5), local: .init(5, "a"), wins: true),
        .init(name: "a value loses a tie against Deleted", incoming: .init(5, "a"), local: .deleted(5), wins: false),
        .init(name: "equal stays", incoming: .init(5, "a"), local: .init(5, "a"), wins: false),
        .init(name: "equal Deleted stays", incoming: .deleted(5), local: .deleted(5), wins: false),
        .init(name: "no timestamp loses", incoming: .init(0, "a"), local: .init(1, "b"), wins: false),
        .init(
            name: "timestamps are unsigned", incoming: .init(.max, "b"), local: .init(1 << 63 - 1, "a"), wins: true),
    ]

    @Test(arguments: table) func decidesAsTheTableSays(_ row: Case) {
        #expect(row.incoming.wins(over: row.local) == row.wins)
    }

    @Test func theValueOfADeletedVersionDoesNotCount() {
        let empty: [UInt8] = []
        let payload = Array("payload".utf8)
        payload.withUnsafeBytes { payload in
            empty.withUnsafeBytes { empty in
                let with = MergeRule.Version(timestamp: 5, isDeleted: true, value: payload)
                let without = MergeRule.Version(timestamp: 5, isDeleted: true, value: empty)
                #expect(with.value.isEmpty)
                #expect(!MergeRule.replaces(with, local: without))
                #expect(!MergeRule.replaces(without, local: with))
            }
        }
    }

    @Test func olderDeletedEntriesThanTheCutoffAreNotAdded() {
        func adds(_ version: TestVersion, _ cutoff: UInt64) -> Bool {
            version.withVersion { MergeRule.adds($0, deletedCutoff: cutoff) }
        }
        #expect(!adds(.deleted(99), 100))
        #expect(adds(.deleted(100), 100))
        #expect(adds(.deleted(101), 100))
        #expect(adds(.deleted(0), 0))
        #expect(adds(.init(1, "a"), 100))
        #expect(adds(.init(0, ""), .max))
    }

    /// All versions that differ from each other in ways that matter.
    private static let versions: [TestVersion] = [0, 1, 2, .max].flatMap { (time: UInt64) -> [TestVersion] in
        ["", "a", "ab", "b", "\u{e9}"].map { TestVersion(time, $0) } + [.deleted(time)]
    }

    private func winner(_ a: TestVersion, _ b: TestVersion) -> TestVersion { b.wins(over: a) ? b : a }

    @Test func isCommutative() {
        for a in Self.versions { for b in Self.versions { #expect(winner(a, b) == winner(b, a), "\(a) \(b)") } }
    }

    @Test func isAssociative() {
        for a in Self.versions {
            for b in Self.versions {
                for c in Self.versions {
                    #expect(winner(winner(a, b), c) == winner(a, winner(b, c)), "\(a) \(b) \(c)")
                }
            }
        }
    }

    @Test func isIdempotent() {
        for a in Self.versions {
            #expect(!a.wins(over: a))
            for b in Self.versions { #expect(winner(winner(a, b), b) == winner(a, b)) }
        }
    }

    /// The whole of a merge, cutoff aside: any order and repetition of snapshots ends in the same contents.
    @Test func anyOrderAndRepetitionEndsEqual() {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("MergeRuleTests: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let snapshots = (0..<4).map { _ in
                TestContents(
                    (0..<6).map { _ in
                        (
                            TestKey(database: "records", key: [UInt8.random(in: 0..<4, using: &random)]),
                            Self.versions[Int.random(in: 0..<Self.versions.count, using: &random)]
                        )
                    }, uniquingKeysWith: { first, _ in first })
            }
            func merged(_ order: [Int]) -> TestContents {
                order.reduce(into: [:]) { join(&$0, with: snapshots[$1]) }
            }
            let expected = merged([0, 1, 2, 3])
            let order = (Array(0..<4) + (0..<4).map { _ in Int.random(in: 0..<4, using: &random) })
                .shuffled(using: &random)
            #expect(merged(order) == expected, "seed \(seed)")
        }
    }
}
