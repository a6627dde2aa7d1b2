/// Waits for the flush of PowerDNS's caches after a merge: it ends when nothing refers to it any more.
///
/// The merge is queued with it, and each request that the merge requires keeps it until that has ended.
final class FlushHold: Sendable {
    private let end: @Sendable () -> Void

    /// - Parameter end: called at the end.
    init(_ end: @escaping @Sendable () -> Void) { self.end = end }

    deinit { end() }
}
