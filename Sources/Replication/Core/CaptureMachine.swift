/// When to copy an application's changes to the shadows of its DBIs: at the start, and soon after they were made.
///
/// A send captures by itself; this is for changes that can't be sent yet, or never are, so that they get their
/// timestamps in time. A pure state machine over transaction IDs and times, which are durations since a fixed moment of
/// the process.
package struct CaptureMachine {
    private let minimumInterval: Duration
    private let retryInterval: Duration
    /// Every transaction up to this one is in the shadows; nil before the first capture.
    private var through: UInt64?
    /// The newest transaction seen.
    private var newest: UInt64 = 0
    /// When the first and the last of the changes that are still to be captured were noticed.
    private var changed: (first: Duration, last: Duration)?
    private var lastEnd: Duration?
    private var retryAt: Duration?

    /// - Parameters:
    ///   - minimumInterval: how long to wait after a capture before the next one.
    ///   - retryInterval: how long to wait after a failure.
    package init(minimumInterval: Duration, retryInterval: Duration) {
        self.minimumInterval = minimumInterval
        self.retryInterval = retryInterval
    }

    /// Whether what was there at the start is captured: nothing is merged or sent before.
    package var hasStarted: Bool { through != nil }

    /// Somebody asked for the newest transaction.
    package mutating func observed(_ transaction: UInt64, at now: Duration) {
        guard transaction > newest else { return }
        newest = transaction
        if let through, transaction > through { changed = (changed?.first ?? now, now) }
    }

    /// A transaction of ours has been committed that leaves the shadows as they should be.
    package mutating func noteOwn(_ transaction: UInt64) {
        guard let through, transaction == through &+ 1 else { return }
        captured(through: transaction)
    }

    /// A capture begins.
    package mutating func started() { retryAt = nil }

    /// It ended, or a send has captured everything up to this transaction.
    package mutating func captured(through transaction: UInt64, at now: Duration) {
        lastEnd = now
        captured(through: transaction)
    }

    /// It failed.
    package mutating func failed(at now: Duration) { retryAt = now + retryInterval }

    private mutating func captured(through transaction: UInt64) {
        through = max(through ?? 0, transaction)
        newest = max(newest, transaction)
        if newest == through { changed = nil }
    }

    /// When the next capture is due, while none is under way; nil when there is nothing to be captured.
    package var due: Duration? {
        if let retryAt { return retryAt }
        guard hasStarted else { return .zero }
        guard let changed else { return nil }
        let settled = min(changed.last + Sender.quietTime, changed.first + Sender.longestWait)
        return max(settled, lastEnd.map { $0 + minimumInterval } ?? settled)
    }
}
