import Snapshots

/// The work in progress on the LMDB of a database: at most one full read, and at most one write.
///
/// Reads and writes exclude each other, with two exceptions in native mode, where the application stores the versions
/// itself:
///
/// - A write may have to wait for the application's write lock. Once it takes longer than ``patience``, the next
///   snapshot is compared, or a send reads, at the same time.
/// - A plan that results from that is applied as soon as no other write is in progress, even during a send's read.
///
/// While small deltas wait to be applied, others are compared, to be applied with them in one transaction.
///
/// In shadow mode a send captures first, which needs the write lock, and a comparison may have to as well: both wait.
///
/// A pure value: it knows what may begin, not what should.
package struct LMDBWork: Sendable {
    /// The states of reading.
    package enum Reading: Sendable, Equatable {
        /// No read. Becomes ``comparing(_:)`` or ``scanning``.
        case idle
        /// The first half of a merge. Becomes ``idle``; if there is something to write, the snapshot is
        /// ``LMDBWork/planned``.
        case comparing(SnapshotName)
        /// A send reads the database. Becomes ``idle``.
        case scanning
    }

    /// The states of writing.
    package enum Writing: Sendable, Equatable {
        /// No write. Becomes `applying`, or another state if there is no read.
        case idle
        /// The second half of a merge, of the planned snapshots that have not been reported yet. Becomes ``idle``.
        case applying([SnapshotName])
        /// Copying the application's changes to the shadows. Becomes ``idle``.
        case capturing
        /// Recording the time of the last sync. Becomes ``idle``.
        case recording
        /// One slice of the sweeper. Becomes ``idle``.
        case sweeping
    }

    /// A write that takes longer than this is assumed to wait for the write lock.
    ///
    /// A snapshot compared during a merge may have to be compared again after it. A merge that holds the lock is mostly
    /// done by then.
    package static let patience = Duration.milliseconds(100)

    /// The read in progress.
    package private(set) var reading = Reading.idle
    /// The write in progress.
    package private(set) var writing = Writing.idle
    /// The snapshot that is compared and waits to be applied, or several deltas that are applied together, in this order.
    package private(set) var planned: [SnapshotName] = []
    private var writesSince = Duration.zero
    private let readsBesideWriter: Bool

    /// - Parameter hasShadows: whether the application's changes have to be captured in shadows.
    package init(hasShadows: Bool) { readsBesideWriter = !hasShadows }

    // MARK: What may begin

    /// Whether nothing is in progress and nothing waits to be applied.
    package var isIdle: Bool { reading == .idle && writing == .idle && planned.isEmpty }

    /// When a read may begin; nil while that takes an event.
    package var readsFrom: Duration? {
        guard reading == .idle else { return nil }
        if writing == .idle { return .zero }
        return readsBesideWriter ? writesSince + Self.patience : nil
    }

    /// Whether a read may begin.
    package func mayRead(at now: Duration) -> Bool { readsFrom.map { $0 <= now } ?? false }

    /// Whether the plan may be applied. What is being compared joins it.
    package var mayApply: Bool {
        guard !planned.isEmpty, writing == .idle else { return false }
        return reading == .idle || reading == .scanning && readsBesideWriter
    }

    // MARK: What begins and ends

    /// Begins a read.
    package mutating func begin(_ work: Reading) { reading = work }

    /// Begins a write. An applied snapshot is no longer planned.
    package mutating func begin(_ work: Writing, at now: Duration) {
        writing = work
        writesSince = now
        if case .applying = work { planned = [] }
    }

    /// The snapshot is compared, and has to be applied.
    package mutating func compared(_ name: SnapshotName) {
        guard reading == .comparing(name) else { return }
        reading = .idle
        planned.append(name)
    }

    /// The merge of a snapshot has ended, in either half.
    package mutating func merged(_ name: SnapshotName) {
        if reading == .comparing(name) { reading = .idle }
        guard case .applying(let names) = writing, names.contains(name) else { return }
        let rest = names.filter { $0 != name }
        writing = rest.isEmpty ? .idle : .applying(rest)
    }

    /// The read of a send has succeeded or failed.
    package mutating func scanned() { if reading == .scanning { reading = .idle } }

    /// A write other than a merge has succeeded or failed. No effect if it was part of other work.
    package mutating func wrote(_ work: Writing) { if writing == work { writing = .idle } }

    /// Drops the plan.
    package mutating func dropPlanned() { planned = [] }
}
