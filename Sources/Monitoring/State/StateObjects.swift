import BlobStorage
import Snapshots
import Support

/// The state objects of a database in the storage.
package struct StateObjects: Sendable {
    /// Maximum size of a state object in bytes.
    package static let largest = 1 << 20

    private let store: any BlobStore
    private let database: String

    /// - Parameter store: the storage without its update marker, which state objects do not change.
    package init(_ store: any BlobStore, database: String) {
        self.store = store
        self.database = database
    }

    /// The names of readable state objects in a listing.
    package static func names(in states: [String: Blob], database: String) -> [StateObjectName] {
        states.filter { $0.value.size <= largest }.keys.sorted().map {
            StateObjectName(database: database, instance: $0)
        }
    }

    /// The contents of a state object.
    enum Contents: Sendable, Equatable {
        /// A valid state.
        case state(InstanceState)
        /// The object exists, but says nothing: a phrase with the reason.
        case senseless(String)
        /// There is no such object.
        case missing
    }

    /// The reason for not reading an object that is too large.
    static let tooLarge = "its state object is larger than \(largest >> 20) MiB"

    /// The state of an instance; nil if it is missing or invalid.
    ///
    /// - Throws: `BlobStoreError` if the storage cannot be read.
    package func load(_ name: StateObjectName) async throws -> InstanceState? {
        if case .state(let state) = try await read(name) { state } else { nil }
    }

    /// Reads a state object.
    ///
    /// - Throws: `BlobStoreError` if the storage cannot be read.
    func read(_ name: StateObjectName) async throws -> Contents {
        do {
            let spool = try await store.load(name.description, atMost: Self.largest)
            var bytes = [UInt8](repeating: 0, count: spool.count)
            let count = try bytes.withUnsafeMutableBytes { try spool.read(at: 0, into: $0) }
            guard count == bytes.count else { return .senseless("its state object cannot be read") }
            guard let state = try? JSON.decode(InstanceState.self, from: bytes) else {
                return .senseless("its state object is not valid")
            }
            guard state.version == InstanceState.knownVersion else {
                return .senseless("its state object has version \(state.version), which this program does not know")
            }
            // A copy under another instance's name is not a statement of that instance.
            guard state.instance == name.instance else {
                return .senseless("its state object is that of another instance")
            }
            return .state(state)
        } catch let error as BlobStoreError where error.kind == .notFound {
            return .missing
        } catch let error as BlobStoreError where error.code == BlobStoreError.tooLarge {
            return .senseless(Self.tooLarge)
        } catch let error as BlobStoreError where error.kind == .refused {
            return .senseless("\(error)")
        }
    }

    /// Replaces the state of an instance.
    ///
    /// - Throws: `BlobStoreError` if it cannot be stored.
    package func store(_ state: InstanceState) async throws {
        let name = StateObjectName(database: database, instance: state.instance)
        try await store.store(name.description, Spool(try state.bytes()))
    }

    /// The states of these instances, by instance, without invalid ones.
    ///
    /// - Throws: `BlobStoreError` if the storage cannot be read.
    package func load(_ names: [StateObjectName]) async throws -> [String: InstanceState] {
        var states: [String: InstanceState] = [:]
        for name in names {
            if let state = try await load(name) { states[name.instance] = state }
        }
        return states
    }

    /// Reads all state objects of a listing except one's own.
    ///
    /// - Parameter own: the instance that is left out.
    /// - Returns: the states by instance, and why the other objects say nothing, one phrase each.
    /// - Throws: `BlobStoreError` if the storage cannot be read.
    package func loadAll(
        in listed: [String: Blob], except own: String
    ) async throws -> (states: [String: InstanceState], senseless: [String: String]) {
        var states: [String: InstanceState] = [:]
        var senseless: [String: String] = [:]
        for (instance, blob) in listed where instance != own {
            guard blob.size <= Self.largest else {
                senseless[instance] = Self.tooLarge
                continue
            }
            switch try await read(StateObjectName(database: database, instance: instance)) {
            case .state(let state): states[instance] = state
            case .senseless(let reason): senseless[instance] = reason
            // Some servers have nothing while an object is overwritten. One that is gone is not in the next listing.
            case .missing: senseless[instance] = "its state object was not there when it was read"
            }
        }
        return (states, senseless)
    }
}
