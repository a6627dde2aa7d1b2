import BlobStorage
import Snapshots

/// By which way the newest objects of other instances became known, and so how often the storage is listed.
package struct Hearing: Sendable, Equatable {
    /// Whether the connection over which the storage announces all changes is established.
    package fileprivate(set) var feedIsUp = false
    /// Whether it announces what there is: not if a listing has shown something first.
    package fileprivate(set) var feedIsComplete = false
    /// By which way the newest merged object of an instance was first known, or its state object since; if a listing has shown it first,
    /// the instance is not in it.
    package fileprivate(set) var sources: [String: HintSource] = [:]

    /// Everything is known from listings.
    package init() {}
}

/// Follows which objects became known by a hint.
///
/// A pure value. Times are durations since a fixed moment of the process.
struct HintWatch: Sendable {
    private struct Pending {
        var name: SnapshotName
        var source: HintSource
        var since: Duration
    }

    private static let mostPending = 10_000

    private(set) var hearing = Hearing()
    /// What the last merge was owed to, and how long after the hint it ended; nil if it was not owed to a hint.
    private(set) var lastMerge: (source: HintSource, delay: Duration)?
    /// The hint by which the newest object of an instance became known, until that is merged.
    private var pending: [String: Pending] = [:]
    /// What the last listing has shown, by name, with versions; nil before the first one since the connection was established.
    private var shown: [SnapshotName: String]?
    /// What of that has appeared since the listing before it.
    private var appeared: Set<SnapshotName> = []

    /// The connection is established, or has ended.
    mutating func feed(isUp: Bool) {
        (hearing.feedIsUp, hearing.feedIsComplete) = (isUp, isUp)
        (shown, appeared) = (nil, [])
    }

    /// Takes a hint of something new. Of several hints of one object the first one counts.
    mutating func hinted(_ name: SnapshotName, _ source: HintSource, at now: Duration) {
        guard pending[name.instance]?.name != name else { return }
        // Names of instances that do not exist are forgotten with the next listing.
        guard pending.count < Self.mostPending || pending[name.instance] != nil else { return }
        pending[name.instance] = Pending(name: name, source: source, since: now)
    }

    /// Takes a hint of a state object: what an instance stores becomes known in this way, although it may not have changed anything since.
    ///
    /// - Parameter isKnown: whether it has snapshots. The last listing shows everything that was stored before.
    mutating func reached(_ instance: String, _ source: HintSource, isKnown: Bool) {
        guard isKnown, source.replacesListings, pending[instance] == nil else { return }
        hearing.sources[instance] = hearing.sources[instance] ?? source
    }

    /// Reports a merge.
    ///
    /// - Parameter isNews: whether the instance's position has advanced.
    mutating func merged(_ name: SnapshotName, isNews: Bool, at now: Duration) {
        lastMerge = nil
        let hint = pending[name.instance].flatMap { $0.name == name ? $0 : nil }
        if hint != nil { pending[name.instance] = nil }
        guard isNews else { return }
        if hint?.source == .listen {
            hearing.feedIsComplete = hearing.feedIsUp
        } else if hint == nil, appeared.contains(name) {
            hearing.feedIsComplete = false
        }
        hearing.sources[name.instance] = hint?.source
        lastMerge = hint.map { ($0.source, now - $0.since) }
    }

    /// Takes the objects of a listing. Instances that are gone are forgotten.
    ///
    /// - Parameter objects: the snapshots of others, with a version that changes when one is overwritten.
    mutating func listed(_ instances: Set<String>, _ objects: [SnapshotName: String] = [:]) {
        if hearing.feedIsUp {
            // What there was before the connection is not announced.
            if let shown { appeared = Set(objects.filter { shown[$0.key] != $0.value }.keys) }
            shown = objects
        }
        if !pending.isEmpty { pending = pending.filter { instances.contains($0.key) } }
        guard !hearing.sources.keys.allSatisfy(instances.contains) else { return }
        hearing.sources = hearing.sources.filter { instances.contains($0.key) }
    }

    /// Whether changes of all these instances become known without listings.
    func hearsAll(_ others: Set<String>) -> Bool {
        if hearing.feedIsUp, hearing.feedIsComplete { return true }
        return !others.isEmpty && others.allSatisfy { hearing.sources[$0]?.replacesListings ?? false }
    }
}

/// What a hint calls for.
enum HintResult: Equatable {
    /// Nothing: it says nothing new.
    case nothing
    /// The object is read without a listing.
    case read
    /// The storage is listed soon.
    case list
}
