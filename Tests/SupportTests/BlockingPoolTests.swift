import Dispatch
import Glibc
import Support
import Synchronization
import Testing

/// A value that several threads read and change.
private final class Shared<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    init(_ value: Value) { state = Mutex(value) }

    var value: Value { state.withLock { $0 } }

    func update(_ change: @Sendable (inout Value) -> Void) { state.withLock { change(&$0) } }
}

/// Counts how many of it there are.
private final class Token: Sendable {
    private let alive: Shared<Int>

    init(_ alive: Shared<Int>) {
        self.alive = alive
        alive.update { $0 += 1 }
    }

    deinit { alive.update { $0 -= 1 } }
}

@Suite(.timeLimit(.minutes(1)))
struct BlockingPoolTests {
    @Test func resultsAndErrorsComeBack() async throws {
        struct Failure: Error {}
        let pool = BlockingPool(label: "test", width: 1)
        #expect(try await pool.run { _ in 7 } == 7)
        await #expect(throws: Failure.self) { try await pool.run { _ in throw Failure() } }
        #expect(try await pool.run { _ in 8 } == 8)
    }

    // Each call waits until all of them run: fewer threads than calls would never end.
    @Test func asManyCallsAsTheWidthRunAtATime() async throws {
        let pool = BlockingPool(label: "test", width: 20)
        let arrived = Shared(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    try await pool.run { _ in
                        arrived.update { $0 += 1 }
                        while arrived.value < 20 {}
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(arrived.value == 20)
    }

    @Test func notMoreThanTheWidthRunAtATimeAndAllDo() async throws {
        let pool = BlockingPool(label: "test", width: 3)
        let counts = Shared((now: 0, most: 0, all: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<500 {
                group.addTask {
                    try await pool.run { _ in
                        counts.update {
                            $0.now += 1
                            $0.all += 1
                            $0.most = max($0.most, $0.now)
                        }
                        counts.update { $0.now -= 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(counts.value.all == 500)
        #expect(counts.value.most <= 3)
    }

    // What they hold would pile up where the queue never gets empty.
    @Test func callsThatHaveRunAreLetGoWhileOthersWait() async throws {
        let alive = Shared(0)
        let ran = Shared((calls: 0, aliveBehindMost: 0))
        let pool = BlockingPool(label: "test", width: 1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    let token = Token(alive)
                    try await pool.run { [token] _ in
                        ran.update { $0.calls += 1 }
                        // Until all have come, so that there is a queue.
                        while alive.value < 100, ran.value.calls == 1 { usleep(1000) }
                        // The tasks of the calls before let go of what they hold in their own time.
                        guard ran.value.calls == 90 else { return withExtendedLifetime(token) {} }
                        for _ in 0..<10_000 where alive.value > 50 { usleep(1000) }
                        ran.update { $0.aliveBehindMost = alive.value }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect((11...50).contains(ran.value.aliveBehindMost))
    }

    @Test func aWaitingCallIsCancelledAtOnceAndNeverRuns() async throws {
        let pool = BlockingPool(label: "test", width: 1)
        let release = DispatchSemaphore(value: 0)
        let ran = Shared(false)
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let first = Task {
            try await pool.run { _ in
                start.finish()
                release.wait()
            }
        }
        for await _ in started {}
        let second = Task { try await pool.run { _ in ran.update { $0 = true } } }
        second.cancel()
        // Comes back although the first call still blocks the only thread.
        await #expect(throws: CancellationError.self) { try await second.value }
        release.signal()
        try await first.value
        #expect(try await pool.run { _ in 1 } == 1)
        #expect(ran.value == false)
    }

    @Test func aRunningCallIsToldAndItsResultIsKept() async throws {
        let pool = BlockingPool(label: "test", width: 1)
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let told = Shared(false)
        let task = Task {
            try await pool.run { cancellation in
                let semaphore = DispatchSemaphore(value: 0)
                cancellation.onCancel {
                    told.update { $0 = true }
                    semaphore.signal()
                }
                start.finish()
                semaphore.wait()
                return cancellation.isCancelled
            }
        }
        for await _ in started {}
        task.cancel()
        #expect(try await task.value)
        #expect(told.value)
    }
}
