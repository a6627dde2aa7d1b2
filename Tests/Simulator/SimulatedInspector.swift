import LMDB
import Replication
import Snapshots

/// Inspects merges: counts what changes, and may hold entries back.
final class SimulatedInspector: ChangeInspector {
    private let holds: Bool

    init(holds: Bool) { self.holds = holds }

    /// Whether a key is one of those that are held back.
    static func isHeld(_ key: some Collection<UInt8>) -> Bool { key.elementsEqual("key0".utf8) }

    func inspectMerge(of snapshot: SnapshotName, into database: String) -> (any MergeInspection)? {
        Inspection(holds: holds)
    }

    func inspectSend(of database: String) -> (any SendInspection)? { nil }

    /// One merge. Used by one thread, as everything here.
    private final class Inspection: MergeInspection, @unchecked Sendable {
        private let holds: Bool
        private var changes = 0
        private var held = 0

        init(holds: Bool) { self.holds = holds }

        func begins(_ transaction: borrowing ReadTransaction) { (changes, held) = (0, 0) }

        func change(
            of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version
        ) throws(RefusedSnapshot) -> ChangeVerdict {
            if holds, SimulatedInspector.isHeld(key) {
                held += 1
                return .hold
            }
            changes += 1
            return .merge
        }

        /// Some look at more than what changes.
        var isSelfContained: Bool { !changes.isMultiple(of: 3) }
        func check(_ transaction: borrowing ReadTransaction) {}
        func refused(_ refusal: RefusedSnapshot) -> RefusedSnapshot { refusal }
        func heldBack() -> HeldEntries? { held == 0 ? nil : HeldEntries(count: held, first: "key0") }
        func lost(_ key: UnsafeRawBufferPointer, in dbi: String) { changes -= 1 }
        func ended(_ report: MergeReport?) {}
    }
}
