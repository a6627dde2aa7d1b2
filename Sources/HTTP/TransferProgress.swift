/// Tells somebody how far uploads and downloads have come, for storages that move bytes over a network.
package enum TransferProgress {
    /// Takes how many bytes have moved since the last call (fewer than none when a request starts anew), and how many
    /// there are in all where the request knows.
    ///
    /// Called often, from any thread; must not block.
    package typealias Report = @Sendable (_ moved: Int, _ total: Int?) -> Void

    /// Who is told by the calls of this task and its children.
    @TaskLocal package static var report: Report?
}
