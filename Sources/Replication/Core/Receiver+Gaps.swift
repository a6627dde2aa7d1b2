/// Gaps in the deltas of instances.
extension Receiver {
    /// Follows for how long the deltas of instances do not lead on. An instance that runs sends a full snapshot soon.
    ///
    /// If none comes, the full snapshots of the others are read: they have what those have merged of the missing deltas.
    mutating func noteStuck(at now: Duration) {
        guard !stuckGroups.isEmpty || !stuck.isEmpty else { return }
        stuck = stuck.filter { instances[$0.key] != nil }
        var isNew = false
        for group in stuckGroups {
            guard let known = stuck[group] else {
                stuck[group] = (now, false)
                continue
            }
            guard !known.isLong, now - known.since >= Self.patienceWithGaps else { continue }
            stuck[group]?.isLong = true
            isNew = true
        }
        if isNew { requireFulls() }
    }

    /// The instances of which a delta has been missing for long, sorted.
    var gaps: [String] { stuck.filter(\.value.isLong).keys.map(\.instance).sorted() }

    /// When ``noteStuck(at:)`` has something to do; nil if it has not.
    var nextGap: Duration? {
        if stuckGroups.isEmpty { return nil }
        return stuckGroups.compactMap { stuck[$0] }.filter { !$0.isLong }.map { $0.since + Self.patienceWithGaps }.min()
    }

    /// How long an instance gets to close a gap in its deltas.
    static let patienceWithGaps = Duration.seconds(10)
}
