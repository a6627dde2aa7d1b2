import BlobStorage
import Snapshots
import Support
import TestSupport
import Testing

@testable import Sealing

/// Somebody can write to the storage, and at most knows the recipient: nothing of that is read.
@Suite(.timeLimit(.minutes(1))) struct ForgedObjectTests {
    private let base = MemoryStore()
    private let identity: AgeIdentity
    private let store: SealedStore

    init() throws {
        identity = try AgeIdentity.generated()
        store = SealedStore(base, Keyring([identity]))
    }

    /// The error with which an object is refused; nil if it is read, or fails in another way.
    private func refusal(_ name: String, acceptsUnsealed: Bool = false) async -> String? {
        let reader = SealedStore(base, Keyring([identity], acceptsUnsealed: acceptsUnsealed))
        let error = await storageError { _ = try await reader.load(name) }
        guard error?.kind == .refused else { return nil }
        let text = error?.description ?? ""
        for secret in [identity.text, identity.recipientText] {
            #expect(!text.lowercased().contains(secret.lowercased()))
        }
        #expect(!text.contains("\n"))
        return text
    }

    @Test func anUnsealedObjectIsRefusedUnlessThoseAreAccepted() async throws {
        let name = full("main", "ns1", 7)
        try await base.store(name, snapshot(to: 7))
        let text = await refusal(name)
        #expect(text?.hasPrefix("cannot use \(name): it is not sealed: its sender needs storage.sealing") == true)
        #expect(await refusal(name, acceptsUnsealed: true) == nil)
    }

    @Test func anUnsealedObjectUnderTheNameOfASealedOneIsRefused() async throws {
        let name = full("main", "ns1", 7)
        try await base.store(name + ".age", snapshot(to: 7))
        #expect(await refusal(name)?.hasPrefix("cannot use \(name).age: it is no age file") == true)
        #expect(await refusal(name, acceptsUnsealed: true) != nil)
    }

    @Test(arguments: [0, 1, 2])
    func whoKnowsOnlyTheRecipientCannotMakeOne(_ kind: Int) async throws {
        let name = full("main", "ns1", 7)
        let forger = try AgeIdentity.generated()
        let plain = try snapshot(to: 7, value: "forged")
        let (meta, bytes) = (try SnapshotMeta.read(plain), try bytes(plain))
        // No proof, one of another identity, and one of the wrong size.
        let proof = [[], try SenderProof.bytes(meta, forger), [1, 2, 3]][kind]
        let head = proof.isEmpty ? Spool([]) : try SnapshotMeta.member(proof: proof)
        try await base.store(name + ".age", identity.seal(Spool(bytes), behind: head))
        #expect(await refusal(name)?.hasSuffix("who has sealed it did not have the identity: it is forged") == true)
    }

    /// The proof of one snapshot does not fit another one.
    @Test func aProofIsOfOneSnapshotOnly() async throws {
        let old = try snapshot(to: 7)
        let proof = try SenderProof.bytes(SnapshotMeta.read(old), identity)
        for (name, plain) in [
            (full("main", "ns1", 8), try snapshot(to: 8)), (full("main", "ns2", 7), try snapshot("main", "ns2", to: 7)),
            (full("shard", "ns1", 7), try snapshot("shard", to: 7)),
            (delta("main", "ns1", 6), try snapshot(from: 6, to: 7)),
        ] {
            let head = try SnapshotMeta.member(proof: proof)
            try await base.store(name + ".age", identity.seal(plain, behind: head))
            #expect(await refusal(name)?.contains("forged") == true)
        }
        try await base.store(
            full("main", "ns1", 7) + ".age", identity.seal(old, behind: SnapshotMeta.member(proof: proof)))
        #expect(await refusal(full("main", "ns1", 7)) == nil)
    }

    /// The first proof counts, so that nobody can put another one in front of it or behind it.
    @Test func aSecondProofChangesNothing() async throws {
        let name = full("main", "ns1", 7)
        let plain = try snapshot(to: 7)
        let right = try SnapshotMeta.member(proof: SenderProof.bytes(SnapshotMeta.read(plain), identity))
        let wrong = try SnapshotMeta.member(proof: [UInt8](repeating: 7, count: 32))
        let body = Spool(try bytes(right) + bytes(wrong) + bytes(plain))
        try await base.store(name + ".age", identity.seal(body))
        #expect(await refusal(name) == nil)
        let other = Spool(try bytes(wrong) + bytes(right) + bytes(plain))
        try await base.store(name + ".age", identity.seal(other))
        #expect(await refusal(name) != nil)
    }

    @Test func renamedSwappedAndReplayed() async throws {
        for (database, instance) in [("main", "ns1"), ("main", "ns2"), ("shard", "ns1")] {
            try await store.store(full(database, instance, 7), snapshot(database, instance, to: 7))
            try await store.store(delta(database, instance, 7), snapshot(database, instance, from: 7, to: 9))
        }
        let copies = [
            // Under a later time: a replay.
            (full("main", "ns1", 7), full("main", "ns1", 8), "it is of 19700101-000000-000000007"),
            // Of another instance, and of another database.
            (full("main", "ns1", 7), full("main", "ns2", 7), "it is of the instance \"ns1\", not of ns2"),
            (full("main", "ns1", 7), full("shard", "ns1", 7), "it is of the database \"main\", not of shard"),
            (delta("main", "ns1", 7), delta("main", "ns2", 7), "it is of the instance"),
            (delta("main", "ns1", 7), delta("shard", "ns1", 7), "it is of the database"),
            (delta("main", "ns1", 7), delta("main", "ns1", 8), "it begins at"),
            // One kind as the other.
            (delta("main", "ns1", 7), full("main", "ns1", 9), "it is a delta"),
            (full("main", "ns1", 7), delta("main", "ns1", 7), "it does not say where it begins"),
        ]
        for (source, target, reason) in copies {
            let saved = try? await base.load(target + ".age")
            try await base.store(target + ".age", try await base.load(source + ".age"))
            let text = await refusal(target)
            #expect(text?.contains(reason) == true && text?.hasSuffix("cannot be renamed") == true, "\(text ?? "-")")
            try await base.delete(target + ".age")
            if let saved { try await base.store(target + ".age", saved) }
            #expect(await refusal(source) == nil)
        }
    }

    @Test func whoSealsChecksTheNameToo() async throws {
        let error = await storageError {
            try await store.store(full("main", "ns2", 7), snapshot("main", "ns1", to: 7))
        }
        #expect(error?.kind == .refused && error?.description.contains("cannot be renamed") == true)
        let other = await storageError { try await store.store(full("main", "ns2", 7), Spool([1, 2, 3])) }
        #expect(other?.kind == .refused)
        #expect(try await base.list(prefix: "") == [])
    }

    @Test func flippedBitsAndMissingBytes() async throws {
        let name = full("main", "ns1", 7)
        var random = SeededGenerator(seed: 5)
        try await store.store(name, snapshot(to: 7, value: String(decoding: random.bytes(40_000), as: UTF8.self)))
        let good = try bytes(try await base.load(name + ".age"))
        #expect(await refusal(name) == nil)
        for _ in 0..<200 {
            var bad = good
            bad[Int.random(in: 0..<bad.count, using: &random)] ^= UInt8(1 << Int.random(in: 0..<8, using: &random))
            try await base.store(name + ".age", Spool(bad))
            #expect(await refusal(name) != nil)
        }
        for count in [0, 1, 100, good.count / 2, good.count - 1] {
            try await base.store(name + ".age", Spool(Array(good[..<count])))
            #expect(await refusal(name) != nil)
        }
        try await base.store(name + ".age", Spool(good + [0]))
        #expect(await refusal(name) != nil)
    }

    /// What it seals with another identity is nobody's.
    @Test func anotherIdentity() async throws {
        let name = full("main", "ns1", 7)
        let stranger = try AgeIdentity.generated()
        try await SealedStore(base, Keyring([stranger])).store(name, snapshot(to: 7))
        #expect(await refusal(name)?.hasSuffix("that storage.sealing.identity_files does not name, or damaged") == true)
        // The proof is that of the identity with which it is sealed, not of any of ours.
        let plain = try snapshot(to: 7)
        let proof = try SnapshotMeta.member(proof: SenderProof.bytes(SnapshotMeta.read(plain), stranger))
        try await base.store(name + ".age", identity.seal(plain, behind: proof))
        let reader = SealedStore(base, Keyring([stranger, identity]))
        #expect(await storageError { _ = try await reader.load(name) }?.kind == .refused)
    }
}
