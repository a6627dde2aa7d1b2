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
    /// How many snapshots and deltas are sealed, where there is no identity.
    var closed = 0
    /// By instance and database, why the newest full snapshot of another instance cannot be opened.
    var unopened: [String: String] = [:]
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
        guard let first = facts.keyIDs.first else {
            guard facts.closed > 0 else { return }
            return findings.warn(
                "identity",
                "\(facts.closed) object\(facts.closed == 1 ? " is" : "s are") sealed, and this host has no identity: "
                    + "it cannot read what others store, and stores its own unsealed",
                cure: "set storage.sealing.identity_files as on the other hosts")
        }
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
                cure: "set storage.sealing on their hosts. What is left of the time before: "
                    + "`snapshots prune` removes it, or set accept_unsealed while `snapshots reseal` runs")
        }
        for (place, error) in facts.unopened.sorted(by: { $0.key < $1.key }) {
            findings.fail(
                "open \(place)", error,
                cure: "name the identity with which it was sealed in storage.sealing.identity_files, too")
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
        _ keyring: Keyring?, _ storage: OpenStorage, _ blobs: [String: [Blob]], instance: String, now: UInt64
    ) async throws -> SealingFacts {
        var facts = SealingFacts(
            keyIDs: keyring?.identities.map(\.keyID) ?? [], acceptsUnsealed: keyring?.acceptsUnsealed ?? false)
        for (database, blobs) in blobs {
            let catalog = Catalog(blobs, database: database, now: now)
            for name in catalog.names + catalog.deltas.map(\.name) {
                if storage.seals.seal(of: name.description) != SealedStore.Seal.none {
                    if keyring == nil { facts.closed += 1 }
                } else {
                    facts.unsealed[name.instance, default: 0] += 1
                }
            }
            guard keyring != nil else { continue }
            for (other, newest) in catalog.newest.sorted(by: { $0.key < $1.key })
            where other != instance && newest.size <= StorageProbe.largestSnapshot
                && storage.seals.seal(of: newest.name.description) != SealedStore.Seal.none
            {
                do {
                    _ = try await storage.unmarked.load(newest.name.description, atMost: newest.size)
                } catch let error as BlobStoreError where error.kind == .refused {
                    facts.unopened["\(database) of \(other)"] = error.description
                } catch is BlobStoreError {
                    // Gone, or not readable at all, which the checks of the storage say.
                }
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
