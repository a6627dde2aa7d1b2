import LMDB

/// Determines from periodic samples whether all sync loops are alive. A pure state machine.
///
/// A loop that waits for the storage still turns: requests have timeouts, so they are ignored here.
/// Work on the LMDB must make progress, unless it waits for a write lock, for which a new process would have
/// to wait as well.
struct LoopWatch: Sendable {
    /// A sample of a loop.
    struct Sign: Sendable, Equatable {
        /// The number of its turns; zero until it starts.
        var turns = 0
        /// Whether its work on the LMDB makes progress.
        var activity = TransactionActivity()
    }

    /// The samples at the last time when all loops were alive.
    private var known: [String: Sign] = [:]
    /// Loops without activity since then, sorted by name.
    private(set) var silent: [String] = []
    /// The samples of the last call of ``waiting(_:)``.
    private var seen: [String: Sign] = [:]

    /// Evaluates the current samples.
    ///
    /// - Returns: whether all loops have been active since the last time that this was so.
    mutating func evaluate(_ signs: [String: Sign]) -> Bool {
        // A loop counts as alive in its first sample.
        silent = signs.filter { name, sign in known[name].map { !Self.lives(sign, since: $0) } ?? false }.keys.sorted()
        guard silent.isEmpty else { return false }
        known = signs
        return true
    }

    /// Evaluates additional samples for waits, without other effects.
    ///
    /// - Returns: loops that have waited for the write lock of an LMDB since the previous call, sorted by name.
    mutating func waiting(_ signs: [String: Sign]) -> [String] {
        defer { seen = signs }
        return signs.filter { name, sign in
            // Reads continue meanwhile.
            guard let before = seen[name]?.activity, before.waitsForLock else { return false }
            return sign.activity.waitsForLock && sign.activity.endedWaits == before.endedWaits
        }.keys.sorted()
    }

    private static func lives(_ sign: Sign, since before: Sign) -> Bool {
        let turns = sign.turns != before.turns || sign.turns == 0
        let (now, then) = (sign.activity, before.activity)
        return turns && (!now.isBusy || now.waitsForLock || now.steps != then.steps)
    }
}
