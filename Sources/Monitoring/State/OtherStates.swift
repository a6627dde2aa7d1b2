import BlobStorage
import Logging
import Snapshots
import Synchronization

/// The state objects of other instances: read on request, every few seconds at most.
final class OtherStates: Sendable {
    /// Maximum number of objects per reading; those read longest ago come first.
    static let most = 100
    /// Maximum number of kept states.
    static let mostKept = 1000

    private struct State {
        var store: (any BlobStore)?
        /// The state objects in the last listing, by name.
        var listed: [StateObjectName] = []
        var known: [String: InstanceState] = [:]
        /// Why the state object of an instance says nothing, as read; each is logged once.
        var senseless: [String: String] = [:]
        /// Why state objects in the last listing are not read.
        var unreadable: [String: String] = [:]
        var next = 0
        /// The instances whose states are read next with ``OtherStates/refresh(_:)``.
        var wanted: Set<String> = []

        /// - Returns: whether it says nothing, unlike before.
        mutating func note(_ contents: StateObjects.Contents, of instance: String) -> Bool {
            let reason: String
            switch contents {
            case .state(let state):
                senseless[instance] = nil
                if !state.isReplay(after: known[instance]) { known[instance] = state }
                return false
            case .senseless(let text): reason = text
            case .missing: reason = "its state object is no longer there"
            }
            known[instance] = nil
            return senseless.updateValue(reason, forKey: instance) == nil
        }
    }

    private final class Box: Sendable {
        let state = Mutex(State())
    }

    private let box = Box()
    private let database: String
    private let own: String
    private let onDemand: OnDemand<[String: InstanceState]>
    private let onRefresh: OnDemand<[String: InstanceState]>

    /// - Parameter areAuthentic: whether only somebody with the identity can have written what the storage gives out.
    init(
        database: String, own: String, logger: Logger, interval: Duration = .seconds(5), areAuthentic: Bool = false
    ) {
        self.database = database
        self.own = SnapshotName.sanitize(instance: own)
        onDemand = OnDemand(interval: interval) { [box] in
            await Self.read(Self.nextNames(box), database, areAuthentic, box, logger)
        }
        onRefresh = OnDemand(interval: .milliseconds(200), patience: .seconds(2)) { [box] in
            await Self.read(Self.wantedNames(box), database, areAuthentic, box, logger)
        }
    }

    /// Sets the storage.
    func attach(_ store: any BlobStore) { box.state.withLock { $0.store = store } }

    /// Updates the known objects from a listing.
    ///
    /// - Parameter states: the state objects in the listing, by instance.
    func listed(_ states: [String: Blob]) {
        let all = StateObjects.names(in: states, database: database).filter { $0.instance != own }
        let names = all.prefix(Self.mostKept)
        var unreadable: [String: String] = [:]
        for name in all.dropFirst(Self.mostKept) {
            unreadable[name.instance] = "only \(Self.mostKept) state objects are read, and its is not one of them"
        }
        for (instance, blob) in states where blob.size > StateObjects.largest && instance != own {
            unreadable[instance] = StateObjects.tooLarge
        }
        box.state.withLock { state in
            state.unreadable = unreadable
            guard state.listed != Array(names) else { return }
            state.listed = Array(names)
            let instances = Set(names.map(\.instance))
            state.known = state.known.filter { instances.contains($0.key) }
            state.senseless = state.senseless.filter { instances.contains($0.key) }
        }
    }

    /// The known states without a long wait, by instance.
    func value() async -> [String: InstanceState] { await onDemand.value() ?? [:] }

    /// The known states at once, by instance, and why the state objects of others say nothing.
    var latest: (known: [String: InstanceState], senseless: [String: String]) {
        box.state.withLock { ($0.known, $0.senseless.merging($0.unreadable) { _, reason in reason }) }
    }

    /// The instances with a state object in the last listing, readable or not.
    var objects: Set<String> { box.state.withLock { Set($0.listed.map(\.instance)).union($0.unreadable.keys) } }

    /// Reads the states of these instances again, unless that was done a moment ago.
    func refresh(_ instances: Set<String>) async {
        box.state.withLock { $0.wanted.formUnion(instances) }
        _ = await onRefresh.value()
    }

    /// The state objects whose turn it is.
    private static func nextNames(_ box: Box) -> [StateObjectName] {
        box.state.withLock { state in
            guard !state.listed.isEmpty else { return [] }
            let first = state.next % state.listed.count
            state.next = first + min(most, state.listed.count)
            let turned = state.listed[first...] + state.listed[..<first]
            return Array(turned.prefix(most))
        }
    }

    private static func wantedNames(_ box: Box) -> [StateObjectName] {
        box.state.withLock { state in
            let names = state.listed.filter { state.wanted.contains($0.instance) }.prefix(most)
            state.wanted.subtract(names.map(\.instance))
            // Those that are not listed can't be read.
            if names.count < most { state.wanted = [] }
            return Array(names)
        }
    }

    private static func read(
        _ names: [StateObjectName], _ database: String, _ areAuthentic: Bool, _ box: Box, _ logger: Logger
    ) async -> [String: InstanceState]? {
        guard let store = box.state.withLock(\.store) else { return nil }
        let objects = StateObjects(store, database: database)
        for name in names {
            do {
                var contents = try await objects.read(name)
                if areAuthentic, case .state(var state) = contents {
                    state.isAuthentic = true
                    contents = .state(state)
                }
                let isNews = box.state.withLock { $0.note(contents, of: name.instance) }
                if isNews {
                    logger.debug("a state object is missing or invalid, ignored", metadata: ["name": "\(name)"])
                }
            } catch {
                // A storage failure is reported by the listings; the known states stay.
                logger.debug("cannot read a state object", metadata: ["name": "\(name)", "error": "\(error)"])
                break
            }
        }
        return box.state.withLock(\.known)
    }
}
