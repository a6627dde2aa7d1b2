import BlobStorage
import Daemon
import Replication
import Sealing
import Snapshots

/// What is known of the sealing of a storage.
struct SealingFacts: Sendable, Equatable {
    /// The key IDs of the identities, the first one of which seals.
    var keyIDs: [String] = []
    /// Whether objects that are not sealed are read.
    var acceptsUnsealed = false
    /// By instance, how many snapshots and deltas are not sealed.
    var unsealed: [String: Int] = [:]
    /// By database, what has become of opening the own newest snapshot: its name with the key ID, or the error.
    var opened: [String: Opened] = [:]

    /// The result of opening an object.
    enum Opened: Sendable, Equatable {
        /// It is sealed with the identity of this key ID; nil if it is not sealed.
        case works(String, keyID: String?)
        case failed(String)
    }
}

/// Checks whether all objects are sealed, and can be opened.
enum SealingChecks {
    static func check(_ facts: SealingFacts, _ findings: inout Findings) {
        guard let first = facts.keyIDs.first else { return }
        let others = facts.keyIDs.dropFirst()
        findings.pass(
            "identity",
            "\(first) seals" + (others.isEmpty ? " and opens" : ", and opens with \(others.joined(separator: ", "))"))
        if facts.unsealed.isEmpty {
            if facts.acceptsUnsealed {
                findings.warn(
                    "unsealed", "everything is sealed, and objects that are not would be read",
                    cure: "set storage.sealing.accept_unsealed to false")
            } else {
                findings.pass("unsealed", "everything is sealed")
            }
        } else {
            let instances = facts.unsealed.sorted { $0.key < $1.key }
                .map { "\($0.key) (\($0.value) object\($0.value == 1 ? "" : "s"))" }
            let text = "not everything of these instances is sealed: \(instances.joined(separator: ", "))"
            findings.warn(
                "unsealed", facts.acceptsUnsealed ? text : "\(text), and it is not read",
                cure: "set storage.sealing on their hosts; `snapshots reseal` seals what those have left that are gone")
        }
        for (database, opened) in facts.opened.sorted(by: { $0.key < $1.key }) {
            switch opened {
            case .works(let name, let keyID?): findings.pass("open \(database)", "\(name) is sealed with \(keyID)")
            case .works(let name, nil):
                findings.warn(
                    "open \(database)", "\(name), the newest of this instance, is not sealed",
                    cure: "start the daemon: it stores a new one")
            case .failed(let error):
                findings.fail(
                    "open \(database)", error,
                    cure: "name the identity with which it was sealed in storage.sealing.identity_files, too")
            }
        }
    }

    /// Gathers the facts.
    ///
    /// - Parameters:
    ///   - blobs: the objects of each database, which were listed with this storage.
    ///   - instance: the own one, as in object names.
    ///   - now: by the storage's clock, in nanoseconds since the UNIX epoch.
    static func gather(
        _ keyring: Keyring, _ storage: OpenStorage, _ blobs: [String: [Blob]], instance: String, now: UInt64
    ) async throws -> SealingFacts {
        var facts = SealingFacts(
            keyIDs: keyring.identities.map(\.keyID), acceptsUnsealed: keyring.acceptsUnsealed)
        for (database, blobs) in blobs {
            let catalog = Catalog(blobs, database: database, now: now)
            for name in catalog.names + catalog.deltas.map(\.name)
            where storage.seals.seal(of: name.description) == SealedStore.Seal.none {
                facts.unsealed[name.instance, default: 0] += 1
            }
            guard let newest = catalog.newest[instance], newest.size <= StorageProbe.largestSnapshot else { continue }
            let name = newest.name.description
            do {
                _ = try await storage.unmarked.load(name, atMost: newest.size)
                let keyID: String? = if case .key(let id)? = storage.seals.seal(of: name) { id } else { nil }
                facts.opened[database] = .works(name, keyID: keyID)
            } catch let error as BlobStoreError where error.kind == .notFound {
                // A cleaner has removed it.
            } catch let error as BlobStoreError {
                facts.opened[database] = .failed(error.description)
            }
        }
        return facts
    }
}
