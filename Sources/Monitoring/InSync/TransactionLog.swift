import LMDB
import Replication
import Snapshots

/// Tells which objects in the storage contain what a transaction of the LMDB has written.
///
/// What an application has written is in the deltas and full snapshots of this instance; what a merge has written is in the merged
/// object, and in our own objects only by chance. Both are expressed as positions. A pure value: it goes by events, and no clock decides
/// anything. Of what it has forgotten it requires more than necessary, never less.
struct TransactionLog: Sendable {
    /// Maximum number of remembered sends, and of merges.
    static let most = 4096

    /// A send: everything that applications have written up to the transaction is stored up to the position.
    private struct Send: Sendable {
        var transaction: UInt64
        var position: UInt64
    }

    /// What to require of others; see ``Need``.
    typealias Positions = [String: UInt64]

    /// The sends of this process, oldest first; both values rise.
    private var sends: [Send] = []
    /// What merges have merged, by transaction.
    private var merges: [UInt64: Positions] = [:]
    /// The transactions of ``merges``, oldest first.
    private var mergesInOrder: [UInt64] = []
    /// Merges up to this transaction are forgotten. One of them may have written what looks local; ``forgotten`` has the positions that
    /// all of them have reached.
    private var forgottenThrough: UInt64 = 0
    private var forgotten: Positions = [:]
    /// The merges that have begun and not ended.
    private var merging: Set<SnapshotName> = []
    /// Every merge up to this transaction is in ``merges`` or forgotten.
    private var knownThrough: UInt64 = 0
    /// The positions of others that are read, even if entries were held.
    private var read: Positions = [:]
    private var environment: Environment?
    /// The instances that were in the storage.
    private var seen: Set<String> = []
    /// The instances that are gone from it, each with the position of a later full snapshot of ours, which contains what was merged of them.
    private var gone: [String: UInt64?] = [:]
    /// Every transaction up to this one is stored or was one of the syncer; nil while a send is due or in progress.
    private var settled: UInt64?
    /// Whether the last listing of the storage succeeded.
    private(set) var isListed = false

    /// No events yet.
    init() {}

    // MARK: Events

    mutating func handle(_ event: SyncEvent) {
        switch event {
        case .opened(let environment): self.environment = environment
        case .ended: environment = nil
        case .mergeStarted(let name, _): began(name)
        case .merged(let report): merged(report)
        case .mergeFailed(let name, _, _), .refused(let name, _, _, _): merging.remove(name)
        case .progressed(let progress):
            for (group, name) in progress.read { raise(&read, group.instance, to: name.timestamp) }
        case .stored(let report): stored(report)
        case .settled(let transaction): settled = transaction
        case .listed(let catalog):
            isListed = true
            listed(catalog.instances.union(catalog.lastDeltas.keys))
        case .listFailed: isListed = false
        case .listStarted, .downloadStarted, .downloaded, .downloadVanished, .downloadFailed,
            .downloadsWaiting, .mergesWaiting, .storing, .compared, .proved, .pinned, .sendFailed, .sendingGivenUp,
            .swept, .hinted, .hintMerged, .hearing, .fenced, .sendBlocked, .notInSync, .started, .namesake, .clockSkew,
            .ownClock, .cleanerListed,
            .cleanerListFailed, .cleanerDeleted, .cleanerDeleteFailed:
            break
        }
    }

    private mutating func began(_ name: SnapshotName) {
        // Without a merge in progress all of them have been reported. This event precedes the transaction of the merge.
        if merging.isEmpty, let environment {
            knownThrough = max(knownThrough, environment.info.lastTransactionID)
        }
        merging.insert(name)
    }

    private mutating func merged(_ report: MergeReport) {
        merging.remove(report.name)
        let (instance, position) = (report.position.instance, report.position.timestamp)
        // What is merged of one that is gone is in a full snapshot that is read after this.
        if gone[instance] != nil { gone.updateValue(nil, forKey: instance) }
        guard let transaction = report.transaction else { return }
        knownThrough = max(knownThrough, transaction)
        if merges[transaction] == nil { mergesInOrder.append(transaction) }
        raise(&merges[transaction, default: [:]], instance, to: position)
        guard mergesInOrder.count > Self.most else { return }
        for old in mergesInOrder.prefix(Self.most / 4) {
            for (instance, position) in merges.removeValue(forKey: old) ?? [:] {
                raise(&forgotten, instance, to: position)
            }
            forgottenThrough = max(forgottenThrough, old)
        }
        mergesInOrder.removeFirst(Self.most / 4)
    }

    private mutating func stored(_ report: SendReport) {
        let position = report.position.timestamp
        // It has all that was merged until now, unless it was read before.
        if !report.name.isDelta, report.transaction >= mergesInOrder.last ?? 0 {
            for (instance, later) in gone where later == nil { gone[instance] = position }
        }
        if let last = sends.last {
            // A full snapshot behind a delta has the position of that.
            guard report.transaction >= last.transaction, position > last.position else { return }
        } else {
            begin(with: report)
        }
        sends.append(Send(transaction: report.transaction, position: position))
        if sends.count > Self.most { sends.removeFirst(Self.most / 4) }
    }

    /// The first send of this process. It is a full snapshot that no delta leads to: who has reached its position has read it, and with
    /// it what was merged before.
    private mutating func begin(with report: SendReport) {
        forgottenThrough = max(forgottenThrough, report.transaction)
        guard !report.name.isDelta else {
            for (instance, position) in read { raise(&forgotten, instance, to: position) }
            return
        }
        mergesInOrder.removeAll { $0 <= report.transaction }
        merges = merges.filter { $0.key > report.transaction }
        forgotten = [:]
    }

    private mutating func listed(_ present: Set<String>) {
        for instance in seen where !present.contains(instance) && gone[instance] == nil {
            gone.updateValue(nil, forKey: instance)
        }
        for instance in present { gone.removeValue(forKey: instance) }
        seen.formUnion(present)
    }

    private func raise(_ positions: inout Positions, _ instance: String, to position: UInt64) {
        positions[instance] = max(positions[instance] ?? 0, position)
    }

    // MARK: Questions

    /// What others must have merged to have all that these transactions have written.
    ///
    /// - Parameters:
    ///   - transactions: those in the headers of the entries; nil for all.
    ///   - last: the transaction that read them.
    /// - Returns: nil while that cannot be said, because a merge is in progress that may be one of them.
    func need(_ transactions: Set<UInt64>?, readIn last: UInt64) -> Need? {
        var need = Need()
        guard let transactions else {
            guard merging.isEmpty || knownThrough >= last else { return nil }
            need.local = last
            need.others = read
            for positions in merges.values.lazy.joined() { raise(&need.others, positions.key, to: positions.value) }
            return need
        }
        for written in transactions {
            // Those of another LMDB, of which this one is a copy, are as old as anything.
            let transaction = written > last ? 0 : written
            if let positions = merges[transaction] {
                for (instance, position) in positions { raise(&need.others, instance, to: position) }
                continue
            }
            guard transaction <= knownThrough || merging.isEmpty else { return nil }
            need.local = max(need.local ?? 0, transaction)
            if transaction <= forgottenThrough {
                for (instance, position) in forgotten { raise(&need.others, instance, to: position) }
            }
        }
        return need
    }

    /// The position of ours up to which everything is stored that applications have written up to a transaction; nil while it is not.
    func position(covering transaction: UInt64) -> UInt64? {
        // Of the sends that are forgotten, the oldest known one has everything.
        var (low, high) = (0, sends.count)
        while low < high {
            let middle = (low + high) / 2
            if sends[middle].transaction < transaction { low = middle + 1 } else { high = middle }
        }
        if low < sends.count { return sends[low].position }
        return settled.map { $0 >= transaction } == true ? newest : nil
    }

    /// What an instance must have merged instead of the positions of one that is gone from the storage.
    enum Substitute: Equatable {
        /// The instance is in the storage: nothing replaces it.
        case none
        /// There is no such full snapshot of ours yet.
        case pending
        /// This position of ours.
        case position(UInt64)
    }

    /// See ``Substitute``.
    func substitute(for instance: String) -> Substitute {
        guard let later = gone[instance] else { return .none }
        return later.map { .position($0) } ?? .pending
    }

    /// The newest position of ours; nil before the first send of this process.
    var newest: UInt64? { sends.last?.position }

    /// Whether this process can have stored such a position.
    func mayHaveSent(_ position: UInt64) -> Bool {
        guard let first = sends.first, let last = sends.last else { return false }
        if position < first.position { return true }
        guard position <= last.position else { return false }
        var (low, high) = (0, sends.count)
        while low < high {
            let middle = (low + high) / 2
            if sends[middle].position < position { low = middle + 1 } else { high = middle }
        }
        return low < sends.count && sends[low].position == position
    }
}

/// What another instance must have merged to have a change.
package struct Need: Sendable, Equatable {
    /// The newest transaction of the change that an application has written; nil if it was merged as a whole.
    var local: UInt64?
    /// The positions of the instances that the change was merged from.
    var others: [String: UInt64] = [:]
}
