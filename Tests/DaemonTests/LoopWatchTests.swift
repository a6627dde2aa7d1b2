import LMDB
import Testing

@testable import Daemon

/// What counts as a sign of life of a sync loop.
@Suite struct LoopWatchTests {
    private typealias Sign = LoopWatch.Sign

    private func busy(_ turns: Int, steps: Int, waitsForLock: Bool = false, endedWaits: Int = 0) -> Sign {
        Sign(
            turns: turns,
            activity: TransactionActivity(
                isBusy: true, waitsForLock: waitsForLock, endedWaits: endedWaits, steps: steps))
    }

    // A class, because #expect can't call what mutates.
    private final class Watch {
        private var watch = LoopWatch()
        var silent: [String] { watch.silent }
        func evaluate(_ signs: [String: Sign]) -> Bool { watch.evaluate(signs) }
        func waiting(_ signs: [String: Sign]) -> [String] { watch.waiting(signs) }
    }

    @Test func whoTurnsLives() {
        let watch = Watch()
        for turns in 1...5 { #expect(watch.evaluate(["a": Sign(turns: turns), "b": Sign(turns: 7 * turns)])) }
        #expect(watch.silent == [])
    }

    @Test func oneThatDoesNotTurnIsEnough() {
        let watch = Watch()
        #expect(watch.evaluate(["a": Sign(turns: 1), "b": Sign(turns: 1)]))
        #expect(!watch.evaluate(["a": Sign(turns: 2), "b": Sign(turns: 1)]))
        #expect(watch.silent == ["b"])
        #expect(!watch.evaluate(["a": Sign(turns: 3), "b": Sign(turns: 1)]))
        #expect(watch.evaluate(["a": Sign(turns: 4), "b": Sign(turns: 2)]))
        #expect(watch.silent == [])
    }

    // What lived once since the last time that all did needs not live at the same moment as the others.
    @Test func signsOfLifeNeedNotComeTogether() {
        let watch = Watch()
        #expect(watch.evaluate(["a": Sign(turns: 1), "b": Sign(turns: 1)]))
        #expect(!watch.evaluate(["a": Sign(turns: 2), "b": Sign(turns: 1)]))
        #expect(watch.evaluate(["a": Sign(turns: 2), "b": Sign(turns: 2)]))
    }

    @Test func workThatGetsOnLives() {
        let watch = Watch()
        for count in 1...5 { #expect(watch.evaluate(["a": busy(count, steps: count)])) }
    }

    @Test func workThatStandsStillDoesNot() {
        let watch = Watch()
        #expect(watch.evaluate(["a": busy(1, steps: 1)]))
        #expect(!watch.evaluate(["a": busy(2, steps: 1)]))
        #expect(watch.silent == ["a"])
        #expect(watch.evaluate(["a": Sign(turns: 3, activity: TransactionActivity(steps: 1))]), "it has ended")
    }

    @Test func waitingForTheWriteLockIsExcused() {
        let watch = Watch()
        for turns in 1...5 { #expect(watch.evaluate(["a": busy(turns, steps: 1, waitsForLock: true)])) }
        #expect(!watch.evaluate(["a": busy(5, steps: 1, waitsForLock: true)]), "but the loop must turn")
    }

    @Test func whoHasNotBegunOrHasEndedIsExcused() {
        let watch = Watch()
        #expect(watch.evaluate([:]))
        #expect(watch.evaluate(["a": Sign(turns: 0)]))
        #expect(watch.evaluate(["a": Sign(turns: 0)]))
        #expect(watch.evaluate(["a": Sign(turns: 1)]))
        #expect(!watch.evaluate(["a": Sign(turns: 1)]))
        #expect(watch.evaluate([:]))
        // Before it turns for the first time, it works on its LMDB.
        #expect(watch.evaluate(["b": busy(0, steps: 3)]))
        #expect(!watch.evaluate(["b": busy(0, steps: 3)]))
    }

    // Every write begins with a look at the lock; only who still waits is worth a word.
    @Test func onlyALongWaitForTheLockIsTold() {
        let watch = Watch()
        #expect(watch.waiting(["a": busy(1, steps: 1, waitsForLock: true, endedWaits: 1), "b": Sign(turns: 1)]) == [])
        // Another one than before.
        #expect(watch.waiting(["a": busy(2, steps: 3, waitsForLock: true, endedWaits: 2), "b": Sign(turns: 1)]) == [])
        #expect(
            watch.waiting(["a": busy(3, steps: 3, waitsForLock: true, endedWaits: 2), "b": Sign(turns: 1)]) == ["a"])
        // What reads gets on meanwhile.
        #expect(
            watch.waiting(["a": busy(4, steps: 9, waitsForLock: true, endedWaits: 2), "b": Sign(turns: 1)]) == ["a"])
        #expect(watch.waiting(["a": busy(5, steps: 9, endedWaits: 3), "b": Sign(turns: 1)]) == [])
    }
}
