import Support

/// A histogram of the ages of entries when they became visible here. Takes constant memory.
package struct EntryAges: Sendable, Equatable {
    /// The upper bounds of the classes in seconds, ascending. One more class holds older entries.
    package static let bounds: [Double] = [
        0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400, 604_800, 2_592_000,
    ]

    /// The number of entries in each class; one more than there are bounds.
    package private(set) var counts = [Int](repeating: 0, count: bounds.count + 1)
    /// The sum of all ages, in seconds.
    package private(set) var sum = 0.0

    /// How far the latest timestamp lies in the future, in nanoseconds; 0 if none does.
    package private(set) var ahead: UInt64 = 0

    /// No entries.
    package init() {}

    /// The number of entries.
    package var total: Int { counts.reduce(0, +) }

    /// Counts an entry. One from the future has age 0.
    ///
    /// - Parameters: both in nanoseconds since the UNIX epoch.
    mutating func add(timestamp: UInt64, now: UInt64) {
        if timestamp > now { ahead = max(ahead, timestamp - now) }
        add(nanoseconds: now > timestamp ? now - timestamp : 0)
    }

    /// Counts an entry.
    ///
    /// - Parameter age: nanoseconds.
    package mutating func add(nanoseconds age: UInt64) {
        let seconds = Double(age) / 1e9
        // Large numbers of entries are usually old.
        let isOldest = Self.bounds.last.map { seconds > $0 } ?? true
        let index = isOldest ? Self.bounds.count : Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
        counts[index] += 1
        sum += seconds
    }
}

/// Collects the timestamps of the entries that a merge writes, to compute their ages at the commit.
///
/// Their number is limited: if a merge writes more, the ages of the first ones are those at the time of writing.
struct WrittenTimestamps {
    private static let most = 4096

    private let clock: WallClock
    private var timestamps: [UInt64] = []
    private var ages = EntryAges()

    init(_ clock: @escaping WallClock) { self.clock = clock }

    mutating func note(_ timestamp: UInt64) {
        timestamps.append(timestamp)
        if timestamps.count == Self.most { count() }
    }

    /// All ages, as of now.
    mutating func finish() -> EntryAges {
        count()
        return ages
    }

    private mutating func count() {
        let now = clock()
        for timestamp in timestamps { ages.add(timestamp: timestamp, now: now) }
        timestamps.removeAll(keepingCapacity: true)
    }
}
