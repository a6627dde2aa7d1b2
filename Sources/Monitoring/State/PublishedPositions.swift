import Snapshots

/// Which merged positions the state object contains: it may be kept at those before a merge, until that merge is visible to everybody.
///
/// A merge is visible in PowerDNS's answers when its caches are flushed.
struct PublishedPositions: Sendable {
    /// The positions of others, by instance.
    struct Positions: Sendable, Equatable {
        /// The newest merged snapshots.
        var applied: [String: SnapshotName]
        /// Those whose entries the newest sent snapshot contains; nil before the first send.
        var covered: [String: SnapshotName]?

        /// None that is newer than another one's.
        fileprivate func limited(to other: Self) -> Self {
            Self(
                applied: Self.limited(applied, to: other.applied),
                covered: covered.flatMap { covered in other.covered.map { Self.limited(covered, to: $0) } })
        }

        private static func limited(
            _ names: [String: SnapshotName], to other: [String: SnapshotName]
        ) -> [String: SnapshotName] {
            var names = names
            for (instance, name) in names { names[instance] = other[instance].map { min($0, name) } }
            return names
        }
    }

    /// The merges that are not visible yet, oldest first, each with the positions before it.
    private var holds: [(number: UInt64, before: Positions)] = []
    private var next: UInt64 = 0

    /// Whether a merge is not visible yet.
    var isHeld: Bool { !holds.isEmpty }

    /// A merge has ended; its position is not in the current ones yet.
    ///
    /// - Returns: the number of the merge.
    mutating func hold(_ current: Positions) -> UInt64 {
        next += 1
        holds.append((next, current))
        return next
    }

    /// The merge is visible.
    ///
    /// - Returns: whether it was not before.
    mutating func release(_ number: UInt64) -> Bool {
        guard let index = holds.firstIndex(where: { $0.number == number }) else { return false }
        holds.remove(at: index)
        return true
    }

    /// What may be published.
    ///
    /// - Parameter current: what is merged. A database that is rebuilt has less than before.
    func positions(_ current: Positions) -> Positions { holds.first.map { $0.before.limited(to: current) } ?? current }
}
