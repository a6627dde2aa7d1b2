import Logging
import Snapshots
import Testing

@testable import Replication

/// What is said of the state of the machine: once, and once more when it is over.
@Suite struct SyncNoticesTests {
    /// As text: the level and the line, or the event.
    private func texts(_ notices: [SyncNotice]) -> [String] {
        notices.map { notice in
            switch notice {
            case .log(let level, let text, _): "\(level) \(text)"
            case .event(.settled(let transaction)): "settled \(transaction.map { "\($0)" } ?? "nil")"
            case .event(.sendBlocked(let text)): "blocked \(text ?? "nil")"
            case .event(.fenced(let text)): "fenced \(text ?? "nil")"
            case .event(.notInSync(let text)): "not in sync \(text ?? "nil")"
            case .event(.downloadsWaiting(let count)): "waiting \(count)"
            case .event: "other"
            }
        }
    }

    private func look(_ notices: inout SyncNotices, _ loop: Loop, _ errors: SyncErrors = SyncErrors()) -> [String] {
        texts(notices.update(from: loop.machine, now: loop.now, errors: errors))
    }

    @Test func whatIsSettledIsToldOnce() {
        var (loop, notices) = (Loop(), SyncNotices(instance: "own"))
        #expect(look(&notices, loop) == [])
        loop.startAlone()
        #expect(look(&notices, loop) == ["settled 10"])
        #expect(look(&notices, loop) == [])
        _ = loop.handle(.observed(transaction: 11))
        _ = loop.pass(.seconds(2), listing: [])
        #expect(look(&notices, loop) == ["settled nil"])
    }

    /// Each try that fails is in the log; health is told once, and when it is over.
    @Test func failingSendsAreToldToHealth() {
        var (loop, notices) = (Loop(), SyncNotices(instance: "own"))
        loop.startAlone()
        _ = look(&notices, loop)
        _ = loop.handle(.observed(transaction: 11))
        #expect(loop.pass(.seconds(6), listing: []) == [.send(.full)])
        _ = loop.handle(.sendFailed)
        let errors = SyncErrors(send: "HTTP 500")
        _ = look(&notices, loop, errors)
        _ = loop.pass(.seconds(4), listing: [])
        #expect(
            look(&notices, loop, errors) == [
                "blocked changes wait to be sent: sending fails and is retried: HTTP 500"
            ])
        #expect(look(&notices, loop, errors) == [])
        #expect(loop.pass(.seconds(2), listing: []) == [.send(.full)])
        _ = loop.handle(.read(transaction: 11))
        _ = loop.handle(.stored(snapshot("own", 2)))
        #expect(look(&notices, loop) == ["settled 11", "blocked nil"])
    }

    @Test func downloadsThatWaitAreCounted() {
        var (loop, notices) = (Loop(concurrent: 1), SyncNotices(instance: "own"))
        _ = loop.handle(.tick)
        #expect(loop.handle(.listed([snapshot("a", 1), snapshot("b", 1)])).count == 1)
        #expect(look(&notices, loop) == ["waiting 1"])
        let waits = [snapshot("a", 1), snapshot("b", 1)].map {
            notices.waited(for: $0, at: loop.now + .seconds(5))
        }
        #expect(waits.sorted() == [.zero, .seconds(5)])
        #expect(look(&notices, loop) == [])
    }
}
