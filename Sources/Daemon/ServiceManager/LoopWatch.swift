import LMDB

/// Decides whether all sync loops live, from what they show to somebody who looks from time to time. A pure machine.
///
/// A loop that waits for the storage turns all the same: requests end by themselves, so they count for nothing here.
/// Work on the LMDB has to show progress; one that waits for a write lock is excused, because a new process would have
/// to wait for it as well.
struct LoopWatch: Sendable {
    /// What a loop has shown so far.
    struct Sign: Sendable, Equatable {
        /// How often it has turned; zero until it begins.
        var turns = 0
        /// Whether the work on the LMDB gets on.
        var activity = TransactionActivity()
    }

    /// What each had shown when last all of them had lived.
    private var known: [String: Sign] = [:]
    /// Those that have shown no life since then, in order of their names.
    private(set) var silent: [String] = []
    /// What each had shown when ``waiting(_:)`` was called last.
    private var seen: [String: Sign] = [:]

    /// Takes in what each loop has shown by now.
    ///
    /// - Returns: whether all of them have lived since the last time that this was so.
    mutating func look(_ signs: [String: Sign]) -> Bool {
        // Who is seen for the first time lives.
        silent = signs.filter { name, sign in known[name].map { !Self.lives(sign, since: $0) } ?? false }.keys.sorted()
        guard silent.isEmpty else { return false }
        known = signs
        return true
    }

    /// Takes in the same, at moments of which nothing else depends.
    ///
    /// - Returns: who has waited for the write lock of an LMDB since the call before, in order of their names.
    mutating func waiting(_ signs: [String: Sign]) -> [String] {
        defer { seen = signs }
        return signs.filter { name, sign in
            // Others may read meanwhile.
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
