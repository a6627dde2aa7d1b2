import Snapshots
import Testing

@testable import Replication

/// Two hosts of one name in one bucket, under simulated time.
private struct NamesakePair {
    struct Host {
        var machine = SyncMachine(
            settings: .init(
                instance: "own", storagePollInterval: .seconds(1),
                receiver: .init(concurrentDownloads: 2, retryInterval: .seconds(5)),
                sender: .init(
                    minimumInterval: .seconds(1), forceInterval: .seconds(4 * 3600), retryInterval: .seconds(5),
                    retryLimit: nil)),
            transaction: 1)
        var watch = NamesakeWatch()
        var items: Set<Int>
        var transaction: UInt64 = 1
        var sends = 0
        /// What the health check says.
        var isAlarmed = false
        /// When that changed.
        var changes: [Duration] = []
        var isRunning = true
    }

    private(set) var now = Duration.zero
    var hosts = [Host(items: [1]), Host(items: [2])]
    private var bucket: [(name: SnapshotName, items: Set<Int>)] = []

    /// What others see.
    var published: Set<Int> { bucket.last?.items ?? [] }

    mutating func change(_ index: Int, _ item: Int) {
        hosts[index].items.insert(item)
        hosts[index].transaction += 1
        take(.observed(transaction: hosts[index].transaction), index)
    }

    mutating func run(_ duration: Duration) {
        if now == .zero { for index in hosts.indices { take(.tick, index) } }
        let end = now + duration
        while let next = hosts.indices.filter({ hosts[$0].isRunning }).compactMap({ index in
            hosts[index].machine.nextTick.map { (time: $0, index: index) }
        }).min(by: { $0.time < $1.time }), next.time <= end {
            now = max(now, next.time)
            take(.tick, next.index)
        }
        now = end
    }

    private mutating func take(_ event: SyncMachine.Event, _ index: Int) {
        let actions = hosts[index].machine.handle(event, at: now)
        hosts[index].watch.quietTime = hosts[index].machine.cover.quietTime
        for action in actions { perform(action, index) }
    }

    private mutating func perform(_ action: SyncMachine.Action, _ index: Int) {
        switch action {
        case .list:
            let names = bucket.map(\.name)
            _ = hosts[index].watch.listed(names, at: now)
            let isAlarmed = hosts[index].watch.stranger(at: now) != nil
            if isAlarmed != hosts[index].isAlarmed { hosts[index].changes.append(now) }
            hosts[index].isAlarmed = isAlarmed
            take(.listed(names, stranger: hosts[index].watch.newest), index)
        case .download(let name): take(.downloaded(name), index)
        case .compare(let name):
            let items = bucket.first { $0.name == name }?.items ?? []
            let hasNews = !items.isSubset(of: hosts[index].items)
            hosts[index].items.formUnion(items)
            if hasNews { hosts[index].transaction += 1 }
            hosts[index].watch.merged(name)
            take(.merged(name, transaction: hasNews ? hosts[index].transaction : nil), index)
        case .send:
            hosts[index].sends += 1
            let name = snapshot("own", UInt64(now / .nanoseconds(1)) + UInt64(index) + 1)
            hosts[index].watch.willStore(name)
            let (covered, items) = (hosts[index].watch.merged, hosts[index].items)
            take(.read(transaction: hosts[index].transaction), index)
            bucket.append((name, items))
            // As a cleaner does.
            if bucket.count > 4 { bucket.removeFirst() }
            hosts[index].watch.stored(covering: covered)
            take(.stored(snapshot("own", 1)), index)
        default: break
        }
    }
}

@Suite struct NamesakePairTests {
    @Test func twoHostsOfOneNameSendEverMoreRarelyAndAreToldOfAllTheTime() {
        var pair = NamesakePair()
        pair.run(.seconds(120))
        #expect(pair.published == [1, 2])
        pair.run(.seconds(24 * 3600))
        for host in pair.hosts {
            // One each ten minutes and one more for the answer to it, not one a minute.
            #expect((70...160).contains(host.sends), "\(host.sends)")
            #expect(host.isAlarmed && host.changes.count == 1, "\(host.changes)")
        }
        // What is new goes out at once, and with what the other one holds soon after.
        pair.change(0, 3)
        pair.run(.seconds(2))
        #expect(pair.published == [1, 2, 3])
        pair.change(1, 4)
        pair.change(0, 5)
        pair.run(.seconds(60))
        #expect(pair.published == [1, 2, 3, 4, 5])
    }

    @Test(arguments: [(300, 500), (86_400, 1300)]) func theAlarmEndsWhenOneIsGone(after time: Int, atMost limit: Int) {
        var pair = NamesakePair()
        pair.run(.seconds(time))
        pair.hosts[1].isRunning = false
        #expect(pair.hosts[0].isAlarmed)
        pair.run(.seconds(limit + 60))
        #expect(!pair.hosts[0].isAlarmed)
        // What is begun anew is answered as quickly as the first time.
        pair.hosts[1].isRunning = true
        pair.change(1, 9)
        pair.run(.seconds(60))
        #expect(pair.hosts[0].isAlarmed && pair.published == [1, 2, 9])
    }
}
