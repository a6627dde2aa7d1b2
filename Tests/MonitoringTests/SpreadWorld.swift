import Observability
import Replication
import Snapshots
import Support
import TestSupport

@testable import Monitoring

/// Three instances with a few entries in each of three zones. We are the first one; the log gets our events, late.
struct World {
    typealias Key = Int
    typealias Entries = [Key: (version: Int, author: Int)]
    static let names = ["own", "b", "c"]
    static let keys = 9

    struct Instance {
        /// The version of each entry, and who has written it.
        var entries: Entries = [:]
        /// What the application has written since the chain began: the position of each key's last change.
        var written: [Key: Int] = [:]
        /// Up to which position of each instance everything is merged.
        var applied = [0, 0, 0]
        /// What its state object says.
        var told = [0, 0, 0]
        /// The newest stored position.
        var position = 0
        /// The contents of the full snapshot at the begin, and its position.
        var base: (position: Int, entries: Entries) = (0, [:])
        /// What its deltas have, by position.
        var deltas: [(position: Int, entries: Entries)] = []
        var unsent: Set<Key> = []
    }

    var random: SeededGenerator
    var instances = [Instance(), Instance(), Instance()]
    var log = TransactionLog()
    /// By key, our transaction that wrote the entry.
    var headers: [Key: UInt64] = [:]
    var transaction: UInt64 = 0
    var clock = 10
    var version = 0
    /// The merge that the log has not heard of yet.
    var late: SyncEvent?
    var early = 0
    var answers = 0
    /// Zones that are not in sync in the end.
    var missing: [Int] = []

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        for index in instances.indices { send(index, isFull: true) }
    }

    mutating func step() {
        clock += Int.random(in: 1...3, using: &random)
        let index = Int.random(in: 0..<3, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0, 1: write(index)
        case 2, 3: send(index, isFull: false)
        case 4, 5: merge(index)
        case 6: instances[index].told = instances[index].applied
        case 7: if Int.random(in: 0..<10, using: &random) == 0 { restart() }
        default: ask()
        }
        if Bool.random(using: &random) { report() }
    }

    private mutating func report() {
        if let late { log.handle(late) }
        late = nil
    }

    private mutating func write(_ index: Int) {
        let key = Int.random(in: 0..<Self.keys, using: &random)
        version += 1
        instances[index].entries[key] = (version, index)
        instances[index].unsent.insert(key)
        guard index == 0 else { return }
        transaction += 1
        headers[key] = transaction
    }

    private mutating func send(_ index: Int, isFull: Bool) {
        clock += 1
        instances[index].position = clock
        let entries = instances[index].entries
        if isFull {
            instances[index].base = (clock, entries)
            instances[index].deltas = []
        } else {
            instances[index].deltas.append((clock, entries.filter { instances[index].unsent.contains($0.key) }))
        }
        instances[index].unsent = []
        if index == 0 {
            report()
            log.handle(.stored(.test(snapshot("own", clock), through: transaction, isDelta: !isFull)))
        }
    }

    /// A daemon that starts again sends a full snapshot first, and knows of no transaction what it was.
    private mutating func restart() {
        late = nil
        log = TransactionLog()
        ask()
        send(0, isFull: true)
    }

    private mutating func merge(_ index: Int) {
        let source = (index + Int.random(in: 1...2, using: &random)) % 3
        let known = instances[index].applied[source]
        var (position, entries) = (0, instances[source].base.entries)
        if known < instances[source].base.position {
            position = instances[source].base.position
        } else if let delta = instances[source].deltas.first(where: { $0.position > known }) {
            (position, entries) = (delta.position, delta.entries)
        } else {
            return
        }
        let name = snapshot(Self.names[source], position)
        if index == 0 {
            report()
            log.handle(.mergeStarted(name, waited: .zero))
            if Int.random(in: 0..<10, using: &random) == 0 { return log.handle(.mergeFailed(name, "", time: .zero)) }
            if Bool.random(using: &random) { write(0) }
        }
        let wins = entries.filter { $0.value.version > instances[index].entries[$0.key]?.version ?? 0 }
        if index == 0, !wins.isEmpty { transaction += 1 }
        for (key, entry) in wins {
            instances[index].entries[key] = entry
            // The author sends it.
            instances[index].unsent.remove(key)
            if index == 0 { headers[key] = transaction }
        }
        instances[index].applied[source] = position
        guard index == 0 else { return }
        var merged = MergeReport.test(name, in: transaction)
        if wins.isEmpty { merged.transaction = nil }
        late = .merged(merged)
    }

    /// Asks for one zone, and compares the answer with what the others have.
    private mutating func ask() {
        let zone = Int.random(in: 0..<3, using: &random)
        guard isInSync(zone) else { return }
        answers += 1
        for key in keys(zone) {
            for other in instances where other.entries[key]?.version ?? 0 < instances[0].entries[key]?.version ?? 0 {
                early += 1
            }
        }
    }

    private func keys(_ zone: Int) -> [Key] { (0..<Self.keys).filter { $0 % 3 == zone } }

    private func isInSync(_ zone: Int) -> Bool {
        let transactions = Set(keys(zone).compactMap { headers[$0] })
        guard let need = log.need(transactions, readIn: transaction) else { return false }
        var states: [String: InstanceState] = [:]
        for (index, name) in Self.names.enumerated() where index > 0 {
            let told = instances[index].told.enumerated().filter { $1 > 0 }
            states[name] = InstanceState(
                instance: name, hostname: "", software: "", time: WallTime.test(100_000), sent: nil,
                applied: Dictionary(
                    uniqueKeysWithValues: told.map {
                        (Self.names[$0.offset], snapshot(Self.names[$0.offset], $0.element).description)
                    }),
                covered: nil, health: "OK")
        }
        return ChangeSpread(
            of: need, log,
            .init(
                database: "main", own: "own", instances: Set(Self.names), states: states, stateTimes: [:],
                objects: Set(states.keys), senseless: [:], publishers: Set(states.keys), silent: [], except: [])
        ).isComplete
    }

    /// Everything is sent, merged and told.
    mutating func settle() {
        for index in instances.indices { send(index, isFull: false) }
        for _ in 0..<300 {
            merge(0)
            report()
            merge(1)
            merge(2)
        }
        // What was merged may have to be sent again by its author only; nothing else is open.
        send(0, isFull: false)
        for _ in 0..<200 {
            merge(1)
            merge(2)
        }
        for index in instances.indices { instances[index].told = instances[index].applied }
        missing = (0..<3).filter { !isInSync($0) }
        for zone in 0..<3 where !missing.contains(zone) {
            answers += 1
            for key in keys(zone)
            where instances.contains(where: { $0.entries[key]?.version != instances[0].entries[key]?.version }) {
                early += 1
            }
        }
    }
}
