/// Tracks held entries by instance, so that each is reported once; pure.
///
/// It is in memory only: after a restart the snapshots are loaded again.
struct HeldLedger: Sendable {
    /// A held entry.
    struct Entry: Sendable {
        /// Its DBI and its key.
        var identity: [UInt8]
        /// The reason with its place.
        var objection: Objection
    }

    /// The result of a merge.
    struct Change: Sendable {
        /// Entries that were not held before.
        var new: [Entry] = []
        /// Number of entries that are no longer held.
        var gone = 0
    }

    /// Maximum number of tracked entries per instance; others are only counted.
    static let most = 100
    private static let mostSources = 1000

    private struct Source: Hashable {
        var database: String
        var instance: String
    }
    private var known: [Source: Set<[UInt8]>] = [:]

    /// Updates the ledger with the held entries of a merge.
    mutating func merged(_ entries: [Entry], from instance: String, into database: String) -> Change {
        let source = Source(database: database, instance: instance)
        let before = known[source] ?? []
        if before.isEmpty, entries.isEmpty || known.count >= Self.mostSources { return Change(new: entries) }
        let now = Set(entries.map(\.identity))
        known[source] = now.isEmpty ? nil : now
        return Change(
            new: entries.filter { !before.contains($0.identity) }, gone: before.subtracting(now).count)
    }
}
