/// Runs `work` concurrently with `body`, and lets it finish afterwards.
///
/// - Parameters:
///   - limit: how long the work may take after `body` before it is cancelled; nil for no limit.
///   - work: ends after `finish` has been called.
///   - finish: signals the end of input.
/// - Returns: the result of `body`; the work has ended, too.
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
