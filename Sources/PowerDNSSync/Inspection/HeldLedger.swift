/// Remembers which entries of whose snapshots are held back, so that each is told of once; pure.
///
/// It lives in memory: after a restart the snapshots are loaded again, and tell it anew.
struct HeldLedger: Sendable {
    /// An entry that is held back.
    struct Entry: Sendable {
        /// Its DBI and its key.
        var identity: [UInt8]
        /// Where and why.
        var objection: Objection
    }

    /// What a merge has brought.
    struct Change: Sendable {
        /// What was not held back before.
        var new: [Entry] = []
        /// How many are not held back any more.
        var gone = 0
    }

    /// No more entries than this are remembered of one instance; others only count.
    static let most = 100
    private static let mostSources = 1000

    private struct Source: Hashable {
        var database: String
        var instance: String
    }
    private var known: [Source: Set<[UInt8]>] = [:]

    /// Takes what a merge has held back.
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
