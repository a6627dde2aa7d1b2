import LMDB
import Support

/// The entries of plans that wait to be applied, so that what is written after them in the same transaction is compared with them.
///
/// In memory, so only for small plans. `@unchecked Sendable`: nothing changes after the initialiser.
package final class PlannedVersions: @unchecked Sendable {
    private struct Key: Hashable {
        var database: String
        var key: [UInt8]
    }

    private var versions: [Key: MergeRule.Version] = [:]
    private var values: [UnsafeMutableRawBufferPointer] = []

    /// - Parameter plans: in the order in which they are applied.
    init(_ plans: some Sequence<MergePlan>) throws {
        for plan in plans {
            var reader = MergePlanReader(plan.entries)
            while let entry = try reader.next() { add(entry, in: plan.targets[entry.target].name) }
        }
    }

    deinit { for value in values { value.deallocate() } }

    private func add(_ entry: PlannedEntry, in database: String) {
        let key = Key(database: database, key: Array(entry.key))
        if let known = versions[key], !MergeRule.replaces(entry.version, local: known) { return }
        let value = UnsafeMutableRawBufferPointer.allocate(byteCount: entry.version.value.count, alignment: 1)
        value.copyMemory(from: entry.version.value)
        values.append(value)
        var version = entry.version
        version.value = UnsafeRawBufferPointer(value)
        versions[key] = version
    }

    /// The version of a key once the plans are applied. Its value is valid as long as this object is.
    ///
    /// - Parameter current: the version in the LMDB; nil if there is none.
    func newer(
        than current: MergeRule.Version?, _ key: UnsafeRawBufferPointer, _ database: String
    ) -> MergeRule.Version? {
        guard let planned = versions[Key(database: database, key: Array(key))] else { return current }
        guard let current else { return planned }
        return MergeRule.replaces(planned, local: current) ? planned : current
    }
}
