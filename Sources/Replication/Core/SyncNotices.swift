import Logging
import Snapshots

/// A notice about the state of syncing.
enum SyncNotice: Sendable {
    /// A line in the log.
    case log(Logger.Level, String, Logger.Metadata = [:])
    /// An event for the observer.
    case event(SyncEvent)
}

/// The last errors, one line each.
struct SyncErrors: Sendable {
    /// Why the last send failed; empty if it did not.
    var send = ""
    /// Why the last listing, load, capture or record failed.
    var load = ""
    /// The last error of loading, by instance.
    var byInstance: [String: String] = [:]
}

/// Reports changes of the machine's state: each problem once, and its end once.
///
/// A pure value: it compares the state with the last reported one.
struct SyncNotices: Sendable {
    private let instance: String
    private let rebuild: String
    private var settled: UInt64?
    /// Snapshots that wait for a download to end, and since when.
    private var waiting: [SnapshotName: Duration] = [:]
    /// Beyond this many unsettled instances the downloads that wait are counted once a listing.
    private static let mostWatched = 64
    private var listings = 0
    /// Why ``RejoinFence`` blocks sending.
    private(set) var fenceText: String?
    /// The instances whose snapshots are not loaded because they are too old.
    private var outdated: Set<String> = []
    private var obstacle: SendObstacle?
    private var lag: SyncLag?
    /// The instances of which a delta is missing.
    private var gaps: [String] = []

    /// - Parameters:
    ///   - instance: this instance's name.
    ///   - rebuild: how the database is rebuilt; empty if that is not known.
    init(instance: String, rebuild: String = "") { (self.instance, self.rebuild) = (instance, rebuild) }

    /// For how long a snapshot has waited for others.
    func waited(for name: SnapshotName, at now: Duration) -> Duration { waiting[name].map { now - $0 } ?? .zero }

    /// Returns the new notices, in this order.
    ///
    /// - Parameters:
    ///   - now: the time since a fixed moment.
    ///   - errors: the last errors, for the texts.
    mutating func update(from machine: borrowing SyncMachine, now: Duration, errors: SyncErrors) -> [SyncNotice] {
        var notices: [SyncNotice] = []
        checkDownloads(machine.receiver, now, &notices)
        checkSender(machine.sender, &notices)
        checkFence(machine.fence, &notices)
        checkObstacle(machine.sendObstacle(at: now), machine.fence?.limits.patience, errors, &notices)
        checkLag(machine.lag(at: now), errors, &notices)
        checkGaps(machine.receiver.gaps, errors, &notices)
        return notices
    }

    private mutating func checkDownloads(
        _ receiver: borrowing Receiver, _ now: Duration, _ notices: inout [SyncNotice]
    ) {
        // With many instances their number matters, and not each moment of it.
        guard receiver.unsettledGroups.count <= Self.mostWatched || receiver.listings != listings else { return }
        listings = receiver.listings
        let names = receiver.waiting
        guard names.count != waiting.count || !names.allSatisfy({ waiting[$0] != nil }) else { return }
        let before = waiting
        waiting = Dictionary(uniqueKeysWithValues: names.map { ($0, before[$0] ?? now) })
        if waiting.count != before.count { notices.append(.event(.downloadsWaiting(waiting.count))) }
    }

    private mutating func checkSender(_ sender: borrowing Sender, _ notices: inout [SyncNotice]) {
        let transaction = sender.settledTransaction
        guard transaction != settled else { return }
        settled = transaction
        notices.append(.event(.settled(transaction: transaction)))
    }

    /// Checks whether sending is blocked, and whether it is allowed again.
    private mutating func checkFence(_ fence: RejoinFence?, _ notices: inout [SyncNotice]) {
        guard let fence else { return }
        for instance in fence.outdatedInstances.subtracting(outdated).sorted() {
            notices.append(
                .log(
                    .warning,
                    "the snapshots of an instance are too old to be loaded, because they may contain entries deleted since; remove them if the instance does not return",
                    ["snapshot_instance": "\(instance)"]))
        }
        outdated = fence.outdatedInstances
        guard let reason = fence.reason else {
            guard fenceText != nil else { return }
            fenceText = nil
            notices += [.log(.info, "sending is allowed again"), .event(.fenced(nil))]
            return
        }
        guard fenceText == nil else { return }
        let text = rebuild.isEmpty ? reason.text : "\(reason.text): \(rebuild)"
        fenceText = text
        notices += [.log(.error, text), .event(.fenced(text))]
    }

    /// Checks for an obstacle to sending, and for its end.
    private mutating func checkObstacle(
        _ new: SendObstacle?, _ patience: Duration?, _ errors: SyncErrors, _ notices: inout [SyncNotice]
    ) {
        guard new?.key != obstacle?.key else { return }
        let before = obstacle
        obstacle = new
        guard let new else {
            // A block is reported instead, and so is a send that succeeds at last.
            if fenceText == nil, before != .sendFails {
                notices.append(.log(.info, "changes no longer wait to be sent"))
            }
            return notices.append(.event(.sendBlocked(nil)))
        }
        let text = new.text(
            own: instance, patience: patience, errors: errors.byInstance, sendError: errors.send)
        // Each failed try is in the log already.
        if new != .sendFails { notices.append(.log(.warning, text)) }
        notices.append(.event(.sendBlocked(text)))
    }

    /// Checks whether a delta of an instance that does not repair that is missing.
    private mutating func checkGaps(_ new: [String], _ errors: SyncErrors, _ notices: inout [SyncNotice]) {
        guard new != gaps else { return }
        for instance in new where !gaps.contains(instance) {
            let error = errors.byInstance[instance].map { ": \($0)" } ?? ""
            notices.append(
                .log(
                    .warning,
                    "a delta of an instance is missing or cannot be merged\(error); its changes arrive with the next full snapshot of that instance, or of another one that has merged them",
                    ["snapshot_instance": "\(instance)"]))
        }
        for instance in gaps where !new.contains(instance) {
            notices.append(
                .log(.info, "no delta of an instance is missing any more", ["snapshot_instance": "\(instance)"]))
        }
        gaps = new
    }

    /// Checks whether the database is out of sync, long before sending is blocked.
    private mutating func checkLag(_ new: SyncLag?, _ errors: SyncErrors, _ notices: inout [SyncNotice]) {
        guard new?.failing != lag?.failing else { return }
        lag = new
        guard let new else {
            // A block is reported instead.
            if fenceText == nil {
                notices.append(.log(.info, "the snapshots that could not be loaded no longer matter"))
            }
            return notices.append(.event(.notInSync(nil)))
        }
        let text = new.text(errors: errors.byInstance)
        notices += [.log(.warning, text), .event(.notInSync(text))]
    }
}
