/// Does `work` beside `body`, and gives it time to end after that.
///
/// - Parameters:
///   - limit: how long the work may take after `body` before it is cancelled; nil for as long as it takes.
///   - work: ends by itself once `finish` has been called.
///   - finish: says that no more will come.
/// - Returns: how `body` ended; the work has ended, too.
func runBeside(
    limit: Duration? = nil, _ work: @escaping @Sendable () async -> Void, finish: () -> Void,
    while body: @Sendable () async throws -> Void
) async -> Result<Void, any Error> {
    let task = Task { await work() }
    let result: Result<Void, any Error>
    do {
        try await body()
        result = .success(())
    } catch {
        result = .failure(error)
    }
    finish()
    await withTaskGroup(of: Void.self) { group in
        group.addTask { await task.value }
        if let limit {
            group.addTask {
                try? await Task.sleep(for: limit)
                task.cancel()
            }
        }
        await group.next()
        group.cancelAll()
    }
    return result
}
