/// Decides when to copy an application's changes to the shadow DBIs: at start, and soon after each change.
///
/// A send captures by itself. Separate captures are for changes that cannot be sent yet, or are never sent, so that
/// they get their timestamps in time. A pure state machine over transaction IDs and times; times are durations since a
/// fixed moment of the process.
package struct CaptureMachine {
    private let minimumInterval: Duration
    private let retryInterval: Duration
    /// The newest captured transaction; nil before the first capture.
    private var through: UInt64?
    /// The newest transaction seen.
    private var newest: UInt64 = 0
    /// When the first and the last uncaptured changes were seen.
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

    /// Whether the changes from before the start are captured. Nothing is merged or sent before.
    package var hasStarted: Bool { through != nil }

    /// Reports the newest transaction of the LMDB.
    package mutating func observed(_ transaction: UInt64, at now: Duration) {
        guard transaction > newest else { return }
        newest = transaction
        if let through, transaction > through { changed = (changed?.first ?? now, now) }
    }

    /// Reports a committed transaction of our own that kept the shadows up to date.
    package mutating func ownCommitted(_ transaction: UInt64) {
        guard let through, transaction == through &+ 1 else { return }
        captured(through: transaction)
    }

    /// Reports the begin of a capture.
    package mutating func started() { retryAt = nil }

    /// Reports the end of a capture, or of a send that captured everything up to this transaction.
    package mutating func captured(through transaction: UInt64, at now: Duration) {
        lastEnd = now
        captured(through: transaction)
    }

    /// Reports a failed capture.
    package mutating func failed(at now: Duration) { retryAt = now + retryInterval }

    private mutating func captured(through transaction: UInt64) {
        through = max(through ?? 0, transaction)
        newest = max(newest, transaction)
        if newest == through { changed = nil }
    }

    /// When the next capture is due; nil if there is nothing to capture. Only meaningful while no capture is running.
    package var due: Duration? {
        if let retryAt { return retryAt }
        guard hasStarted else { return .zero }
        guard let changed else { return nil }
        let settled = min(changed.last + Sender.quietTime, changed.first + Sender.longestWait)
        return max(settled, lastEnd.map { $0 + minimumInterval } ?? settled)
    }
}
