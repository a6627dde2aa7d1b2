import Snapshots
import Testing

@testable import Replication

/// When an instance with shadows captures, and what waits for that.
@Suite struct ShadowMachineTests {
    private let other = snapshot("b", 5)

    /// The start of an instance that finds an empty bucket and sends what it has.
    private func started(receiveOnly: Bool = false) -> Loop {
        var loop = Loop(receiveOnly: receiveOnly, hasShadows: true)
        #expect(loop.handle(.tick) == [.list, .capture])
        #expect(loop.handle(.captured(through: 11, transaction: 11)) == [])
        if receiveOnly {
            #expect(loop.handle(.listed([])) == [.started])
        } else {
            #expect(loop.handle(.listed([])) == [.send(.full)])
            #expect(loop.handle(.captured(through: 11, transaction: nil)) == [])
            #expect(loop.handle(.read(transaction: 11)) == [])
            #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
        }
        _ = loop.pass(.seconds(10), listing: [])
        return loop
    }

    @Test func nothingIsMergedOrSentBeforeTheFirstCapture() {
        var loop = Loop(hasShadows: true)
        #expect(loop.handle(.tick) == [.list, .capture])
        #expect(loop.handle(.listed([other])) == [.download(other)])
        #expect(loop.handle(.downloaded(other)) == [])
        #expect(loop.handle(.observed(transaction: 20)) == [])
        #expect(!loop.machine.isStartComplete)
        #expect(loop.handle(.captured(through: 21, transaction: 21)) == [.compare(other)])
        #expect(loop.handle(.merged(other, transaction: 22)) == [.send(.full)])
    }

    @Test func aFirstCaptureThatFailsKeepsEverythingWaiting() {
        var loop = Loop(hasShadows: true)
        #expect(loop.handle(.tick) == [.list, .capture])
        #expect(loop.handle(.listed([])) == [])
        // There is something to be sent, which must not make it ask for the same moment again and again.
        #expect(loop.handle(.captureFailed) == [])
        #expect(loop.pass(.seconds(4), listing: []) == [])
        #expect(loop.pass(.seconds(2), listing: []) == [.capture])
        #expect(!loop.machine.isStartComplete)
        #expect(loop.handle(.captured(through: 10, transaction: nil)) == [.send(.full)])
    }

    @Test func whatTheFirstCaptureWroteGoesOutOnce() {
        var loop = started()
        #expect(loop.pass(.seconds(100), listing: []) == [])
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.pass(.seconds(100), listing: []) == [])
    }

    @Test func aSendCapturesByItself() {
        var loop = started()
        #expect(loop.handle(.observed(transaction: 12)) == [])
        #expect(loop.pass(.seconds(5), listing: []) == [.send(.full)])
        #expect(loop.handle(.captured(through: 13, transaction: 13)) == [])
        #expect(loop.handle(.read(transaction: 13)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(loop.handle(.observed(transaction: 13)) == [])
        #expect(loop.pass(.seconds(100), listing: []) == [])
    }

    @Test func changesAreCapturedDuringAnUpload() {
        var loop = started()
        _ = loop.handle(.observed(transaction: 12))
        #expect(loop.pass(.seconds(1), listing: []) == [.send(.full)])
        #expect(loop.handle(.captured(through: 13, transaction: 13)) == [])
        #expect(loop.handle(.read(transaction: 13)) == [])
        #expect(loop.handle(.observed(transaction: 14)) == [])
        #expect(loop.pass(.seconds(5), listing: []) == [.capture])
        #expect(loop.handle(.captured(through: 15, transaction: 15)) == [])
        #expect(loop.pass(.seconds(5), listing: []) == [])
        // And are sent after it.
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.send(.full)])
    }

    @Test func capturesWhileTheStorageIsAwayArePaced() {
        var loop = started()
        _ = loop.handle(.observed(transaction: 12))
        #expect(loop.pass(.seconds(1), listing: []) == [.send(.full)])
        #expect(loop.handle(.captured(through: 13, transaction: 13)) == [])
        #expect(loop.handle(.read(transaction: 13)) == [])
        var captures = 0
        var transaction: UInt64 = 14
        for _ in 0..<100 {
            _ = loop.handle(.observed(transaction: transaction))
            let actions = loop.pass(.milliseconds(100), listing: [])
            transaction += 1
            guard actions.contains(.capture) else { continue }
            captures += 1
            _ = loop.handle(.captured(through: transaction, transaction: transaction))
            transaction += 1
        }
        // Ten seconds, and one a second.
        #expect((8...11).contains(captures))
    }

    @Test func receiversCaptureAndNeverSend() {
        var loop = started(receiveOnly: true)
        #expect(loop.handle(.observed(transaction: 12)) == [])
        #expect(loop.pass(.seconds(5), listing: []) == [.capture])
        #expect(loop.handle(.captured(through: 13, transaction: 13)) == [])
        #expect(loop.pass(.seconds(100), listing: []) == [])
    }

    @Test func ourMergesAreNeitherCapturedNorSent() {
        var loop = started()
        #expect(loop.handle(.listed([other, snapshot("own", 1)])) == [.download(other)])
        #expect(loop.load(other, as: 12) == [])
        #expect(loop.handle(.observed(transaction: 12)) == [])
        #expect(loop.pass(.seconds(100), listing: [other]) == [])
    }

    /// The merge has captured only what it touched.
    @Test func whatWasFoundByAMergeIsCapturedAndSent() {
        var loop = started()
        #expect(loop.handle(.listed([other, snapshot("own", 1)])) == [.download(other)])
        // The application has written 12.
        #expect(loop.load(other, as: 13) == [])
        #expect(loop.pass(.seconds(5), listing: [other]) == [.send(.full)])
    }

    @Test func nothingElseRunsDuringACapture() {
        var loop = started(receiveOnly: true)
        _ = loop.handle(.observed(transaction: 12))
        #expect(loop.pass(.seconds(1), listing: []) == [.capture])
        #expect(loop.handle(.listed([other])) == [.download(other)])
        #expect(loop.handle(.downloaded(other)) == [])
        #expect(loop.handle(.shutDown) == [])
        #expect(loop.handle(.captured(through: 13, transaction: 13)) == [.finish])
    }

    @Test func aSingleRunSendsWhatItCaptured() {
        var loop = Loop(onlyOnce: true, hasShadows: true)
        #expect(loop.handle(.tick) == [.list, .capture])
        #expect(loop.handle(.listed([])) == [])
        #expect(loop.handle(.captured(through: 11, transaction: 11)) == [.send(.full)])
        #expect(loop.handle(.captured(through: 11, transaction: nil)) == [])
        #expect(loop.handle(.read(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started, .finish])
    }
}
