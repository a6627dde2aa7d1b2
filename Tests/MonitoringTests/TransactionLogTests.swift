import BlobStorage
import Observability
import Replication
import Snapshots
import TestSupport
import Testing

@testable import Monitoring

/// What others must have merged to have what a transaction has written.
@Suite struct TransactionLogTests {
    private var log = TransactionLog()

    private mutating func send(through transaction: UInt64, at position: Int, isDelta: Bool = true) {
        log.handle(.stored(.test(snapshot("own", position), through: transaction, isDelta: isDelta)))
    }

    private mutating func merge(_ instance: String, to position: Int, in transaction: UInt64) {
        log.handle(.mergeStarted(snapshot(instance, position), waited: .zero))
        log.handle(.merged(.test(snapshot(instance, position), in: transaction)))
    }

    private func position(_ seconds: Int) -> UInt64 { snapshot("x", seconds).timestamp }

    @Test mutating func whatIsNotSentHasNoPosition() {
        #expect(log.position(covering: 0) == nil)
        send(through: 5, at: 10, isDelta: false)
        send(through: 8, at: 20)
        #expect(log.position(covering: 3) == position(10))
        #expect(log.position(covering: 5) == position(10))
        #expect(log.position(covering: 6) == position(20))
        #expect(log.position(covering: 9) == nil)
        // A transaction of the syncer has nothing to send.
        log.handle(.settled(transaction: 9))
        #expect(log.position(covering: 9) == position(20))
        log.handle(.settled(transaction: nil))
        #expect(log.position(covering: 9) == nil)
    }

    @Test mutating func theAuthorOfAMergedChangeHasSentIt() {
        send(through: 5, at: 10, isDelta: false)
        merge("b", to: 11, in: 6)
        merge("c", to: 12, in: 7)
        merge("b", to: 13, in: 8)
        #expect(log.need([6], readIn: 9) == Need(others: ["b": position(11)]))
        #expect(log.need([7, 6], readIn: 9) == Need(others: ["b": position(11), "c": position(12)]))
        #expect(log.need([8, 6, 9], readIn: 9) == Need(local: 9, others: ["b": position(13)]))
        // Two deltas in one transaction.
        merge("c", to: 14, in: 8)
        #expect(log.need([8], readIn: 9) == Need(others: ["b": position(13), "c": position(14)]))
    }

    @Test mutating func aMergeInProgressMayBeTheChange() {
        send(through: 5, at: 10, isDelta: false)
        merge("b", to: 11, in: 6)
        log.handle(.mergeStarted(snapshot("c", 12), waited: .zero))
        // The transaction is committed, but that is not reported yet.
        #expect(log.need([7], readIn: 7) == nil)
        #expect(log.need(nil, readIn: 7) == nil)
        #expect(log.need([5, 6], readIn: 7) == Need(local: 5, others: ["b": position(11)]))
        log.handle(.merged(.test(snapshot("c", 12), in: 7)))
        #expect(log.need([7], readIn: 7) == Need(others: ["c": position(12)]))
        log.handle(.mergeStarted(snapshot("c", 13), waited: .zero))
        log.handle(.mergeFailed(snapshot("c", 13), "", time: .zero))
        #expect(log.need([8], readIn: 8) == Need(local: 8))
    }

    @Test mutating func theFirstFullSnapshotHasEverythingBefore() {
        merge("b", to: 3, in: 4)
        #expect(log.need([4], readIn: 5) == Need(others: ["b": position(3)]))
        send(through: 5, at: 10, isDelta: false)
        #expect(log.need([2, 4], readIn: 5) == Need(local: 4))
        // What another LMDB has numbered, whose copy this is.
        #expect(log.need([99], readIn: 5) == Need(local: 0))
        #expect(log.position(covering: 0) == position(10))
    }

    @Test mutating func aDeltaLeavesOutWhatWasMergedBefore() {
        var progress = SyncProgress()
        progress.merged(snapshot("b", 3), in: .init(instance: "b", isFarAhead: false), isWhole: false)
        log.handle(.progressed(progress))
        send(through: 5, at: 10)
        #expect(log.need([4], readIn: 5) == Need(local: 4, others: ["b": position(3)]))
        #expect(log.need([6], readIn: 6) == Need(local: 6))
    }

    @Test mutating func whatIsForgottenRequiresMore() {
        send(through: 1, at: 1, isDelta: false)
        for number in 2...(TransactionLog.most + 2) { merge("b", to: number, in: UInt64(number)) }
        let through = TransactionLog.most / 4 + 1
        #expect(log.need([2], readIn: 9999) == Need(local: 2, others: ["b": position(through)]))
        #expect(log.need([UInt64(through) + 1], readIn: 9999) == Need(others: ["b": position(through + 1)]))
        for number in 2...(TransactionLog.most + 2) { send(through: UInt64(number), at: 10_000 + number) }
        #expect(log.position(covering: 2) == position(10_000 + through))
    }

    @Test mutating func ofAnInstanceThatIsGoneALaterFullSnapshotHasEverything() {
        log.handle(listing([snapshot("own", 1), snapshot("b", 1)]))
        send(through: 1, at: 2, isDelta: false)
        merge("b", to: 3, in: 2)
        #expect(log.substitute(for: "b") == .none)
        log.handle(listing([snapshot("own", 1)]))
        #expect(log.substitute(for: "b") == .pending)
        send(through: 2, at: 4)
        #expect(log.substitute(for: "b") == .pending)
        // One that was read before the merge.
        send(through: 1, at: 5, isDelta: false)
        #expect(log.substitute(for: "b") == .pending)
        send(through: 3, at: 6, isDelta: false)
        #expect(log.substitute(for: "b") == .position(position(6)))
        merge("b", to: 7, in: 4)
        #expect(log.substitute(for: "b") == .pending)
        log.handle(listing([snapshot("own", 1), snapshot("b", 8)]))
        #expect(log.substitute(for: "b") == .none)
    }

    @Test mutating func aPositionIsOnlyCredibleIfItWasSent() {
        #expect(!log.mayHaveSent(position(1)))
        send(through: 1, at: 10, isDelta: false)
        send(through: 2, at: 20)
        #expect([5, 10, 20].allSatisfy { log.mayHaveSent(position($0)) })
        #expect(![11, 21].contains { log.mayHaveSent(position($0)) })
    }

    @Test mutating func theStorageHasToBeListed() {
        #expect(!log.isListed)
        log.handle(listing([]))
        #expect(log.isListed)
        log.handle(.listFailed("down"))
        #expect(!log.isListed)
    }
}

extension SendReport {
    /// A send that ends at a position.
    static func test(_ position: SnapshotName, through transaction: UInt64, isDelta: Bool) -> SendReport {
        var report = SendReport(position)
        (report.transaction, report.name) = (transaction, isDelta ? position.asDelta : position)
        return report
    }
}

extension MergeReport {
    /// A merge up to a position.
    static func test(_ position: SnapshotName, in transaction: UInt64) -> MergeReport {
        var report = MergeReport(position)
        report.transaction = transaction
        return report
    }
}

extension SnapshotName {
    /// A delta with the same beginning.
    fileprivate var asDelta: SnapshotName {
        SnapshotName(database: database, instance: instance, timestamp: timestamp, fileExtension: Self.deltaExtension)
    }
}
