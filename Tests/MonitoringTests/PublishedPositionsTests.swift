import Observability
import Replication
import Snapshots
import Synchronization
import TestSupport
import Testing

@testable import Monitoring

/// Positions are published when their merges are visible to everybody.
@Suite(.timeLimit(.minutes(5))) struct PublishedPositionsTests {
    private let clock = TestClock()

    @Test func aPositionIsPublishedWhenItsMergeIsVisible() async throws {
        let monitor = Monitor(.test(), logger: LogLines().logger, clock: { [clock] in clock.now })
        let changes = Mutex(0)
        let database = monitor.databases[0]
        database.onChange { changes.withLock { $0 += 1 } }
        func applied() -> String? { database.ownState(isLast: false)?.applied["a"] }
        func merge(_ position: Int) {
            monitor.observe(.merged(.init(snapshot("a", position))), of: "main")
            monitor.observe(.progressed(.init(merged: [snapshot("a", position)])), of: "main")
        }
        monitor.observe(listing([snapshot("a", 1), snapshot("a", 2), snapshot("a", 3)]), of: "main")
        merge(1)
        #expect(applied() == snapshot("a", 1).description && changes.withLock(\.self) == 1)
        let first = monitor.holdPositions(of: "main", atMost: .seconds(600))
        merge(2)
        let second = monitor.holdPositions(of: "main", atMost: .seconds(600))
        merge(3)
        // Nothing is written for it, so that the write after the release need not wait for the next second.
        #expect(applied() == snapshot("a", 1).description && changes.withLock(\.self) == 1)
        // The first one is visible with the second one only if that was asked for last.
        second()
        #expect(applied() == snapshot("a", 1).description && changes.withLock(\.self) == 1)
        second()
        first()
        #expect(applied() == snapshot("a", 3).description && changes.withLock(\.self) == 2)
        let late = monitor.holdPositions(of: "main", atMost: .milliseconds(1))
        try await eventually { database.state.withLock { !$0.published.isHeld } }
        late()
    }

    @Test func whatIsNoLongerMergedIsNotPublished() {
        var published = PublishedPositions()
        let before = PublishedPositions.Positions(
            applied: ["a": snapshot("a", 5), "b": snapshot("b", 5)], covered: ["a": snapshot("a", 5)])
        let first = published.hold(before)
        let rebuilt = PublishedPositions.Positions(applied: ["a": snapshot("a", 3)], covered: nil)
        #expect(published.positions(rebuilt) == rebuilt)
        let more = PublishedPositions.Positions(
            applied: ["a": snapshot("a", 9), "b": snapshot("b", 9), "c": snapshot("c", 9)],
            covered: ["a": snapshot("a", 9)])
        #expect(published.positions(more) == before)
        let second = published.hold(more)
        #expect(published.release(first) && !published.release(first))
        #expect(published.positions(more) == more && published.isHeld)
        #expect(published.release(second) && !published.isHeld)
    }

    @Test func afterASingleRunNothingIsHeld() {
        let monitor = Monitor(.test(onlyOnce: true), logger: LogLines().logger)
        monitor.observe(listing([snapshot("a", 1)]), of: "main")
        monitor.observe(.started, of: "main")
        _ = monitor.holdPositions(of: "main", atMost: .seconds(600))
        monitor.observe(.progressed(.init(merged: [snapshot("a", 1)])), of: "main")
        #expect(monitor.databases[0].ownState(isLast: false)?.applied == [:])
        #expect(monitor.databases[0].ownState(isLast: true)?.applied == ["a": snapshot("a", 1).description])
    }
}
