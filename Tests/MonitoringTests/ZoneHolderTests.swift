import Snapshots
import Testing

@testable import Monitoring

/// Who has the last change of a zone, as far as state objects tell.
@Suite struct ZoneHolderTests {
    private func name(_ instance: String, _ time: UInt64) -> SnapshotName {
        SnapshotName(database: "main", instance: instance, timestamp: time * 1_000_000_000, generation: "GX")
    }

    private func position(_ instance: String, sent: UInt64?, _ applied: [String: UInt64]?) -> InstancePosition {
        InstancePosition(
            name: instance, isOwn: instance == "a", newest: sent.map { name(instance, $0) },
            applied: applied.map { applied in
                Dictionary(uniqueKeysWithValues: applied.map { ($0, name($0, $1)) })
            })
    }

    private func has(_ all: [InstancePosition], source: SnapshotName?, changed: UInt64) -> [Bool?] {
        all.map { $0.has(source, changedAt: changed * 1_000_000_000, among: all) }
    }

    @Test func whoHasMergedTheSnapshotHasTheChange() {
        let all = [
            position("a", sent: 50, nil), position("b", sent: 60, ["a": 50]), position("c", sent: 40, ["b": 60]),
            position("d", sent: 40, ["b": 59, "a": 50]), position("e", sent: 40, nil),
        ]
        // We have what we show, and who made the snapshot has it.
        #expect(has(all, source: name("b", 60), changed: 58) == [true, true, true, false, nil])
    }

    @Test func withoutMemoryOnlyWhoHasEverythingSince() {
        let all = [
            position("a", sent: 70, nil), position("b", sent: 60, ["a": 70]),
            position("c", sent: 40, ["a": 70, "b": 60]),
            position("d", sent: 40, ["a": 70, "b": 59]), position("e", sent: 40, nil),
        ]
        #expect(has(all, source: nil, changed: 58) == [true, true, true, nil, nil])
        // A later change than the one that is remembered, in no snapshot yet.
        #expect(has(all, source: name("b", 60), changed: 71) == [true, false, false, false, nil])
    }
}
