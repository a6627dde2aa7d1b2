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
