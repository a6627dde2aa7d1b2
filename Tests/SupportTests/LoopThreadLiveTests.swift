import Glibc
import Support
import Synchronization
import Testing

/// Which threads have been here.
private final class Threads: Sendable {
    private let threads = Mutex<[pthread_t]>([])

    func note() { threads.withLock { $0.append(pthread_self()) } }

    var all: [pthread_t] { threads.withLock(\.self) }
}

private actor Counter {
    private(set) var count = 0
    func add() { count += 1 }
}

/// Tells of its end.
private final class Token: Sendable {
    private let ended: AsyncStream<Void>.Continuation

    init(_ ended: AsyncStream<Void>.Continuation) { self.ended = ended }

    func use() {}

    deinit { ended.finish() }
}

@Suite(.timeLimit(.minutes(1)))
struct LoopThreadLiveTests {
    @Test func tasksActorsAndTheAlarmRunOnOneThread() async throws {
        let (thread, threads, counter) = (try LoopThread(), Threads(), Counter())
        let (alarms, alarm) = AsyncStream.makeStream(of: Void.self)
        await withTaskExecutorPreference(thread) {
            threads.note()
            thread.setAlarm(after: .milliseconds(5)) {
                threads.note()
                alarm.yield()
            }
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        threads.note()
                        await Task.yield()
                        await counter.add()
                        threads.note()
                    }
                }
            }
            for await _ in alarms { break }
            threads.note()
        }
        #expect(await counter.count == 20)
        #expect(threads.all.count == 43)
        #expect(Set(threads.all).count == 1)
    }

    @Test func onlyTheLastAlarmRingsAndNotBeforeItsTime() async throws {
        let thread = try LoopThread()
        let (rings, ring) = AsyncStream.makeStream(of: Int.self)
        let start = ContinuousClock.now
        thread.setAlarm(after: .milliseconds(200)) { ring.yield(1) }
        thread.setAlarm(after: .milliseconds(240)) { ring.yield(2) }
        for await number in rings {
            #expect(number == 2)
            break
        }
        #expect(ContinuousClock.now - start >= .milliseconds(239))
        thread.setAlarm(after: .milliseconds(200)) { ring.yield(3) }
        thread.cancelAlarm()
        try await Task.sleep(for: .milliseconds(220))
        ring.finish()
        for await number in rings { Issue.record("an alarm rang that was cancelled: \(number)") }
    }

    @Test func theThreadEndsWithItsLastReference() async throws {
        let (ends, ended) = AsyncStream.makeStream(of: Void.self)
        do {
            let (thread, token) = (try LoopThread(), Token(ended))
            thread.setAlarm(after: .seconds(3600)) { token.use() }
            await withTaskExecutorPreference(thread) { await Task.yield() }
        }
        for await _ in ends {}
    }
}
