import BlobStorage
import Snapshots
import Testing

@testable import Replication

/// A second, in the units of names.
let second: UInt64 = 1_000_000_000

/// The name of a snapshot of the database `main`, so many seconds after the UNIX epoch.
func snapshot(_ instance: String, seconds: UInt64) -> SnapshotName {
    SnapshotName(database: "main", instance: instance, timestamp: seconds * second)
}

@Suite struct CleaningRuleTests {
    private let rule = CleaningRule(instance: "own", removeOldInstancesInterval: .seconds(1000))

    /// What becomes of snapshots: `verdicts` in the order of the names.
    private func verdicts(
        _ names: [SnapshotName], recent: Set<SnapshotName> = [], appeared: Set<SnapshotName> = [],
        ledger: SyncProgress = SyncProgress(), at seconds: UInt64 = 1000
    ) -> [CleaningVerdict] {
        rule.verdicts(
            on: names.shuffled().map {
                .init(name: $0, isRecent: recent.contains($0), hasJustAppeared: appeared.contains($0))
            }, ledger, at: seconds * second
        ).map(\.verdict)
    }

    private func group(_ name: SnapshotName) -> SnapshotHorizon.Group {
        .init(instance: name.instance, isFarAhead: name.timestamp == .max)
    }

    private func ledger(
        merged: [SnapshotName] = [], covered: [SnapshotName] = [], sent: SnapshotName? = nil,
        refused: [SnapshotName] = []
    ) -> SyncProgress {
        var ledger = SyncProgress()
        for name in covered { ledger.merged(name, in: group(name)) }
        if let sent { ledger.stored(sent, covering: ledger.merged) }
        for name in merged + covered { ledger.merged(name, in: group(name)) }
        for name in refused { ledger.refused(name) }
        return ledger
    }

    @Test func onlyTheNewestOfEachInstanceStays() {
        let names = [
            snapshot("a", seconds: 1), snapshot("a", seconds: 2), snapshot("a", seconds: 3), snapshot("b", seconds: 1),
            snapshot("own", seconds: 1),
        ]
        #expect(
            verdicts(names, ledger: ledger(merged: [names[2]])) == [
                .remove(.newerSnapshot), .remove(.newerSnapshot), .keep(.newest), .keep(.newest), .keep(.own),
            ])
        // The newest one may turn out to be damaged.
        #expect(
            verdicts(names) == [.keep(.fallback), .keep(.fallback), .keep(.newest), .keep(.newest), .keep(.own)])
        // One of which entries are held back has been read.
        var reads = SyncProgress()
        reads.merged(names[2], in: group(names[2]), isWhole: false)
        #expect(
            verdicts(names, ledger: reads) == [
                .remove(.newerSnapshot), .remove(.newerSnapshot), .keep(.newest), .keep(.newest), .keep(.own),
            ])
        #expect(verdicts([]) == [])
    }

    @Test func whatIsRecentStays() {
        let names = [snapshot("a", seconds: 1), snapshot("a", seconds: 2), snapshot("a", seconds: 3)]
        #expect(
            verdicts(names, recent: [names[1]], ledger: ledger(merged: [names[2]])) == [
                .remove(.newerSnapshot), .keep(.recent), .keep(.newest),
            ])
    }

    @Test func theSnapshotBeforeANewOneStaysForAWhile() {
        let names = [snapshot("a", seconds: 1), snapshot("a", seconds: 2), snapshot("a", seconds: 3)]
        #expect(
            verdicts(names, appeared: [names[2]], ledger: ledger(merged: [names[1]])) == [
                .remove(.newerSnapshot), .keep(.predecessor), .keep(.newest),
            ])
    }

    @Test func ourOwnOfBeforeTheStartGoesOnceThereIsANewerOne() {
        let names = (1...3).map { snapshot("own", seconds: $0) }
        let merged = ledger(merged: [names[1]])
        #expect(verdicts(names, ledger: merged) == [.remove(.newerSnapshot), .keep(.merged), .keep(.own)])
        let sent = ledger(merged: [names[1]], sent: names[2])
        #expect(
            verdicts(names, ledger: sent) == [.remove(.newerSnapshot), .remove(.newerSnapshot), .keep(.own)])
    }

    /// Whoever may write can put anything sealed, or not, before what a host without the right identity cannot open either.
    @Test func whatCannotBeOpenedHereIsNotOursToJudge() {
        let names = (1...4).map { snapshot("a", seconds: $0) }
        var closed = SyncProgress()
        for name in names { closed.refused(name, isOpened: false) }
        #expect(
            verdicts(names, ledger: closed) == [.keep(.fallback), .keep(.fallback), .keep(.fallback), .keep(.newest)])
        // One that is read shows that those before it are not needed.
        closed.merged(names[2], in: group(names[2]))
        #expect(
            verdicts(names, ledger: closed) == [
                .remove(.newerSnapshot), .remove(.newerSnapshot), .keep(.merged), .keep(.newest),
            ])
        closed.listed([])
        #expect(closed.unopened.isEmpty)
    }

    @Test func aCorruptSnapshotDoesNotCostTheOneBefore() {
        let names = (1...4).map { snapshot("a", seconds: $0) }
        #expect(
            verdicts(names, ledger: ledger(refused: [names[3], names[2]])) == [
                .keep(.fallback), .keep(.readable), .remove(.newerSnapshot), .keep(.newest),
            ])
        // However many of them nobody has looked at.
        #expect(
            verdicts(names, ledger: ledger(refused: [names[2]])) == [
                .keep(.fallback), .keep(.fallback), .remove(.newerSnapshot), .keep(.newest),
            ])
        #expect(
            verdicts(names, ledger: ledger(merged: [names[1]], refused: [names[3], names[2]])) == [
                .remove(.newerSnapshot), .keep(.readable), .remove(.newerSnapshot), .keep(.newest),
            ])
        // Nor one that nobody has looked at yet.
        #expect(
            verdicts(names, ledger: ledger(merged: [names[1]])) == [
                .remove(.newerSnapshot), .keep(.merged), .keep(.fallback), .keep(.newest),
            ])
    }

    /// What is held back here is in the bucket only: the newest snapshot may be damaged.
    @Test func aSnapshotOfWhichSomethingIsHeldBackStaysUntilANewerOneIsRead() {
        let names = (1...3).map { snapshot("a", seconds: $0) }
        var held = SyncProgress()
        held.merged(names[1], in: group(names[1]), isWhole: false)
        #expect(verdicts(names, ledger: held) == [.remove(.newerSnapshot), .keep(.fallback), .keep(.newest)])
        held.merged(names[2], in: group(names[2]), isWhole: false)
        #expect(verdicts(names, ledger: held) == [.remove(.newerSnapshot), .remove(.newerSnapshot), .keep(.newest)])
    }

    /// Whoever stores something at the end of time under a name must not have the real ones removed.
    @Test(arguments: ["a", "own"]) func aSnapshotInTheFarFutureIsNotTheNewest(instance: String) {
        let names = (1...3).map { snapshot(instance, seconds: $0) }
        let end = SnapshotName(database: "main", instance: instance, timestamp: .max)
        let need = instance == "own" ? CleaningVerdict.Need.own : .newest
        #expect(
            verdicts(names + [end], ledger: ledger(merged: [names[2]])) == [
                .remove(.newerSnapshot), .remove(.newerSnapshot), .keep(need), .keep(.farAhead),
            ])
    }

    @Test func ourNewestStaysWhateverElseHasOurName() {
        let names = [snapshot("own", seconds: 1), snapshot("own", seconds: 2), snapshot("own", seconds: 3)]
        #expect(
            verdicts(names, ledger: ledger(sent: names[1]), at: 1_000_000) == [
                .remove(.newerSnapshot), .keep(.own), .keep(.own),
            ])
    }

    @Test func anInstanceThatIsGoneGoesOnceItIsMergedAndSentOn() {
        let (old, last) = (snapshot("gone", seconds: 1), snapshot("gone", seconds: 2))
        let sent = snapshot("own", seconds: 900)
        func end(_ ledger: SyncProgress, at seconds: UInt64 = 1003, with own: [SnapshotName]) -> [CleaningVerdict] {
            Array(verdicts([old, last] + own, ledger: ledger, at: seconds).prefix(2))
        }
        let gone: [CleaningVerdict] = [.remove(.newerSnapshot), .remove(.staleInstance)]
        #expect(end(ledger(covered: [last], sent: sent), with: [sent]) == gone)
        // A later one of ours holds the same.
        #expect(end(ledger(covered: [last], sent: sent), with: [snapshot("own", seconds: 950)]) == gone)
        // One that was merged from it later than what we list now.
        #expect(end(ledger(covered: [snapshot("gone", seconds: 3)], sent: sent), at: 1004, with: [sent]) == gone)

        func kept(_ need: CleaningVerdict.Need) -> [CleaningVerdict] { [.remove(.newerSnapshot), .keep(need)] }
        #expect(end(ledger(covered: [last], sent: sent), at: 1002, with: [sent]) == kept(.newest))
        #expect(end(ledger(), with: [sent]) == [.keep(.fallback), .keep(.notMerged)])
        #expect(end(ledger(merged: [last]), with: [sent]) == kept(.notSentOn))
        #expect(end(ledger(merged: [last], sent: sent), with: [sent]) == kept(.notSentOn))
        // Somebody has removed what we sent.
        #expect(end(ledger(covered: [last], sent: sent), with: []) == kept(.notSentOn))
        #expect(end(ledger(covered: [last], sent: sent), with: [snapshot("own", seconds: 899)]) == kept(.notSentOn))
        // Only the one before was merged.
        let before = ledger(covered: [old], sent: sent)
        #expect(end(before, with: [sent]) == [.keep(.merged), .keep(.notMerged)])
        // It may have what is missing of others.
        var needed = ledger(covered: [last], sent: sent)
        needed.noteNeeded("gone", true)
        #expect(end(needed, with: [sent]) == kept(.notMerged))
        needed.noteNeeded("gone", false)
        #expect(end(needed, with: [sent]) == gone)
        // Times in the future are no ages.
        #expect(end(ledger(covered: [last], sent: sent), at: 0, with: [sent]) == kept(.newest))
    }

    @Test func theLastOneOfAnInstanceThatIsGoneGoesLast() {
        let (old, last, sent) = (
            snapshot("gone", seconds: 1), snapshot("gone", seconds: 2), snapshot("own", seconds: 900)
        )
        let ledger = ledger(covered: [last], sent: sent)
        for recent in [old, last] {
            #expect(
                verdicts([old, last, sent], recent: [recent], ledger: ledger, at: 2000)[1] == .keep(.recent))
        }
    }

    @Test(arguments: [
        ("main__a__20261120-173955-012345678__GX.pb.gz", true),
        ("main__a__20261120-173955-012345678__GX__Xy.pb.gz", false),
        ("main__a__20261120-173955-012345678__GX.delta.gz", false),
        ("main2__a__20261120-173955-012345678__GX.pb.gz", false),
    ])
    func onlySnapshotsThatAreFullyUnderstoodAreOfConcern(_ name: String, _ concerns: Bool) throws {
        let catalog = Catalog([Blob(name: name, size: 1)], database: "main", now: .max)
        #expect(CleaningRule.groups(in: catalog).isEmpty != concerns)
    }

    @Test func whatASnapshotHoldsIsKnown() {
        var progress = SyncProgress()
        let (a, far) = (SnapshotHorizon.Group(instance: "a", isFarAhead: false), snapshot("a", seconds: 99))
        progress.merged(snapshot("a", seconds: 2), in: a)
        let covering = progress.merged
        progress.merged(snapshot("a", seconds: 3), in: a)
        progress.merged(snapshot("a", seconds: 1), in: a)
        // Of one entries are held back, and one lies in the far future: neither says that all before it is here.
        progress.merged(snapshot("a", seconds: 4), in: a, isWhole: false)
        progress.merged(far, in: .init(instance: "a", isFarAhead: true))
        #expect(progress.covered == nil)
        progress.stored(snapshot("own", seconds: 5), covering: covering)
        #expect(progress.merged == ["a": snapshot("a", seconds: 3)])
        #expect(progress.read == [a: snapshot("a", seconds: 4), .init(instance: "a", isFarAhead: true): far])
        #expect(progress.covered == ["a": snapshot("a", seconds: 2)])
        #expect(progress.sent == snapshot("own", seconds: 5))
        progress.refused(snapshot("a", seconds: 7))
        progress.refused(snapshot("a", seconds: 8))
        progress.listed([snapshot("a", seconds: 8), snapshot("a", seconds: 9)])
        #expect(progress.refused == [snapshot("a", seconds: 8)])
        progress.keep { !$0.isFarAhead }
        #expect(progress.read == [a: snapshot("a", seconds: 4)])
        progress.forgetMerged()
        #expect(progress.merged == [:] && progress.covered == nil && progress.read == [:])
        #expect(progress.refused.count == 1 && progress.sent == snapshot("own", seconds: 5))
    }

    // MARK: What others have left

    private func leftovers(
        _ names: [SnapshotName], _ progress: SyncProgress, at seconds: UInt64 = 5000, stored: UInt64? = 40
    ) -> [SnapshotName] {
        let blobs = names.map { Blob(name: $0.description, size: 1, modified: stored.map { $0 * second }) }
        let catalog = Catalog(blobs, database: "main", now: seconds * second)
        return rule.leftovers(in: catalog, progress, at: seconds * second)
    }

    @Test func deltasWithoutAFullSnapshotGoOnceTheyAreSentOn() {
        let (first, last) = (delta("a", 10 * second), delta("a", 20 * second))
        let own = snapshot("own", seconds: 3000)
        let names = [first, last, own]
        let reached = snapshot("a", seconds: 30)
        let sentOn = ledger(covered: [reached], sent: own)
        #expect(leftovers(names, sentOn) == [last])
        // Not while it may come back, while it is not merged or not sent on, or while it has a full snapshot.
        #expect(leftovers(names, sentOn, at: 1029) == [])
        // A version that was stored since may not be merged.
        #expect(leftovers(names, sentOn, stored: 4500) == [] && leftovers(names, sentOn, stored: nil) == [])
        #expect(leftovers(names, ledger(merged: [reached], sent: own)) == [])
        #expect(leftovers(names, ledger(covered: [snapshot("a", seconds: 15)], sent: own)) == [])
        #expect(leftovers(names + [snapshot("a", seconds: 5)], sentOn) == [])
        #expect(leftovers([first, last], sentOn) == [])
        var unread = sentOn
        unread.noteUnread("a", true)
        #expect(leftovers(names, unread) == [])
        var machine = CleanerMachine(
            settings: .init(database: "main", interval: .seconds(1), mustKeepInterval: .seconds(1), rule: rule))
        let blobs = names.map { Blob(name: $0.description, size: 1, modified: 40 * second) }
        let catalog = Catalog(blobs, database: "main", now: 5000 * second)
        let removals = machine.listed(catalog, sentOn, at: .zero, time: 5000 * second)
        #expect(removals.map(\.name) == [last] && removals.map(\.deltas) == [[first]])
        #expect(removals.first?.stateObject == StateObjectName(database: "main", instance: "a"))
    }
}
