import Snapshots

/// What is under way with the LMDB of a database: at most one thing that reads all of it, and at most one that writes.
///
/// Nothing begins beside anything else, with two exceptions where an application keeps the versions itself (native mode):
///
/// - What writes may have to wait for the application's write lock. Once it has taken longer than ``patience``, the
///   next snapshot is compared and sends are read beside it.
/// - What was compared meanwhile is applied as soon as nothing else writes, whatever is being read.
///
/// With shadows a send captures first, which needs the write lock itself, and a comparison may have to: they wait.
///
/// A pure value: it knows what may begin, not what should.
package struct LMDBWork: Sendable {
    /// What reads.
    package enum Reading: Sendable, Equatable {
        /// Nothing. Becomes ``comparing(_:)`` or ``scanning``.
        case idle
        /// The first half of a merge. Becomes ``idle``; with something to be written the snapshot is ``LMDBWork/planned``
        /// then.
        case comparing(SnapshotName)
        /// A send reads everything. Becomes ``idle``.
        case scanning
    }

    /// What writes.
    package enum Writing: Sendable, Equatable {
        /// Nothing. Becomes ``applying(_:)``, or any other while nothing reads.
        case idle
        /// The second half of a merge, of the snapshot that was planned. Becomes ``idle``.
        case applying(SnapshotName)
        /// The application's changes are copied to the shadows. Becomes ``idle``.
        case capturing
        /// The time of the last sync is written down. Becomes ``idle``.
        case recording
        /// The sweeper works for one slice. Becomes ``idle``.
        case sweeping
    }

    /// What takes longer than that is taken to wait for the write lock.
    ///
    /// What is compared beside a merge may have to be compared again after it; a merge that has the lock is mostly over
    /// by then.
    package static let patience = Duration.milliseconds(100)

    /// What reads.
    package private(set) var reading = Reading.idle
    /// What writes.
    package private(set) var writing = Writing.idle
    /// The snapshot that has been compared and waits to be applied; one at most.
    package private(set) var planned: SnapshotName?
    private var writesSince = Duration.zero
    private let readsBesideWriter: Bool

    /// - Parameter hasShadows: whether the application's changes have to be captured in shadows.
    package init(hasShadows: Bool) { readsBesideWriter = !hasShadows }

    // MARK: What may begin

    /// Whether nothing is under way, and nothing waits to be applied.
    package var isIdle: Bool { reading == .idle && writing == .idle && planned == nil }

    /// From when on something may begin to read; nil while only an event can bring that.
    package var readsFrom: Duration? {
        guard reading == .idle else { return nil }
        if writing == .idle { return .zero }
        return readsBesideWriter ? writesSince + Self.patience : nil
    }

    /// Whether something may begin to read.
    package func mayRead(at now: Duration) -> Bool { readsFrom.map { $0 <= now } ?? false }

    /// Whether what is planned may be applied.
    package var mayApply: Bool { planned != nil && writing == .idle && (reading == .idle || readsBesideWriter) }

    // MARK: What begins and ends

    /// A snapshot begins to be compared, or a send to read.
    package mutating func begin(_ work: Reading) { reading = work }

    /// Something begins to write. What is applied is not planned any more.
    package mutating func begin(_ work: Writing, at now: Duration) {
        writing = work
        writesSince = now
        if case .applying = work { planned = nil }
    }

    /// The snapshot has been compared, and is to be applied.
    package mutating func compared(_ name: SnapshotName) {
        guard reading == .comparing(name) else { return }
        reading = .idle
        planned = name
    }

    /// The merge of a snapshot has ended, in whichever half.
    package mutating func merged(_ name: SnapshotName) {
        if reading == .comparing(name) { reading = .idle }
        if writing == .applying(name) { writing = .idle }
    }

    /// A send has read what it reads, or failed.
    package mutating func scanned() { if reading == .scanning { reading = .idle } }

    /// Something other than a merge has written, or failed. Nothing ends where it was part of something else.
    package mutating func wrote(_ work: Writing) { if writing == work { writing = .idle } }

    /// What is planned will not be applied.
    package mutating func dropPlanned() { planned = nil }
}
