import Dispatch
import Support
import Synchronization
import TestSupport
import Testing

@testable import Monitoring

@Suite(.timeLimit(.minutes(5))) struct OnDemandLiveTests {
    private final class Count: Sendable {
        private let count = Mutex(0)
        func next() -> Int {
            count.withLock {
                $0 += 1
                return $0
            }
        }
        var now: Int { count.withLock(\.self) }
    }

    @Test func whoAskTogetherGetTheSame() async {
        let count = Count()
        let value = OnDemand(interval: .seconds(3600), patience: .seconds(60)) { () async -> Int? in
            try? await Task.sleep(for: .milliseconds(20))
            return count.next()
        }
        let values = await withTaskGroup(of: Int?.self) { group in
            for _ in 0..<100 { group.addTask { await value.value() } }
            return await group.reduce(into: Set<Int?>()) { $0.insert($1) }
        }
        #expect(values == [1])
        #expect(await value.value() == 1)
        #expect(count.now == 1)
    }

    @Test func nobodyWaitsForWhatHangs() async throws {
        let (count, gate) = (Count(), DispatchSemaphore(value: 0))
        let pool = BlockingPool(label: "test", width: 4)
        let value = OnDemand(interval: .zero, patience: .milliseconds(1)) { () async -> Int? in
            let number = count.next()
            return try? await pool.run { _ in
                if number == 2 { gate.wait() }
                return number
            }
        }
        try await eventually { await value.value() == 1 }
        // The second one hangs: what there is has to do, and nothing is begun beside it.
        try await eventually {
            _ = await value.value()
            return count.now == 2
        }
        for _ in 0..<100 { #expect(await value.value() == 1) }
        #expect(count.now == 2)
        gate.signal()
        try await eventually { await value.value() ?? 0 > 2 }
    }

    @Test func whatCouldNotBeMadeLeavesWhatThereIs() async throws {
        let count = Count()
        let value = OnDemand(interval: .zero, patience: .seconds(60)) { () async -> Int? in
            let number = count.next()
            return number == 1 ? 1 : nil
        }
        #expect(await value.value() == 1)
        #expect(await value.value() == 1)
        #expect(count.now >= 2)
    }
}
