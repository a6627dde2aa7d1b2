/// Reports the progress of uploads and downloads, for storages on a network.
package enum TransferProgress {
    /// Called with the bytes transferred since the last call (negative when a request restarts), and with the
    /// total if the request knows it.
    ///
    /// Called often, from any thread; must not block.
    package typealias Report = @Sendable (_ moved: Int, _ total: Int?) -> Void

    /// The receiver for calls of this task and its children.
    @TaskLocal package static var report: Report?
}
