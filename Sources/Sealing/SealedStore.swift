import BlobStorage
import Snapshots
import Support

/// A storage whose objects are sealed: who has the storage, and not the identity, learns names, sizes and times.
///
/// The objects have their usual names here, and `.age` behind them in the storage. Without identities nothing is sealed, and what is
/// sealed is listed and can be removed, but not read. docs/sealing.md has the format and the rules.
package final class SealedStore: BlobStore {
    /// The storage with the names of its objects.
    package let base: any BlobStore
    private let keyring: Keyring?
    private let names: SealedNames
    private let pool: BlockingPool

    /// - Parameters:
    ///   - keyring: nil if nothing is sealed.
    ///   - other: a store of the same objects by another way: what one learns of their names both know.
    package init(_ base: any BlobStore, _ keyring: Keyring?, beside other: SealedStore? = nil) {
        (self.base, self.keyring) = (base, keyring)
        names = other?.names ?? SealedNames()
        pool = other?.pool ?? BlockingPool(label: "sealing", width: 8)
    }

    // MARK: Names

    /// See ``BlobStore/list(prefix:)``. The sizes are those in the storage.
    package func list(prefix: String) async throws -> [Blob] {
        let blobs = try await base.list(prefix: prefix)
        return names.listed(blobs, prefix: prefix) { forms in prefersSealed(forms) ? forms.sealed : forms.plain }
    }

    /// Of two forms the later one counts where both may be read, and otherwise that which may be.
    private func prefersSealed(_ forms: SealedNames.Forms) -> Bool {
        guard let sealed = forms.sealed else { return false }
        guard let plain = forms.plain else { return true }
        guard let keyring else { return false }
        guard keyring.acceptsUnsealed else { return true }
        return (sealed.modified ?? .max) >= (plain.modified ?? 0)
    }

    // MARK: Reading

    /// See ``BlobStore/load(_:atMost:)``.
    package func load(_ name: String, atMost limit: Int) async throws -> Spool {
        try await loadVersion(name, atMost: limit).body
    }

    /// See ``BlobStore/loadVersion(_:atMost:)``.
    ///
    /// - Throws: `BlobStoreError` of the kind `refused` for an object that can't be opened, is not sealed but must be, or was not made by
    ///   somebody with the identity that it is sealed with.
    package func loadVersion(_ name: String, atMost limit: Int) async throws -> (body: Spool, version: String?) {
        let forms = names.forms(of: name)
        let isSealed = forms.map(prefersSealed) ?? (keyring != nil)
        do {
            return try await loadVersion(name, isSealed: isSealed, atMost: limit)
        } catch let error as BlobStoreError where error.kind == .notFound {
            // Somebody has told of it, or has replaced the other form since the last listing.
            do {
                return try await loadVersion(name, isSealed: !isSealed, atMost: limit)
            } catch let other as BlobStoreError where other.kind == .notFound {
                throw error
            }
        }
    }

    private func loadVersion(
        _ name: String, isSealed: Bool, atMost limit: Int
    ) async throws -> (body: Spool, version: String?) {
        let (body, version) = try await base.loadVersion(SealedNames.stored(name, isSealed: isSealed), atMost: limit)
        guard isSealed else {
            if let keyring, !keyring.acceptsUnsealed { throw refusal(name, .unsealed, isSealed: false) }
            names.read(name, key: nil)
            return (body, version)
        }
        guard let keyring else { throw refusal(name, .noIdentity) }
        let (plain, identity) = try await pool.run { signal in
            do {
                let opened = try AgeFile.open(body, keyring.identities, signal: signal)
                if let name = SnapshotName(name), name.isDelta || name.isFullSnapshot {
                    try Self.check(opened.plain, name, opened.identity)
                }
                guard StateProof.isNeeded(name) else { return opened }
                guard let state = try StateProof.removed(from: opened.plain, name, opened.identity) else {
                    throw SealingProblem.noProof
                }
                return (state, opened.identity)
            } catch let error as AgeError {
                // The object may be good.
                if case .unavailable = error { throw BlobStoreError(.other, "cannot open \(name.oneLine()): \(error)") }
                throw self.refusal(name, .age(error))
            } catch let problem as SealingProblem {
                throw self.refusal(name, problem)
            }
        }
        names.read(name, key: identity.keyID)
        return (plain, version)
    }

    private static func check(_ plain: Spool, _ name: SnapshotName, _ identity: AgeIdentity) throws {
        let meta = try Self.meta(of: plain)
        if let problem = SenderProof.problem(meta, as: name) { throw SealingProblem.renamed(problem) }
        guard try SenderProof.isValid(meta, identity) else { throw SealingProblem.noProof }
    }

    private static func meta(of body: Spool) throws -> SnapshotMeta {
        switch Result(catching: { try SnapshotMeta.read(body) }) {
        case .success(let meta): return meta
        case .failure(let error): throw SealingProblem.unreadable("\(error)")
        }
    }

    private func refusal(_ name: String, _ problem: SealingProblem, isSealed: Bool = true) -> BlobStoreError {
        let stored = SealedNames.stored(name, isSealed: isSealed)
        return BlobStoreError(.refused, "cannot use \(stored.oneLine()): \(problem)")
    }

    // MARK: Writing

    /// See ``BlobStore/store(_:_:)``. A snapshot gets the proof of its sender, as does a state.
    ///
    /// - Throws: `BlobStoreError` of the kind `refused` for a snapshot that may not have this name.
    @discardableResult
    package func store(_ name: String, _ body: Spool) async throws -> String? {
        let body = try await sealed(name, body)
        let version = try await base.store(SealedNames.stored(name, isSealed: keyring != nil), body)
        names.changed(name, isSealed: keyring != nil, isThere: true)
        names.read(name, key: keyring?.first.keyID)
        // The other form is older.
        let forms = names.forms(of: name)
        if keyring != nil ? forms?.plain != nil : forms?.sealed != nil {
            do {
                try await base.delete(SealedNames.stored(name, isSealed: keyring == nil))
                names.changed(name, isSealed: keyring == nil, isThere: false)
            } catch let error as BlobStoreError where error.kind == .accessDenied {
                // Who may not delete leaves that to the cleaner: the new form is stored.
            }
        }
        return version
    }

    private func sealed(_ name: String, _ body: Spool) async throws -> Spool {
        guard let identity = keyring?.first else { return body }
        let staging = base.stagingDirectory
        return try await pool.run { signal in
            do {
                let head =
                    StateProof.isNeeded(name)
                    ? try StateProof.head(of: body, name, identity)
                    : try Self.head(of: body, SnapshotName(name), identity)
                return try identity.seal(body, behind: head, stagingDirectory: staging, signal: signal)
            } catch let error as AgeError {
                throw BlobStoreError(.other, "cannot seal \(name.oneLine()): \(error)")
            } catch let problem as SealingProblem {
                throw self.refusal(name, problem)
            }
        }
    }

    /// What comes before a snapshot when it is sealed; nothing if it has the proof, or is none.
    private static func head(of body: Spool, _ name: SnapshotName?, _ identity: AgeIdentity) throws -> Spool {
        guard let name, name.isDelta || name.isFullSnapshot else { return Spool([]) }
        let meta = try Self.meta(of: body)
        if let problem = SenderProof.problem(meta, as: name) { throw SealingProblem.renamed(problem) }
        if try SenderProof.isValid(meta, identity) { return Spool([]) }
        return try SnapshotMeta.member(proof: try SenderProof.bytes(meta, identity))
    }

    /// See ``BlobStore/delete(_:)``. All forms of it are removed.
    package func delete(_ name: String) async throws {
        let forms = names.forms(of: name)
        for isSealed in [true, false] where forms.map({ isSealed ? $0.sealed != nil : $0.plain != nil }) ?? true {
            try await base.delete(SealedNames.stored(name, isSealed: isSealed))
            names.changed(name, isSealed: isSealed, isThere: false)
        }
    }

    // MARK: Seals

    /// How an object is sealed, as far as that is known from listings and from what was read.
    package enum Seal: Sendable, Equatable {
        /// It is not.
        case none
        /// With an identity that is not known yet: only reading the object shows it.
        case unknownKey
        /// With the identity of this key ID.
        case key(String)
    }

    /// How an object is sealed; nil if it was neither listed, read nor stored.
    package func seal(of name: String) -> Seal? {
        if let key = names.key(of: name) { return key.map { .key($0) } ?? Seal.none }
        return names.forms(of: name).map { prefersSealed($0) ? .unknownKey : .none }
    }

    /// Whether an object that was read should be stored again: it is not sealed, or not with the first identity. Always false if nothing
    /// is sealed.
    package func isOutdated(_ name: String) -> Bool {
        guard let keyring, let key = names.key(of: name) else { return false }
        return key != keyring.first.keyID
    }

    // MARK: The storage itself

    /// See ``BlobStore/removeLeftovers(olderThan:)``.
    package func removeLeftovers(olderThan age: Duration) async throws -> Int {
        try await base.removeLeftovers(olderThan: age)
    }

    /// See ``BlobStore/announcesChanges()``.
    package func announcesChanges() async throws -> Bool? { try await base.announcesChanges() }

    /// See ``BlobStore/changes(prefix:)``. The names in hints have no suffix.
    package func changes(prefix: String) -> AsyncStream<StorageChange>? { base.changes(prefix: prefix) }

    /// The storage's if nothing is sealed: what is not sealed yet must not be there.
    package var stagingDirectory: String? { keyring == nil ? base.stagingDirectory : nil }

    /// See ``BlobStore/credentials``.
    package var credentials: CredentialState? { base.credentials }

    /// See ``BlobStore/clockOffset``.
    package var clockOffset: Duration? { base.clockOffset }
}

/// Why an object must not be used.
enum SealingProblem: Error, CustomStringConvertible {
    case unsealed
    case noIdentity
    case age(AgeError)
    case unreadable(String)
    case renamed(String)
    case noProof

    var description: String {
        switch self {
        case .unsealed:
            "it is not sealed: its sender needs storage.sealing, or this one accept_unsealed while a cluster is converted"
        case .noIdentity: "it is sealed: storage.sealing.identity_files must name the identity"
        case .age(.otherIdentity):
            "it is sealed with an identity that storage.sealing.identity_files does not name, or damaged"
        case .age(let error): "\(error)"
        case .unreadable(let text): text
        case .renamed(let problem): "\(problem): a sealed object cannot be renamed"
        case .noProof: "who has sealed it did not have the identity: it is forged"
        }
    }
}
