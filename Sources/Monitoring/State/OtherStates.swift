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
        /// Invalid state objects, so that each is logged once.
        var senseless: Set<String> = []
        var next = 0
    }

    private final class Box: Sendable {
        let state = Mutex(State())
    }

    private let box = Box()
    private let database: String
    private let own: String
    private let onDemand: OnDemand<[String: InstanceState]>

    init(database: String, own: String, logger: Logger, interval: Duration = .seconds(5)) {
        self.database = database
        self.own = SnapshotName.sanitize(instance: own)
        onDemand = OnDemand(interval: interval) { [box] in await Self.read(database, box, logger) }
    }

    /// Sets the storage.
    func attach(_ store: any BlobStore) { box.state.withLock { $0.store = store } }

    /// Updates the known objects from a listing.
    ///
    /// - Parameter states: the state objects in the listing, by instance.
    func listed(_ states: [String: Blob]) {
        let names = StateObjects.names(in: states, database: database).filter { $0.instance != own }
            .prefix(Self.mostKept)
        box.state.withLock { state in
            guard state.listed != Array(names) else { return }
            state.listed = Array(names)
            let instances = Set(names.map(\.instance))
            state.known = state.known.filter { instances.contains($0.key) }
            state.senseless.formIntersection(instances)
        }
    }

    /// The known states without a long wait, by instance.
    func value() async -> [String: InstanceState] { await onDemand.value() ?? [:] }

    /// The known states at once, by instance, and the instances with an invalid one.
    var latest: (known: [String: InstanceState], senseless: Set<String>) {
        box.state.withLock { ($0.known, $0.senseless) }
    }

    private static func read(_ database: String, _ box: Box, _ logger: Logger) async -> [String: InstanceState]? {
        let (store, names) = box.state.withLock { state in
            guard !state.listed.isEmpty else { return (state.store, [StateObjectName]()) }
            let first = state.next % state.listed.count
            state.next = first + min(most, state.listed.count)
            let turned = state.listed[first...] + state.listed[..<first]
            return (state.store, Array(turned.prefix(most)))
        }
        guard let store else { return nil }
        let objects = StateObjects(store, database: database)
        for name in names {
            do {
                let state = try await objects.load(name)
                let isNews = box.state.withLock { box in
                    box.known[name.instance] = state
                    if state == nil { return box.senseless.insert(name.instance).inserted }
                    box.senseless.remove(name.instance)
                    return false
                }
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
