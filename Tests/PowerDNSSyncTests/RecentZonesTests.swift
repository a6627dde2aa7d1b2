import PowerDNSFormat
import Snapshots
import Testing

@testable import PowerDNSSync

/// Which zones changed last, as the status page tells.
@Suite struct RecentZonesTests {
    private func snapshot(_ instance: String, _ seconds: UInt64, _ database: String) -> SnapshotName {
        SnapshotName(database: database, instance: instance, timestamp: seconds * 1_000_000_000)
    }

    private func job(
        _ snapshot: SnapshotName, _ zones: [ChangeCollection.Zone], kind: ChangeKind = .rrsetChanged
    ) -> ChangeJob {
        var changes = ChangeCollection(keepsValues: false)
        for zone in zones {
            [UInt8](repeating: 0, count: 4).withUnsafeBytes {
                changes.add(kind, of: .records, in: zone, key: $0, from: nil, to: nil)
            }
        }
        return ChangeJob(
            database: snapshot.database, role: .shard, snapshot: snapshot, position: snapshot, direction: .merged,
            changes: changes)
    }

    @Test func theNewestChangeOfEachZone() throws {
        let recent = RecentZones()
        let (org, net) = (try ZoneName("example.org"), try ZoneName("example.net"))
        recent.note(job(snapshot("a", 10, "shard"), [.number(1), .number(2), .number(9)]), [1: org, 2: net])
        // The other half of a zone, from an older snapshot, and what is no news.
        recent.note(job(snapshot("b", 5, "main"), [.name(org)]), [:])
        recent.note(job(snapshot("b", 30, "main"), [.name(net)], kind: .comment), [:])
        recent.note(job(snapshot("c", 20, "shard"), [.number(2)]), [2: net])
        #expect(recent.newest.map(\.zone) == [net, org], "what has no name yet is left out")
        #expect(recent.newest[0].newest == snapshot("c", 20, "shard"))
        #expect(recent.newest[1].newest == snapshot("a", 10, "shard") && recent.newest[1].database == "shard")
        #expect(recent.newest[1].snapshots == ["shard": snapshot("a", 10, "shard"), "main": snapshot("b", 5, "main")])
    }

    @Test func onlyTheLastOnesAreKept() throws {
        let recent = RecentZones()
        for number in 1...100 {
            let zones = try (0..<30).map { ChangeCollection.Zone.name(try ZoneName("z\(number)-\($0).example")) }
            recent.note(job(snapshot("a", UInt64(number), "main"), zones), [:])
        }
        #expect(recent.newest.count == RecentZones.most)
        #expect(recent.newest.allSatisfy { $0.newest.timestamp == 100_000_000_000 })
    }
}
