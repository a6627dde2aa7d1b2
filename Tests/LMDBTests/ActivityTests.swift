import Testing

@testable import LMDB

/// What tells whether transactions get on.
@Suite struct ActivityTests {
    @Test func itShowsWhatIsUnderWay() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let idle = environment.activity
        #expect(!idle.isBusy && !idle.waitsForLock)
        try environment.write { transaction in
            let activity = environment.activity
            #expect(activity.isBusy)
            #expect(!activity.waitsForLock)
            #expect(activity.steps > idle.steps)
            return .commit(())
        }
        let after = environment.activity
        #expect(!after.isBusy)
        #expect(after.steps > idle.steps)
        #expect(after.endedWaits == idle.endedWaits + 1)
    }

    @Test func aWalkOverManyEntriesShows() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.write { transaction in
            let database = try transaction.database("many", creating: [])
            for number in 0..<5000 {
                let key = Array("\(10_000 + number)".utf8)
                try key.withUnsafeBytes { try transaction.put(database, $0, $0) }
            }
            return .commit(())
        }
        try environment.read { transaction in
            let database = try #require(try transaction.database("many"))
            var cursor = try transaction.openCursor(database)
            let before = environment.activity.steps
            while try cursor.next() {}
            #expect(environment.activity.steps > before)
        }
    }

    @Test func afterAFailureNothingIsUnderWay() throws {
        struct Failure: Error {}
        let scratch = try Scratch()
        let environment = try scratch.open()
        #expect(throws: Failure.self) { try environment.write { _ -> WriteOutcome<Void> in throw Failure() } }
        #expect(!environment.activity.isBusy)
    }
}
