import Snapshots
import Testing

@testable import PowerDNSDatabase

@Suite("The snapshot of the other LMDB")
struct SnapshotPartnerTests {
    private let second: UInt64 = 1_000_000_000

    private func name(_ database: String, _ instance: String, _ time: UInt64) -> SnapshotName {
        SnapshotName(database: database, instance: instance, timestamp: time)
    }

    @Test("is the newest one that is not later than a little after it")
    func newestInTime() {
        let given = name("main", "ns1", 100 * second)
        let names = [10, 90, 105, 106, 200].map { name("shard", "ns1", $0 * second) }
        #expect(SnapshotPartner.candidates(for: given, among: names) == [names[2]])
        #expect(SnapshotPartner.candidates(for: given, among: names.reversed()) == [names[2]])
        #expect(SnapshotPartner.candidates(for: given, among: [names[0], names[3]]) == [names[0]])
    }

    @Test("is the first later one where the older ones are gone")
    func firstLater() {
        let given = name("main", "ns1", 100 * second)
        let names = [300, 200, 400].map { name("shard", "ns1", $0 * second) }
        #expect(SnapshotPartner.candidates(for: given, among: names) == [names[1]])
    }

    @Test("is of the same instance and another database, and a full one")
    func others() {
        let given = name("main", "ns1", 100 * second)
        let delta = SnapshotName(database: "shard", instance: "ns1", timestamp: 100 * second, fileExtension: "delta.gz")
        let right = [name("a", "ns1", 1), name("shard", "ns1", 2)]
        let names = [name("shard", "ns2", 100 * second), name("main", "ns1", 99 * second), delta, given] + right
        #expect(SnapshotPartner.candidates(for: given, among: names) == right)
    }

    @Test("is found for a time at the end of all times")
    func overflow() {
        let given = name("main", "ns1", .max)
        let other = name("shard", "ns1", .max)
        #expect(SnapshotPartner.candidates(for: given, among: [other]) == [other])
    }
}
