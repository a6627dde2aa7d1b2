import Snapshots

/// The deltas of our own in the storage that continue our last full snapshot, and when the next full snapshot is due.
///
/// A pure value. Positions are nanoseconds since the UNIX epoch, times are durations since a fixed moment of the process.
package struct OwnChain: Sendable {
    /// Configuration.
    package struct Settings: Sendable {
        /// How long after a change a full snapshot follows at the latest; nil for 100 times as long as the last one took, at least
        /// a second.
        package var fullInterval: Duration?
        /// A delta of this size in bytes is closed: the next send begins another one.
        package var closingSize: Int

        /// See the properties of the same names.
        package init(fullInterval: Duration? = nil, closingSize: Int = OwnChain.closingSize) {
            (self.fullInterval, self.closingSize) = (fullInterval, closingSize)
        }
    }

    /// What a send stores.
    package enum Send: Sendable, Equatable {
        /// A full snapshot of a new read transaction. The next delta begins at its position.
        case full
        /// The open delta: what has changed since this position.
        case delta(from: UInt64)
        /// A full snapshot of the transaction that the last delta was read from.
        case fullBehindDelta

        /// Whether it stores a full snapshot.
        var isFull: Bool { if case .delta = self { false } else { true } }
    }

    /// An object that was stored.
    package struct Stored: Sendable, Equatable {
        /// Its name.
        package var name: SnapshotName
        /// The position at its end.
        package var position: UInt64
        /// Its size in bytes.
        package var size: Int
        /// Its version in the storage; nil if the storage has none.
        package var version: String?
        /// How long it took to read and store it.
        package var time: Duration = .zero

        /// See the properties of the same names.
        package init(name: SnapshotName, position: UInt64, size: Int, version: String?, time: Duration = .zero) {
            (self.name, self.position, self.size, self.version, self.time) = (name, position, size, version, time)
        }
    }

    /// How many closed deltas of about the same size in a row are merged into one.
    package static let mostOfOneSize = 16
    /// The factor within which sizes are about the same.
    private static let sizeFactor = 4

    /// After this many differences in a row the versions of a storage are not believed.
    private static let mostDifferences = 5
    /// Beyond this many, ``begins`` is compared with the storage.
    private static let mostBegins = 1000

    /// What a listing calls for.
    enum Repair: Equatable { case none, delta, full }

    /// The usual ``Settings/closingSize``.
    package static let closingSize = 16 << 10
    /// A full snapshot is due when the deltas together exceed this part of the last one.
    private static let largestPart = 4

    private let settings: Settings
    /// The deltas since the last full snapshot, oldest first. The last one may be open.
    package private(set) var deltas: [Stored] = []
    /// The position at which the next delta begins, or the open one; nil if the next send is a full snapshot.
    private var from: UInt64?
    /// The positions at which deltas of this process begin, as far as they may be in the storage.
    private var begins: Set<UInt64> = []
    private var lastFull: Stored?
    /// When the first delta since the last full snapshot was stored.
    private var deltasSince: Duration?
    /// Whether a full snapshot follows the delta of the send in progress, or the one that was stored last.
    private(set) var fullFollows = false
    /// When an object was stored last.
    private var storedAt = Duration.zero
    /// How many listings in a row have shown another version of the open delta than the one that was stored.
    private var differences = 0
    /// The deltas that are being merged into one.
    private var widening: [Stored] = []
    private var widensFrom = Duration.zero

    init(settings: Settings) { self.settings = settings }

    // MARK: What to do

    /// What the next send stores.
    ///
    /// - Parameters:
    ///   - wantsFull: whether a full snapshot is due.
    ///   - mayUseDeltas: whether deltas are stored.
    ///   - isUnchanged: whether the last delta that is stored has everything.
    mutating func begin(wantsFull: Bool, mayUseDeltas: Bool, isUnchanged: Bool = false) -> Send {
        guard mayUseDeltas, let from else {
            self.from = nil
            fullFollows = false
            return .full
        }
        if fullFollows { return .fullBehindDelta }
        fullFollows = wantsFull
        if wantsFull, isUnchanged, deltasSince != nil { return .fullBehindDelta }
        begins.insert(from)
        return .delta(from: from)
    }

    /// When a full snapshot is due; nil if there is nothing that the last one does not have.
    ///
    /// - Parameter isReadByFullOnly: whether somebody reads only full snapshots.
    func fullDue(isReadByFullOnly: Bool) -> Duration? {
        guard let lastFull, let since = deltasSince else { return nil }
        if isReadByFullOnly { return since }
        if deltas.reduce(0, { $0 + $1.size }) > lastFull.size / Self.largestPart { return since }
        return since + (settings.fullInterval ?? max(.seconds(1), lastFull.time * 100))
    }

    // MARK: What happened

    /// Reports a stored object.
    mutating func stored(_ object: Stored, at now: Duration) {
        storedAt = now
        if object.name.isDelta {
            if let last = deltas.last, last.name == object.name { deltas.removeLast() }
            deltas.append(object)
            deltasSince = deltasSince ?? now
            from = object.size < settings.closingSize && !fullFollows ? object.name.timestamp : object.position
        } else {
            lastFull = object
            // Those up to here are no longer needed.
            deltas.removeAll { $0.position <= object.position }
            deltasSince = nil
            fullFollows = false
            from = object.position
        }
    }

    /// Forgets everything: the next send is a full snapshot.
    mutating func restart() { (from, fullFollows, deltasSince) = (nil, false, nil) }

    // MARK: Widening

    /// The deltas to merge into one now, in this order; nil if there are none. They count as being merged from now on.
    mutating func nextWidening(at now: Duration) -> [Stored]? {
        guard widening.isEmpty, now >= widensFrom else { return nil }
        let isOpen = deltas.last.map { $0.name.timestamp == from } ?? false
        let closed = isOpen ? deltas.dropLast() : deltas[...]
        guard closed.count >= Self.mostOfOneSize else { return nil }
        for start in 0...(closed.count - Self.mostOfOneSize) {
            let run = closed[start..<start + Self.mostOfOneSize]
            let sizes = run.map(\.size)
            guard let least = sizes.min(), let most = sizes.max(), most <= least * Self.sizeFactor else { continue }
            widening = Array(run)
            return widening
        }
        return nil
    }

    /// Reports that the first one of these deltas has the contents of all, and the others are gone.
    mutating func widened(_ object: Stored, at now: Duration) {
        defer { widening = [] }
        storedAt = now
        let names = Set(widening.map(\.name))
        // A full snapshot may have made them superfluous meanwhile.
        guard let index = deltas.firstIndex(where: { $0.name == object.name }) else { return }
        deltas.removeAll { names.contains($0.name) }
        deltas.insert(object, at: index)
    }

    /// Reports that deltas could not be merged into one.
    mutating func wideningFailed(retryAt time: Duration) { (widening, widensFrom) = ([], time) }

    // MARK: The storage

    /// Reports that reading or storing failed: a delta comes first again.
    mutating func failed() { fullFollows = false }

    /// Whether a delta under the own name is one of this process. Others are of earlier ones, or of another host.
    func hasWritten(_ name: SnapshotName) -> Bool { begins.contains(name.timestamp) }

    /// Compares the storage with what was stored: a request that got no answer may have been carried out later.
    ///
    /// - Parameters:
    ///   - versions: the versions of the deltas under the own name.
    ///   - began: when the listing began.
    mutating func listed(_ versions: [SnapshotName: String], began: Duration) -> Repair {
        guard began > storedAt, widening.isEmpty, differences <= Self.mostDifferences else { return .none }
        if begins.count > Self.mostBegins {
            begins = Set(versions.keys.map(\.timestamp)).intersection(begins).union(from.map { [$0] } ?? [])
        }
        for delta in deltas.dropLast() where !matches(delta, versions) { return .full }
        // One that was merged into an earlier one has come back, and hides that.
        let known = Set(deltas.map(\.name.timestamp)).union(from.map { [$0] } ?? [])
        for name in versions.keys where hasWritten(name) && !known.contains(name.timestamp) {
            if let lastFull, name.timestamp >= lastFull.position { return .full }
        }
        guard let last = deltas.last, !matches(last, versions) else {
            differences = 0
            return .none
        }
        // Some storages give an object another version than they list.
        if versions[last.name] != nil { differences += 1 }
        return from == last.name.timestamp ? .delta : .full
    }

    private func matches(_ delta: Stored, _ versions: [SnapshotName: String]) -> Bool {
        guard let found = versions[delta.name] else { return false }
        return delta.version.map { $0 == found } ?? true
    }
}
