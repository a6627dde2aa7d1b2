import LMDB
import Simulator
import Snapshots
import Support

@testable import Replication

/// Everything in a snapshot.
func contents(of snapshot: Spool) throws -> TestContents {
    var contents: TestContents = [:]
    var reader = SnapshotReader(snapshot, maximumEntrySize: 1 << 20)
    while true {
        switch try reader.next() {
        case .databaseBegin, .databaseEnd: continue
        case .end: return contents
        case .entry:
            contents[TestKey(database: reader.databaseName, key: Array(reader.key))] = TestVersion(
                timestamp: reader.timestamp, isDeleted: reader.isDeleted, value: Array(reader.value))
        }
    }
}

extension TestVersion {
    func withVersion<R>(_ body: (MergeRule.Version) throws -> R) rethrows -> R {
        try value.withUnsafeBytes { try body(.init(timestamp: timestamp, isDeleted: isDeleted, value: $0)) }
    }

    /// Whether it wins over another version of the same entry by the merge rule.
    func wins(over other: TestVersion) -> Bool {
        withVersion { mine in other.withVersion { MergeRule.replaces(mine, local: $0) } }
    }
}
