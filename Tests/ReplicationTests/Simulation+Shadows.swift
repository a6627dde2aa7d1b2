import LMDB
import Snapshots
import TestSupport

@testable import Replication

/// Instances whose applications keep no headers.
extension Simulation {
    /// Copies what the application of an instance has changed to the shadows.
    func capture(_ node: Node) throws -> SyncMachine.Event {
        guard var capture = node.capture else { return .captureFailed }
        let outcome = try capture.run(node.environment, at: node.clock(at: now))
        node.capture = capture
        return .captured(through: outcome.through, transaction: outcome.transaction)
    }

    /// Lets the application of an instance write or delete one entry.
    func writeWithoutHeader(_ index: Int) throws {
        let node = nodes[index]
        let number = Int.random(in: 0..<12, using: &random)
        let value = Array("value\(Int.random(in: 0..<4, using: &random))".utf8)
        let deletes = random.chance(0.3)
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5:
            let (key, isEmpty) = (Array("key\(number)".utf8), random.chance(0.2))
            if deletes {
                try node.environment.appDelete(key, in: "records_v5")
            } else {
                try node.environment.appPut(key, isEmpty ? [] : value, in: "records_v5")
            }
        case 5..<8:
            let key = bytes(of: UInt32(number * 100))
            if deletes {
                try node.environment.appDelete(key, in: "integers")
            } else {
                try node.environment.appPut(key, value, in: "integers", flags: .integerKey)
            }
        default:
            let key = Array("key\(number)".utf8)
            if deletes {
                try node.environment.appDelete(key, value: value, in: "members")
            } else {
                try node.environment.appPut(key, value, in: "members", flags: .duplicateSort)
            }
        }
        node.reasonsToSend += 1
        let transaction = node.environment.info.lastTransactionID
        if random.chance(0.5) {
            schedule(index, after: delay(0.01)) { [self] in try handle(.observed(transaction: transaction), $0, index) }
        }
    }

    /// Everything that an instance syncs.
    func versions(_ node: Node) throws -> TestContents {
        schema.hasShadows ? try node.environment.versions() : try node.environment.contents()
    }
}
