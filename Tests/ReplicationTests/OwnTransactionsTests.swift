import LMDB
import Simulator
import Testing

@testable import Replication

/// Which transactions are known to be ours, and from when on.
@Suite struct OwnTransactionsTests {
    private struct Failure: Error {}

    @Test func aMergeIsKnownBeforeItIsVisible() throws {
        let environment = try LMDB.Environment.scratch(ScratchDirectory())
        let own = OwnTransactions()
        let plan = try environment.plan(RawSnapshot().database("records", [.init("key", "b", at: 5)]))
        let outcome = try own.noting { willCommit in
            try Merge.apply(
                plan, to: environment, paddingBlock: false,
                willCommit: { transaction in
                    willCommit(transaction)
                    #expect(own.contains(transaction) && transaction > environment.lastTransaction)
                })
        }
        let transaction = try #require(outcome.transaction)
        #expect(own.contains(transaction) && !own.contains(transaction + 1))
        // What has no news notes nothing.
        #expect(
            try own.noting { try Merge.apply(plan, to: environment, paddingBlock: false, willCommit: $0) }.transaction
                == nil)
        #expect(!own.contains(transaction + 1))
    }

    @Test func whatCouldNotBeCommittedIsForgotten() {
        let own = OwnTransactions()
        #expect(throws: Failure.self) {
            try own.noting { willCommit in
                willCommit(7)
                throw Failure()
            }
        }
        #expect(!own.contains(7))
    }

    @Test func localChangesAreThoseOfOthers() {
        let own = OwnTransactions()
        own.sent(through: 5)
        own.noting { $0(7) }
        #expect([6, 7, 8].map(own.changes.contains) == [true, false, true])
        own.sent(through: 7)
        #expect([6, 7, 8].map(own.changes.contains) == [false, false, true])
        #expect(!own.contains(7))
    }

    /// A merge beside the first send is remembered as well.
    @Test func whatWasMergedBeforeTheFirstSendHasEndedIsNoLocalChange() {
        let own = OwnTransactions()
        own.noting { $0(7) }
        own.sent(through: 6)
        #expect([6, 7, 8].map(own.changes.contains) == [false, false, true])
    }
}
