/// What was waited for did not come.
package struct NeverHappened: Error {
    /// The error.
    package init() {}
}

/// Waits until something is true; there is only a limit to end a test that has failed.
package func eventually(_ condition: () async throws -> Bool) async throws {
    // Counted, because a machine with much to do may let more time than that pass without letting us look.
    for _ in 0..<6000 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(5))
    }
    throw NeverHappened()
}
