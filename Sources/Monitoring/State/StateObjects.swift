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

    /// The state of an instance; nil if it is missing or invalid.
    ///
    /// - Throws: `BlobStoreError` if the storage cannot be read.
    package func load(_ name: StateObjectName) async throws -> InstanceState? {
        do {
            let spool = try await store.load(name.description, atMost: Self.largest)
            var bytes = [UInt8](repeating: 0, count: spool.count)
            let count = try bytes.withUnsafeMutableBytes { try spool.read(at: 0, into: $0) }
            guard count == bytes.count else { return nil }
            let state = try? JSON.decode(InstanceState.self, from: bytes)
            // A copy under another instance's name is not a statement of that instance.
            return state.flatMap {
                $0.version == InstanceState.knownVersion && $0.instance == name.instance ? $0 : nil
            }
        } catch let error as BlobStoreError where error.kind == .notFound || error.code == BlobStoreError.tooLarge {
            return nil
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
}
