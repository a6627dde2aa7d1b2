import TestSupport
import Testing

@testable import Snapshots

@Suite("Names")
struct NameTests {
    @Test("of real snapshots", arguments: Fixture.all)
    func fixtures(_ fixture: Fixture) throws {
        let name = try #require(SnapshotName(fixture.snapshot))
        #expect(name.description == fixture.snapshot)
        #expect(name.isFullSnapshot)
        #expect(fixture.snapshot.hasPrefix(SnapshotName.prefix(database: name.database)))
        let again = SnapshotName(database: name.database, instance: name.instance, timestamp: name.timestamp)
        #expect(again == name)
        #expect(again.description == fixture.snapshot)
    }

    @Test("have all their parts")
    func parts() throws {
        let text = "main__ns1__20261120-173955-012345678__GX.pb.gz"
        let name = try #require(SnapshotName(text))
        #expect(name.database == "main")
        #expect(name.instance == "ns1")
        #expect(name.timestamp == 1_795_196_395_012_345_678)
        #expect(name.generation == "GX")
        #expect(name.extras == [])
        #expect(name.fileExtension == "pb.gz")
        #expect(name == SnapshotName(database: "main", instance: "ns1", timestamp: 1_795_196_395_012_345_678))

        let extra = try #require(SnapshotName("a_b__-__19700101-000000-000000001__Gother__Zz__A1_2.x.pb.gz"))
        #expect(extra.database == "a_b")
        #expect(extra.instance == "-")
        #expect(extra.timestamp == 1)
        #expect(extra.generation == "Gother")
        #expect(extra.extras == ["Zz", "A1_2"])
        #expect(extra.fileExtension == "x.pb.gz")
        #expect(!extra.isFullSnapshot)
        #expect(extra.description == "a_b__-__19700101-000000-000000001__Gother__Zz__A1_2.x.pb.gz")
    }

    @Test("of deltas differ by the extension only")
    func deltas() throws {
        let name = SnapshotName(
            database: "main", instance: "ns1", timestamp: 1, fileExtension: SnapshotName.deltaExtension)
        #expect(name.description == "main__ns1__19700101-000000-000000001__GX.delta")
        #expect(SnapshotName(name.description) == name)
        #expect(name.isDelta && !name.isFullSnapshot)
        for other in ["pb.gz", "x.delta", "delta.gz", "deltas", "Delta"] {
            #expect(SnapshotName("main__ns1__19700101-000000-000000001__GX." + other)?.isDelta == false)
        }
    }

    @Test("put right what they are made of")
    func written() {
        let name = SnapshotName(
            database: "main", instance: "ns 1.example_é", timestamp: 0, extras: ["Z1", "A2"], fileExtension: "x")
        #expect(name.description == "main__ns-1-example--__19700101-000000-000000000__GX__A2__Z1.x")
        #expect(SnapshotName(name.description) == name)
        #expect(SnapshotName(name.description)?.extras == name.extras)
    }

    static let plainInstances = [
        ("ns1", "ns1"), ("NS-9z", "NS-9z"), ("a.b", "a-b"), ("a_b", "a-b"), ("a__b", "a--b"), ("", ""), ("é", "-"),
        ("e\u{301}", "e-"), ("日本", "--"), ("a/b c", "a-b-c"), ("\u{0}", "-"), ("🇩🇪", "--"),
    ]

    @Test("have plain instances", arguments: plainInstances)
    func sanitize(_ instance: String, _ expected: String) {
        #expect(SnapshotName.sanitize(instance: instance) == expected)
    }

    static let others = [
        "", ".", "pb.gz", "main", "main__", "main__ns1", "update-marker", "main__ns1.state",
        "main__ns1__20261120-173955-012345678.pb.gz", "main__ns1__20261120-173955-012345678__GX",
        "main__ns1__20261120-173955-012345678__GX.", "main__ns1__20261120-173955-012345678__X.pb.gz",
        "main__ns1__20261120-173955-012345678__.pb.gz", "__ns1__20261120-173955-012345678__GX.pb.gz",
        "main____20261120-173955-012345678__GX.pb.gz", "main__n.s1__20261120-173955-012345678__GX.pb.gz",
        "main__n_s1__20261120-173955-012345678__GX.pb.gz", "main__n s__20261120-173955-012345678__GX.pb.gz",
        "main__ns1__20261120-173955-012345678__GX__.pb.gz", "main__ns1__20261120-173955-012345678__GX__a.pb.gz",
        "main__ns1__20261120-173955-012345678__GX__G1.pb.gz", "main__ns1__20261120-173955-012345678__GX__A__A1.pb.gz",
        "main__ns1__20261120-173955-01234567__GX.pb.gz", "main__ns1__20261120-173955-0123456789__GX.pb.gz",
        "main__ns1__20261120-173955-01234567x__GX.pb.gz", "main__ns1__20261120_173955-012345678__GX.pb.gz",
        "main__ns1__20261320-173955-012345678__GX.pb.gz", "main__ns1__20261100-173955-012345678__GX.pb.gz",
        "main__ns1__20261131-173955-012345678__GX.pb.gz", "main__ns1__20260229-173955-012345678__GX.pb.gz",
        "main__ns1__21000229-173955-012345678__GX.pb.gz", "main__ns1__20261120-243955-012345678__GX.pb.gz",
        "main__ns1__20261120-176055-012345678__GX.pb.gz", "main__ns1__20261120-173960-012345678__GX.pb.gz",
        "main__ns1__19691231-235959-999999999__GX.pb.gz", "main__ns1__25540721-233434-000000000__GX.pb.gz",
        "main__ns1__25540721-233433-709551616__GX.pb.gz", "main__ns1__99991231-235959-999999999__GX.pb.gz",
        "main__ns1__-0261120-173955-012345678__GX.pb.gz", "main__ns1__２０２６1120-173955-012345678__GX.pb.gz",
    ]

    @Test("that are none", arguments: others)
    func refuse(_ text: String) { #expect(SnapshotName(text) == nil) }

    static let timestamps: [(UInt64, String)] = [
        (0, "19700101-000000-000000000"), (951_782_400_000_000_000, "20000229-000000-000000000"),
        (1_709_251_199_999_999_999, "20240229-235959-999999999"),
        (4_107_542_400_000_000_000, "21000301-000000-000000000"),
        (.max, "25540721-233433-709551615"),
    ]

    @Test("have the time in UTC", arguments: timestamps)
    func times(_ timestamp: UInt64, _ text: String) {
        #expect(SnapshotTimestamp.text(timestamp) == text)
        #expect(SnapshotTimestamp.parse(text[...]) == timestamp)
    }

    @Test("have any time there is")
    func randomTimes() {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<20_000 {
            let timestamp = random.next()
            #expect(SnapshotTimestamp.parse(SnapshotTimestamp.text(timestamp)[...]) == timestamp)
        }
    }

    @Test("sort by database, instance and time")
    func order() {
        let names = [
            "a__ns1__20260101-000000-000000000__GX.pb.gz", "a__ns1__20260101-000000-000000001__GX.pb.gz",
            "a__ns1__20260101-000000-000000001__GX__A1.pb.gz", "a__ns1__20270101-000000-000000000__GA.pb.gz",
            "a__ns1-a__20250101-000000-000000000__GX.pb.gz", "b__a__20200101-000000-000000000__GX.pb.gz",
        ].compactMap { SnapshotName($0) }
        #expect(names.count == 6)
        #expect(names.shuffled().sorted() == names)
        #expect(Set(names + names).count == 6)
    }
}

@Suite("The far future")
struct SnapshotHorizonTests {
    private let now: UInt64 = 1_795_219_200_000_000_000
    private func name(_ timestamp: UInt64) -> SnapshotName {
        SnapshotName(database: "main", instance: "a", timestamp: timestamp)
    }

    @Test("No timestamp follows the last one")
    func saturation() {
        #expect(UInt64.max.nextTimestamp == .max)
        #expect(now.nextTimestamp == now + 1)
    }

    @Test("A name in the far future supersedes only others that are there")
    func supersedes() {
        let horizon = SnapshotHorizon(now: now)
        #expect(horizon.supersedes(name(now + 1), name(now)))
        #expect(!horizon.supersedes(name(now), name(now)))
        #expect(!horizon.supersedes(name(.max), name(now)))
        #expect(horizon.supersedes(name(now), name(.max)))
        #expect(horizon.supersedes(name(.max), name(.max - 1)))
        // With a clock that was never set, all of them are, and the later one counts.
        #expect(SnapshotHorizon(now: 0).supersedes(name(now + 1), name(now)))
    }
}
