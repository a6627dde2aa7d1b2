import BlobStorage
import Snapshots
import TestSupport
import Testing

@testable import Replication

@Suite struct CleanerMachineTests {
    private func machine(mustKeep: Duration = .seconds(600)) -> CleanerMachine {
        CleanerMachine(
            settings: .init(
                database: "main", interval: .seconds(300), mustKeepInterval: mustKeep,
                rule: CleaningRule(instance: "own", removeOldInstancesInterval: .seconds(1000))))
    }

    private func catalog(_ names: [String]) -> Catalog {
        Catalog(names.map { Blob(name: $0, size: 1) }, database: "main", now: 5000 * second)
    }

    private func removed(
        _ machine: inout CleanerMachine, _ names: [SnapshotName], at seconds: Int
    ) -> [SnapshotName] {
        var ledger = SyncProgress()
        for name in names { ledger.merged(name, in: .init(instance: name.instance, isFarAhead: false)) }
        return machine.listed(catalog(names.map(\.description)), ledger, at: .seconds(seconds), time: 0).map(\.name)
    }

    @Test func theIntervalVariesByAFifth() {
        #expect(machine().pause(random: 0) == .seconds(240))
        #expect(machine().pause(random: 0.5) == .seconds(300))
        #expect(machine().pause(random: 1) == .seconds(360))
    }

    @Test func whatWasSeenForLongEnoughGoes() {
        var machine = machine()
        let (one, two, three) = (snapshot("a", seconds: 1), snapshot("a", seconds: 2), snapshot("a", seconds: 3))
        #expect(removed(&machine, [one, two], at: 1000) == [])
        #expect(removed(&machine, [one, two], at: 1599) == [])
        // However old its name says it is: three appears, and with it two has become superfluous.
        #expect(removed(&machine, [one, two, three], at: 1600) == [one])
        // One that nobody could remove is tried again.
        #expect(removed(&machine, [one, two, three], at: 1900) == [one, two])
        #expect(removed(&machine, [three], at: 2500) == [])
    }

    @Test func whatComesBackWasNotSeenBefore() {
        var machine = machine()
        let (one, two) = (snapshot("a", seconds: 1), snapshot("a", seconds: 2))
        _ = removed(&machine, [one, two], at: 0)
        _ = removed(&machine, [two], at: 500)
        #expect(removed(&machine, [one, two], at: 1000) == [])
        #expect(removed(&machine, [one, two], at: 1600) == [one])
    }

    @Test func theSnapshotBeforeANewOneStaysUntilTheNextRun() {
        var machine = machine(mustKeep: .zero)
        let names = (1...3).map { snapshot("a", seconds: $0) }
        #expect(removed(&machine, names, at: 0) == [names[0]])
        #expect(removed(&machine, names, at: 1) == [names[0], names[1]])
    }

    @Test func everythingElseIsLeftAlone() {
        var machine = machine(mustKeep: .zero)
        let others = [
            "main__a.state", "main__a__20261120-173955-012345678__GX.delta", "main__", "main__x", "update-marker",
            "main__a__20261120-173955-012345678__GX__Xy.pb.gz", "main2__a__20261120-173955-012345678__GX.pb.gz",
            "main__a__20261120-173955-012345678__GX.pb.gz.bak", "main__a__00000000-173955-012345678__GX.pb.gz",
        ]
        for seconds in 0..<5 {
            #expect(
                machine.listed(catalog(others), SyncProgress(), at: .seconds(seconds), time: .max) == [])
        }
    }

    @Test func theStateGoesWithTheLastSnapshot() {
        var machine = machine(mustKeep: .zero)
        var ledger = SyncProgress()
        let (old, last, own) = (snapshot("gone", seconds: 1), snapshot("gone", seconds: 2), snapshot("own", seconds: 5))
        ledger.merged(last, in: .init(instance: last.instance, isFarAhead: false))
        ledger.stored(own, covering: ledger.merged)
        let names = [last, own, old].map(\.description) + ["main__gone.state"]
        _ = machine.listed(catalog(names), ledger, at: .zero, time: 5000 * second)
        let removals = machine.listed(catalog(names), ledger, at: .seconds(1), time: 5000 * second)
        #expect(removals.map(\.name) == [old, last])
        #expect(removals.map(\.reason) == [.newerSnapshot, .staleInstance])
        #expect(removals.map(\.stateObject?.description) == [nil, "main__gone.state"])
    }
}
