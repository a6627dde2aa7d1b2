import BlobStorage
import Snapshots
import TestSupport
import Testing

@testable import Replication

/// What the objects in a bucket are, and which snapshot is an instance's newest.
@Suite struct CatalogTests {
    private func catalog(_ names: [String], now: UInt64 = 5000 * second) -> Catalog {
        Catalog(names.map { Blob(name: $0, size: 3, modified: 7) }, database: "main", now: now)
    }

    @Test(arguments: [
        ("main__a__20261120-173955-012345678__GX.pb.gz", "full"),
        ("main__a__20261120-173955-012345678__GX__Xy.pb.gz", "full"),
        ("main__a__20261120-173955-012345678__GX.delta", "delta"),
        ("main__a__20261120-173955-012345678__GX__Xy.delta", "delta"),
        ("main__a__20261120-173955-012345678__GX.delta.gz", "unknown kind"),
        ("main2__a__20261120-173955-012345678__GX.delta", "foreign"),
        ("main__a__20261120-173955-012345678__GX.pb.gz.bak", "unknown kind"),
        ("main__a.state", "state"), ("main__a_b.state", "foreign"), ("main__.state", "foreign"),
        ("main__a__00000000-173955-012345678__GX.pb.gz", "foreign"), ("main__", "foreign"), ("", "foreign"),
        ("update-marker", "foreign"), ("main2__a__20261120-173955-012345678__GX.pb.gz", "foreign"),
        ("main2__a.state", "foreign"),
    ])
    func objectsAreKnownByTheirNames(_ text: String, _ kind: String) {
        let found =
            switch ObjectName(text, database: "main") {
            case .full(let name): name.description == text ? "full" : "?"
            case .delta(let name): name.description == text ? "delta" : "?"
            case .state(let name): name.description == text ? "state" : "?"
            case .unknownKind(let name): name.description == text ? "unknown kind" : "?"
            case .foreign: "foreign"
            }
        #expect(found == kind)
    }

    /// Whatever was listed before.
    @Test func anEarlierListingChangesNothing() {
        var random = SeededGenerator(seed: 31)
        let all = ["a", "b", "c"].flatMap { instance in
            (1...6).flatMap { time in
                let name = snapshot(instance, seconds: UInt64(time))
                let delta = SnapshotName(
                    database: "main", instance: instance, timestamp: name.timestamp, fileExtension: "delta")
                return [name.description, delta.description]
            } + ["main__\(instance).state", "main__\(instance)__x"]
        }
        // In the far future.
        let texts = all + ["main__b__20501120-173955-012345678__GX.pb.gz"]
        var previous: Catalog?
        for _ in 0..<200 {
            let listed = texts.filter { _ in Bool.random(using: &random) }
            let blobs = (Int.random(in: 0..<5, using: &random) > 0 ? listed.sorted() : listed.shuffled(using: &random))
                .map {
                    Blob(name: $0, size: Int.random(in: 0..<9, using: &random), version: "v")
                }
            let fresh = Catalog(blobs, database: "main", now: 5000 * second)
            let next = Catalog(blobs, database: "main", now: 5000 * second, previous: previous)
            #expect(next.snapshots == fresh.snapshots && next.deltas == fresh.deltas)
            #expect(next.states == fresh.states && next.others == fresh.others)
            #expect(next.groups == Dictionary(grouping: fresh.snapshots) { fresh.horizon.group($0.name) })
            previous = next
        }
    }

    @Test func eachObjectHasItsPlace() {
        let (one, two) = (snapshot("a", seconds: 1), snapshot("a", seconds: 2))
        let catalog = catalog([
            two.description, "main__b.state", "main__x", one.description,
            "other__a__20261120-173955-012345678__GX.pb.gz",
            "main__b__20261120-173955-012345678__GX.delta", "main__a__20261120-173955-012345678__GX.delta",
            "main__a__20261120-173955-012345678__GX.old",
        ])
        #expect(catalog.names == [one, two])
        #expect(catalog.snapshots.map(\.size) == [3, 3])
        #expect(catalog.instances == ["a"])
        #expect(catalog.states.keys.sorted() == ["b"] && catalog.stateTimes == ["b": 7])
        #expect(
            catalog.others.map(\.name) == [
                "main__x", "other__a__20261120-173955-012345678__GX.pb.gz",
                "main__a__20261120-173955-012345678__GX.old",
            ])
        #expect(
            catalog.deltas.map(\.name.description) == [
                "main__a__20261120-173955-012345678__GX.delta", "main__b__20261120-173955-012345678__GX.delta",
            ])
        #expect(catalog.deltas.map(\.size) == [3, 3] && catalog.deltas.map(\.modified) == [7, 7])
    }

    @Test func whatLiesInTheFarFutureIsNobodysNewest() {
        let far = SnapshotName(database: "main", instance: "a", timestamp: .max)
        let other = SnapshotName(database: "main", instance: "b", timestamp: .max - 1)
        let last = snapshot("a", seconds: 2)
        let catalog = catalog([far, snapshot("a", seconds: 1), last, other].map(\.description))
        #expect(catalog.newest(of: "a")?.name == last && catalog.newest["a"]?.name == last)
        // Where there is nothing else it is what there is.
        #expect(catalog.newest(of: "b") == nil && catalog.newest["b"]?.name == other)
        #expect(catalog.all(of: "a").map(\.name) == [snapshot("a", seconds: 1), last, far])
        #expect(catalog.instances == ["a", "b"])
        #expect(catalog.newest(of: "c") == nil && catalog.newest["c"] == nil)
    }
}
