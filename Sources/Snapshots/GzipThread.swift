import Glibc
import Support
import Synchronization

/// Compresses chunks, in the order in which it gets them, into a ``Spool``: in a thread of its own, unless they are few.
final class GzipThread {
    /// Up to so many bytes are compressed by the caller: a thread would take longer to start.
    private static let largestWithoutThread = 64 << 10

    private let job: Job
    private var thread: pthread_t?
    /// What has been submitted before there is a thread.
    private var early: [Chunk] = []

    /// - Parameter sink: makes, in the thread, what takes the compressed bytes.
    init(sink: @escaping @Sendable () -> SpoolWriter) { job = Job(sink: sink) }

    private func start() throws(SystemError) {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(job)
        let code = pthread_create(&thread, nil, { Job.run($0) }, argument.toOpaque())
        guard code == 0 else {
            argument.release()
            throw SystemError("start", "the thread that compresses snapshots", code: code)
        }
        self.thread = thread
    }

    deinit { join() }

    /// Passes a chunk to the thread. Waits if the thread lags.
    ///
    /// - Throws: the thread's error.
    func submit(_ chunk: Chunk) throws {
        if thread == nil {
            early.append(chunk)
            guard early.reduce(0, { $0 + $1.bytes.count }) > Self.largestWithoutThread else { return }
            try start()
            defer { early = [] }
            return early.forEach(job.queue.put)
        }
        if let error = job.error { throw error }
        job.queue.put(chunk)
    }

    /// An empty chunk of at least `capacity` bytes.
    func recycled(capacity: Int) -> Chunk { job.queue.recycled(capacity: capacity) }

    /// Waits until everything is compressed.
    ///
    /// - Throws: the thread's error.
    func finish() throws -> Spool {
        if thread == nil { return try job.compress(early) }
        join()
        return try job.result()
    }

    private func join() {
        guard let thread else { return }
        self.thread = nil
        job.queue.end()
        pthread_join(thread, nil)
    }
}

/// The work of the thread.
private final class Job: Sendable {
    let queue = ChunkQueue()
    private let sink: @Sendable () -> SpoolWriter
    private let outcome = Mutex<Result<Spool, any Error>?>(nil)

    init(sink: @escaping @Sendable () -> SpoolWriter) { self.sink = sink }

    var error: (any Error)? {
        outcome.withLock { if case .failure(let error) = $0 { error } else { nil } }
    }

    func result() throws -> Spool {
        guard let result = outcome.withLock({ $0 }) else { throw SystemError("finish", "a snapshot", code: ECANCELED) }
        return try result.get()
    }

    static func run(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let argument else { return nil }
        Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().run()
        return nil
    }

    /// Compresses chunks without a thread.
    func compress(_ chunks: [Chunk]) throws -> Spool {
        var deflater = GzipDeflater()
        var writer = sink()
        for chunk in chunks { try deflater.write(chunk.bytes, to: &writer) }
        try deflater.finish(to: &writer)
        return try writer.finish()
    }

    private func run() {
        var isEnded = false
        do {
            var deflater = GzipDeflater()
            var writer = sink()
            while let chunk = queue.take() {
                try deflater.write(chunk.bytes, to: &writer)
                queue.recycle(chunk)
            }
            isEnded = true
            try deflater.finish(to: &writer)
            let spool = try writer.finish()
            outcome.withLock { $0 = .success(spool) }
        } catch {
            outcome.withLock { $0 = .failure(error) }
            // The other thread must not wait for space for ever.
            while !isEnded { isEnded = queue.take() == nil }
        }
    }
}
