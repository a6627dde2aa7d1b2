import Testing

@testable import Replication

@Suite struct SenderTests {
    func sender(
        minimum: Duration = .seconds(1), force: Duration = .zero, retries: Int? = nil, transaction: UInt64 = 10
    ) -> Sender {
        Sender(
            settings: .init(
                minimumInterval: minimum, forceInterval: force, retryInterval: .seconds(5), retryLimit: retries),
            transaction: transaction)
    }

    @Test func whatTheFirstMergeBringsIntoAnEmptyLMDBIsSentOnce() {
        var sender = sender(transaction: 0)
        sender.requestInitial()
        sender.started(at: .zero)
        sender.foundNothing(0)
        #expect(sender.hasSentInitial && sender.due == nil)
        sender.merged(as: 1, at: .seconds(10))
        #expect(sender.due == .seconds(1))
        sender.started(at: .seconds(10))
        sender.read(1)
        sender.stored()
        sender.merged(as: 2, at: .seconds(20))
        #expect(sender.due == nil && sender.isDone)
    }

    @Test func aFullSnapshotIsWantedUntilOneIsStoredWhateverWasIntended() {
        var sender = sender(force: .seconds(100))
        sender.requestInitial()
        #expect(sender.wantsFull(at: .zero))
        sender.started(at: .zero)
        sender.read(10)
        sender.stored(isFull: false)
        #expect(sender.wantsFull(at: .seconds(1)) && sender.due == .seconds(1))
        sender.started(at: .seconds(1))
        sender.read(10)
        sender.stored(isFull: true)
        #expect(!sender.wantsFull(at: .seconds(100)) && sender.due == .seconds(101))
        #expect(sender.wantsFull(at: .seconds(101)))
        // In place of a delta, because pages can't be compared: the next one is not due at once.
        sender.started(at: .seconds(101))
        sender.read(10)
        sender.stored(isFull: true)
        #expect(!sender.wantsFull(at: .seconds(102)) && sender.due == .seconds(201))
    }

    @Test func whatWasReadAndNotStoredIsAChange() {
        var sender = sender()
        sender.started(at: .zero)
        sender.read(10)
        sender.stored()
        #expect(sender.isUnchanged)
        sender.observed(11, at: .seconds(1))
        sender.started(at: .seconds(2))
        sender.read(11)
        sender.failed(at: .seconds(3))
        #expect(!sender.isUnchanged)
        sender.started(at: .seconds(9))
        sender.read(11)
        sender.stored(isFull: false)
        #expect(sender.isUnchanged)
    }

    @Test func nothingIsDueAtFirst() {
        let sender = sender()
        #expect(sender.due == nil)
        #expect(sender.isDone)
        #expect(!sender.isSending)
    }

    @Test func theFirstChangeGoesOutAfterTheQuietTime() {
        var sender = sender()
        sender.observed(11, at: .seconds(100))
        #expect(sender.due == .seconds(100) + .milliseconds(20))
        #expect(!sender.isDone)
    }

    @Test func whatWasThereAtStartIsNoChange() {
        var sender = sender()
        sender.observed(10, at: .seconds(100))
        sender.observed(9, at: .seconds(100))
        #expect(sender.due == nil)
    }

    @Test func aBurstGoesOutWhenItPauses() {
        var sender = sender()
        sender.observed(11, at: .milliseconds(1000))
        sender.observed(12, at: .milliseconds(1015))
        #expect(sender.due == .milliseconds(1035))
        sender.observed(13, at: .milliseconds(1030))
        #expect(sender.due == .milliseconds(1050))
    }

    @Test func aBurstWithoutEndGoesOutAllTheSame() {
        var sender = sender()
        for step in 0..<100 {
            sender.observed(11 + UInt64(step), at: .milliseconds(1000 + step * 10))
        }
        #expect(sender.due == .milliseconds(1200))
    }

    @Test func whatIsAskedTwiceDoesNotProlongTheWait() {
        var sender = sender()
        sender.observed(11, at: .milliseconds(1000))
        sender.observed(11, at: .milliseconds(1015))
        #expect(sender.due == .milliseconds(1020))
    }

    @Test func twoSendsStartAtLeastTheMinimumIntervalApart() {
        var sender = sender()
        sender.observed(11, at: .seconds(10))
        sender.started(at: .seconds(10))
        #expect(sender.due == nil)
        sender.read(11)
        #expect(sender.isSending)
        sender.stored()
        sender.observed(12, at: .milliseconds(10_100))
        #expect(sender.due == .seconds(11))
        sender.observed(13, at: .milliseconds(10_995))
        #expect(sender.due == .seconds(11))
    }

    @Test func theFirstChangeAfterAPauseGoesOutAtOnce() {
        var sender = sender()
        sender.started(at: .seconds(10))
        sender.read(11)
        sender.stored()
        sender.observed(12, at: .seconds(60))
        #expect(sender.due == .milliseconds(60_020))
    }

    @Test func changesBeforeTheReadAreIncludedAndLaterOnesAreNot() {
        var sender = sender()
        sender.observed(11, at: .seconds(10))
        sender.started(at: .seconds(10))
        sender.observed(12, at: .seconds(10))
        sender.read(12)
        sender.stored()
        #expect(sender.due == nil)
        #expect(sender.isDone)

        sender.observed(13, at: .seconds(20))
        sender.started(at: .seconds(20))
        sender.read(13)
        sender.observed(14, at: .milliseconds(20_500))
        sender.stored()
        #expect(!sender.isDone)
        #expect(sender.due == .seconds(21))
    }

    /// A merge may be committed while a send reads, and either may be reported first.
    @Test(arguments: [false, true], [false, true]) func aMergeBesideAReadIsNoChange(isRead: Bool, isReportedFirst: Bool)
    {
        var sender = sender()
        sender.observed(11, at: .seconds(10))
        sender.started(at: .seconds(11))
        // The merge is transaction 12.
        if isReportedFirst { sender.merged(as: 12, at: .seconds(12)) }
        sender.read(isRead ? 12 : 11)
        if !isReportedFirst { sender.merged(as: 12, at: .seconds(12)) }
        sender.stored()
        #expect(sender.isDone && sender.due == nil)
        // What the application writes then is one.
        sender.observed(13, at: .seconds(13))
        #expect(!sender.isDone && sender.due != nil)
    }

    /// Two of ours, with one of the application between them that the read does not hold.
    @Test func aChangeBetweenMergesBesideAReadIsSent() {
        var sender = sender()
        sender.observed(11, at: .seconds(10))
        sender.started(at: .seconds(11))
        sender.merged(as: 12, at: .seconds(12))
        sender.merged(as: 14, at: .seconds(12))
        sender.merged(as: 14, at: .seconds(12))
        sender.read(11)
        sender.stored()
        #expect(!sender.isDone && sender.due == .seconds(12))
        sender.started(at: .seconds(13))
        sender.read(14)
        sender.stored()
        #expect(sender.isDone && sender.due == nil)
    }

    /// What is merged while an empty LMDB is read is sent once, as what is merged after that.
    @Test(arguments: [false, true]) func aMergeBesideAReadThatFindsNothingIsSent(isReportedFirst: Bool) {
        var sender = sender()
        sender.requestInitial()
        sender.started(at: .seconds(11))
        if isReportedFirst { sender.merged(as: 11, at: .seconds(12)) }
        sender.foundNothing(10)
        if !isReportedFirst { sender.merged(as: 11, at: .seconds(12)) }
        #expect(!sender.isDone && sender.due != nil)
        sender.started(at: .seconds(13))
        sender.read(11)
        sender.stored()
        #expect(sender.isDone && sender.due == nil)
    }

    /// The read is reported after a change that it does not hold has been noticed.
    @Test func aChangeBehindTheReadIsNotTakenForSent() {
        var sender = sender()
        sender.observed(11, at: .seconds(10))
        sender.started(at: .seconds(11))
        sender.observed(12, at: .seconds(12))
        sender.read(11)
        sender.stored()
        #expect(!sender.isDone)
        #expect(sender.due == .seconds(12))
    }

    @Test func aReadSeesChangesThatNobodyTold() {
        var sender = sender()
        sender.requestInitial()
        sender.started(at: .seconds(1))
        sender.read(15)
        sender.stored()
        sender.observed(15, at: .seconds(2))
        #expect(sender.due == nil)
    }

    // MARK: Own merges

    @Test func ownMergesAloneAreNoChange() {
        var sender = sender()
        for transaction in 11...20 as ClosedRange<UInt64> { sender.merged(as: transaction, at: .seconds(1)) }
        sender.observed(20, at: .seconds(2))
        #expect(sender.due == nil)
        #expect(sender.isDone)
    }

    /// The file changes before the merge has been reported.
    @Test func anOwnMergeThatIsNoticedFirstIsNoChangeEither() {
        var sender = sender()
        sender.observed(11, at: .milliseconds(1000))
        sender.merged(as: 11, at: .milliseconds(1001))
        #expect(sender.due == nil)
        #expect(sender.isDone)
    }

    @Test func aChangeBeforeAnOwnMergeIsSent() {
        var sender = sender()
        sender.merged(as: 12, at: .seconds(1))
        #expect(!sender.isDone)
        #expect(sender.due == .milliseconds(1020))
    }

    @Test func aChangeBehindAnOwnMergeIsSent() {
        var sender = sender()
        sender.observed(12, at: .seconds(1))
        sender.merged(as: 11, at: .seconds(2))
        #expect(!sender.isDone)
        #expect(sender.due == .milliseconds(1020))
    }

    @Test func anOwnMergeBehindAnUnsentChangeIsNoExcuse() {
        var sender = sender()
        sender.observed(11, at: .seconds(1))
        sender.merged(as: 12, at: .seconds(2))
        sender.merged(as: 13, at: .seconds(3))
        #expect(!sender.isDone)
        sender.started(at: .seconds(4))
        sender.read(13)
        sender.stored()
        #expect(sender.isDone)
        sender.merged(as: 14, at: .seconds(5))
        #expect(sender.isDone)
    }

    @Test func anOwnMergeWhileStoringIsNoChange() {
        var sender = sender()
        sender.observed(11, at: .seconds(1))
        sender.started(at: .seconds(2))
        sender.read(11)
        sender.merged(as: 12, at: .seconds(3))
        sender.stored()
        #expect(sender.isDone)
        #expect(sender.due == nil)
    }

    // MARK: Failures

    @Test func aFailedSendIsTriedAgainAfterTheInterval() {
        var sender = sender()
        sender.observed(11, at: .seconds(1))
        sender.started(at: .seconds(2))
        sender.read(11)
        sender.failed(at: .seconds(3))
        #expect(!sender.isDone)
        #expect(!sender.isSending)
        #expect(sender.due == .seconds(8))
        sender.started(at: .seconds(8))
        sender.read(11)
        sender.stored()
        #expect(sender.isDone)
        #expect(sender.due == nil)
    }

    @Test func aFailedReadIsTriedAgain() {
        var sender = sender()
        sender.observed(11, at: .seconds(1))
        sender.started(at: .seconds(2))
        sender.failed(at: .seconds(3))
        #expect(sender.due == .seconds(8))
        #expect(!sender.isDone)
    }

    @Test func aChangeDoesNotHurryARetry() {
        var sender = sender()
        sender.requestInitial()
        sender.started(at: .seconds(2))
        sender.failed(at: .seconds(3))
        sender.observed(12, at: .seconds(4))
        #expect(sender.due == .seconds(8))
    }

    @Test func aMergeAfterAFailedSendDoesNotHideTheChange() {
        var sender = sender()
        sender.observed(11, at: .seconds(1))
        sender.started(at: .seconds(2))
        sender.read(11)
        sender.merged(as: 12, at: .seconds(3))
        sender.failed(at: .seconds(4))
        sender.merged(as: 13, at: .seconds(5))
        #expect(!sender.isDone)
        #expect(sender.due == .seconds(9))
    }

    @Test(arguments: [0, 1, 3]) func givesUpAfterSoManyRetries(limit: Int) {
        var sender = sender(retries: limit)
        for _ in 0..<limit {
            sender.started(at: .seconds(1))
            sender.failed(at: .seconds(1))
            #expect(!sender.hasGivenUp)
        }
        sender.started(at: .seconds(1))
        sender.failed(at: .seconds(1))
        #expect(sender.hasGivenUp)
    }

    @Test func aSuccessForgivesFailures() {
        var sender = sender(retries: 1)
        for _ in 0..<10 {
            sender.started(at: .seconds(1))
            sender.failed(at: .seconds(1))
            #expect(!sender.hasGivenUp)
            sender.started(at: .seconds(1))
            sender.read(11)
            sender.stored()
        }
    }

    @Test func withoutLimitItNeverGivesUp() {
        var sender = sender(retries: nil)
        for _ in 0..<10_000 {
            sender.started(at: .seconds(1))
            sender.failed(at: .seconds(1))
        }
        #expect(!sender.hasGivenUp)
    }
}
