import BlobStorage
import Snapshots
import Support
import TestSupport
import Testing

@testable import Sealing

/// A state is believed only if somebody with the identity has made it, for this instance.
@Suite(.timeLimit(.minutes(1))) struct StateProofTests {
    private let base = MemoryStore()
    private let identity: AgeIdentity
    private let store: SealedStore
    private let name = StateObjectName(database: "main", instance: "ns1").description
    private let state = Array(#"{"time":"2026-11-30T12:00:00.000Z"}"#.utf8)

    init() throws {
        identity = try AgeIdentity.generated()
        store = SealedStore(base, Keyring([identity]))
    }

    private func isForged(_ plain: [UInt8], _ name: String) async throws -> Bool {
        try await base.store(name + ".age", identity.seal(Spool(plain)))
        let error = await storageError { _ = try await store.load(name) }
        return error?.kind == .refused && error?.description.hasSuffix("it is forged") == true
    }

    @Test func aStateHasAProofInItsFirstLineThatReadersDoNotSee() async throws {
        try await store.store(name, Spool(state))
        #expect(try await bytes(store.load(name)) == state)
        let plain = try bytes(AgeFile.open(try await base.load(name + ".age"), [identity]).plain)
        let line = try #require(plain.split(separator: 10).first)
        let text = String(decoding: line, as: UTF8.self)
        #expect(text.hasPrefix(#"{"proof":""#) && text.hasSuffix(#""}"#) && line.count == 64 + 12)
        #expect(Array(plain[(line.count + 1)...]) == state)
    }

    @Test func whoKnowsOnlyTheRecipientCannotMakeOne() async throws {
        try await store.store(name, Spool(state))
        let good = try bytes(AgeFile.open(try await base.load(name + ".age"), [identity]).plain)
        #expect(try await !isForged(good, name))
        #expect(try await isForged(state, name))
        #expect(try await isForged([], name))
        // What is known of one state fits no other one, and no other instance.
        let later = String(decoding: good, as: UTF8.self).replacing("12:00", with: "13:00")
        #expect(try await isForged(Array(later.utf8), name))
        #expect(try await isForged(good, StateObjectName(database: "main", instance: "ns2").description))
        #expect(try await isForged(good, StateObjectName(database: "shard", instance: "ns1").description))
        let stranger = try AgeIdentity.generated()
        let other = try bytes(StateProof.head(of: Spool(state), name, stranger))
        #expect(try await isForged(other + state, name))
    }

    @Test func whatIsTooLargeIsNoState() async throws {
        let large = [UInt8](repeating: 0, count: (4 << 20) + 1)
        #expect(await storageError { try await store.store(name, Spool(large)) }?.kind == .refused)
        #expect(try await isForged(large + large, name))
    }

    /// A copy of a snapshot must not contain what makes another one with the same name acceptable.
    @Test func aSnapshotWithoutItsProofIsTheOneThatWasStored() async throws {
        let (name, plain) = (full("main", "ns1", 7), try snapshot(to: 7))
        try await store.store(name, plain)
        let opened = try await store.load(name)
        #expect(try !SnapshotMeta.read(opened).proof.isEmpty)
        let copy = try SealedStore.withoutProof(opened)
        #expect(try bytes(copy) == bytes(plain))
        #expect(try bytes(SealedStore.withoutProof(copy)) == bytes(plain))
        #expect(try bytes(SealedStore.withoutProof(Spool(state))) == state)
    }
}
