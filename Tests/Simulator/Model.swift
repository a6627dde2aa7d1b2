import LMDB
import Replication
import TestSupport

/// A promise that was broken.
package struct Violation: Error, CustomStringConvertible {
    /// Which one.
    package var rule: String
    /// How.
    package var text: String

    package var description: String { "\(rule): \(text)" }
}

/// What is known of the writes of all applications, and what therefore has to be true.
struct Model {
    /// All versions that were ever written, where applications keep versions.
    private var written: [TestKey: Set<TestVersion>] = [:]
    /// All values that were ever written, where they do not.
    private var values: [TestKey: Set<[UInt8]>] = [:]
    /// The winners among all versions that an intact snapshot in the storage has held.
    private(set) var durable: TestContents = [:]
    /// Versions in snapshots that have come after their LMDB was lost.
    private var possible: [TestKey: Set<TestVersion>] = [:]
    /// The timestamp with which each key was deleted last.
    private(set) var deletions: [TestKey: UInt64] = [:]
    /// Keys that are in some LMDBs only, by decision of an inspector or because a DBI was dropped.
    private var exempt: Set<TestKey> = []
    private let usesShadows: Bool
    /// Whether somebody loses an LMDB who holds entries back, even those of the own snapshots.
    private let holdersLose: Bool

    init(usesShadows: Bool, holdersLose: Bool) { (self.usesShadows, self.holdersLose) = (usesShadows, holdersLose) }

    /// DBIs that applications drop: what becomes of their entries depends on who has merged them.
    static let droppedDatabase = "scratch"

    mutating func wrote(_ key: TestKey, _ version: TestVersion) {
        written[key, default: []].insert(version)
        if version.isDeleted { deletions[key] = max(deletions[key] ?? 0, version.timestamp) }
    }

    mutating func wrote(_ key: TestKey, value: [UInt8]) { values[key, default: []].insert(value) }

    /// An intact snapshot is in the storage.
    ///
    /// - Parameters:
    ///   - isLost: whether the LMDB that it was read from was lost before: then nobody can rely on it, but it may be merged.
    ///   - oldest: what was written before that time, and is stored for the first time, is not relied upon either: after as long an
    ///     absence deletions are forgotten, and a rebuild removes what others do not have. 0 if deletions are kept for ever.
    mutating func stored(_ contents: TestContents, isLost: Bool, oldest: UInt64) {
        for (key, version) in contents {
            // The times of what is found at the first start are unknown.
            let isLate = version.timestamp > 1_000_000 && version.timestamp < oldest && durable[key] != version
            if isLost || isLate {
                possible[key, default: []].insert(version)
            } else {
                join(&durable, with: [key: version])
            }
        }
    }

    /// An LMDB was rebuilt after too long an absence. What it has lost, and nobody else has, nobody can rely on any more.
    ///
    /// - Parameter view: what the others have in the storage.
    mutating func rebuilt(_ old: TestContents, _ new: TestContents, view: TestContents) {
        for (key, version) in old where new[key] == nil && view[key] == nil && durable[key] == version {
            durable[key] = nil
            possible[key, default: []].insert(version)
        }
    }

    mutating func deleted(_ key: TestKey, at timestamp: UInt64) {
        deletions[key] = max(deletions[key] ?? 0, timestamp)
    }

    mutating func exempts(_ key: TestKey) { exempt.insert(key) }

    func isExempt(_ key: TestKey) -> Bool { key.database == Self.droppedDatabase || exempt.contains(key) }

    // MARK: At every step

    /// What may change in an LMDB.
    enum Change {
        case application, capture, merge
        case sweep(limit: UInt64)
        case rebuild
    }

    /// Checks that a change of an LMDB brought nothing that nobody wrote, took back nothing and removed nothing.
    func check(_ old: TestContents, _ new: TestContents, _ change: Change, _ name: String) throws(Violation) {
        for (key, version) in new {
            let before = old[key]
            guard before != version else { continue }
            guard isWritten(key, version) else {
                throw Violation(rule: "nothing is invented", text: "\(name) has \(key) \(version)")
            }
            guard case .rebuild = change else {
                if let before, !version.replaces(before) {
                    throw Violation(
                        rule: "a key's timestamp never falls", text: "\(name): \(key) \(before) became \(version)")
                }
                continue
            }
        }
        guard old.count > new.count || !old.keys.allSatisfy({ new[$0] != nil }) else { return }
        for (key, version) in old where new[key] == nil {
            switch change {
            case .sweep(let limit) where version.isDeleted && version.timestamp < limit: continue
            case .application where key.database == Self.droppedDatabase: continue
            case .rebuild: continue
            default: throw Violation(rule: "nothing disappears", text: "\(name): \(key) \(version)")
            }
        }
    }

    private func isWritten(_ key: TestKey, _ version: TestVersion) -> Bool {
        if usesShadows { return version.isDeleted || values[key]?.contains(version.value) ?? false }
        return written[key]?.contains(version) ?? false
    }

    /// Checks that somebody who begins with nothing still gets what an object held that was removed.
    ///
    /// - Parameter view: what is in the newest intact snapshots of all instances.
    func checkRemoval(of contents: TestContents, _ name: String, view: TestContents) throws(Violation) {
        for (key, version) in contents where key.database != Self.droppedDatabase {
            if holdersLose, isExempt(key) { continue }
            if let other = view[key], other == version || other.replaces(version) { continue }
            // Nobody relies on what was stored late.
            if durable[key] != version, possible[key]?.contains(version) ?? false { continue }
            // What was deleted since may be swept by now.
            if version.isDeleted || deletions[key] ?? 0 > version.timestamp { continue }
            throw Violation(rule: "the only copy is never removed", text: "\(name) held \(key) \(version)")
        }
    }

    // MARK: At rest

    /// Checks what an instance has when nothing happens any more.
    func checkAtRest(_ contents: TestContents, sweeps: Bool, _ name: String) throws(Violation) {
        for (key, winner) in durable where !isExempt(key) {
            let version = contents[key]
            if version == winner { continue }
            if let version, version.replaces(winner), possible[key]?.contains(version) ?? false { continue }
            if sweeps {
                if winner.isDeleted, version?.isDeleted != false { continue }
                // One that was deleted and swept where nobody could learn of it may be gone, too.
                if version.map(\.isDeleted) ?? true, deletions[key] ?? 0 > winner.timestamp { continue }
            }
            let rule =
                winner.isDeleted && version?.isDeleted == false
                ? "nothing that was deleted comes back" : "the greatest durable version wins"
            throw Violation(
                rule: rule, text: "\(name) has \(version.map { "\($0)" } ?? "no version") of \(key), not \(winner)")
        }
        for (key, version) in contents where durable[key] == nil && !isExempt(key) {
            if possible[key]?.contains(version) ?? false { continue }
            throw Violation(rule: "everything is stored", text: "\(name) has \(key) \(version), which nobody has sent")
        }
    }
}
