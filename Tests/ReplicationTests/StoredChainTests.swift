import BlobStorage
import Snapshots
import Support
import Testing

@testable import Replication

/// Which objects of a storage are the full state of an instance, and up to where that goes.
@Suite struct StoredChainTests {
    private let store = MemoryStore()

    private func name(_ time: UInt64, _ instance: String, delta: Bool) -> SnapshotName {
        SnapshotName(
            database: "main", instance: instance, timestamp: time,
            fileExtension: delta ? SnapshotName.deltaExtension : SnapshotName.fullExtension)
    }

    private func storeFull(_ times: UInt64..., of instance: String = "ns1") async throws {
        for time in times { try await store.store(name(time, instance, delta: false).description, Spool([1, 2, 3])) }
    }

    /// - Parameter named: the time in the name, if it is another one.
    private func storeDelta(
        _ from: UInt64, _ to: UInt64, of instance: String = "ns1", named: UInt64? = nil
    ) async throws {
        let meta = SnapshotMeta(instanceID: instance, timestamp: to, databaseName: "main", from: from)
        let writer = try SnapshotWriter(meta)
        try await store.store(name(named ?? from, instance, delta: true).description, writer.finish())
    }

    private var catalog: Catalog {
        get async throws { Catalog(try await store.list(prefix: "main__"), database: "main", now: 1000) }
    }

    private func chain(of instance: String = "ns1") async throws -> StoredChain? {
        try await StoredChain(of: instance, in: try await catalog, store)
    }

    // MARK: Chains

    @Test func beginsWithTheNewestFullSnapshotAndWhatContinuesIt() async throws {
        try await storeFull(10, 20)
        try await storeFull(35, of: "ns2")
        for (from, to) in [(10, 15), (15, 30), (30, 40)] as [(UInt64, UInt64)] { try await storeDelta(from, to) }
        let chain = try #require(try await chain())
        #expect(chain.full.name.timestamp == 20 && chain.full.size == 3)
        // One that began before the full snapshot goes on beyond it.
        #expect(chain.deltas.map(\.name.timestamp) == [15, 30])
        #expect(chain.deltas.map(\.end) == [30, 40])
        #expect(chain.position == 40)
        #expect(try chain.deltas.map { try SnapshotMeta.read($0.body).timestamp } == [30, 40])
    }

    @Test func deltasBeforeTheFullSnapshotAreNotPartOfIt() async throws {
        try await storeFull(20)
        try await storeDelta(5, 18)
        let chain = try #require(try await chain())
        #expect(chain.deltas.isEmpty && chain.position == 20)
    }

    @Test func endsBeforeAGap() async throws {
        try await storeFull(20)
        try await storeDelta(20, 30)
        try await storeDelta(31, 40)
        #expect(try await chain()?.position == 30)
    }

    @Test func aWidenedDeltaTakesThePlaceOfThoseWithinIt() async throws {
        try await storeFull(20)
        // Its owner has not yet removed the one that it contains.
        try await storeDelta(20, 50)
        try await storeDelta(30, 40)
        try await storeDelta(50, 60)
        let chain = try #require(try await chain())
        #expect(chain.deltas.map(\.name.timestamp) == [20, 50])
        #expect(chain.position == 60)
    }

    @Test func withoutAFullSnapshotThereIsNone() async throws {
        try await storeDelta(20, 30)
        #expect(try await chain() == nil)
        #expect(try await chain(of: "ns2") == nil)
    }

    @Test func aDeltaThatCannotBeReadIsNamed() async throws {
        try await storeFull(20)
        try await storeDelta(19, 30, named: 20)
        let misnamed = try #require(await #expect(throws: StoredDeltaError.self) { try await chain() })
        #expect(misnamed.description.hasPrefix("\(name(20, "ns1", delta: true)): rejected the delta: it begins at "))
        try await store.store(name(20, "ns1", delta: true).description, Spool([1, 2, 3]))
        let damaged = try #require(await #expect(throws: StoredDeltaError.self) { try await chain() })
        #expect(damaged.description.hasPrefix("\(name(20, "ns1", delta: true)): rejected the snapshot"))
    }

    // MARK: Positions

    @Test func positionsAreTheEndsOfTheLastObjects() async throws {
        try await storeFull(20)
        try await storeDelta(10, 25)
        try await storeDelta(25, 40)
        try await storeFull(20, of: "ns2")
        try await storeDelta(15, 18, of: "ns2")
        try await storeDelta(5, 9, of: "ns3")
        try await storeFull(7, of: "ns4")
        try await store.store(name(7, "ns4", delta: true).description, Spool([1]))
        let positions = try await catalog.positions(store)
        #expect(positions.mapValues(\.name.timestamp) == ["ns1": 40, "ns2": 20, "ns3": 9, "ns4": 7])
        #expect(positions.values.allSatisfy { $0.name.isFullSnapshot })
        #expect(positions["ns2"]?.size == 3)
        #expect(try await catalog.positions(of: ["ns2"], store).keys.sorted() == ["ns2"])
    }

    @Test func whatIsInTheFarFutureIsNoPosition() async throws {
        try await storeFull(20)
        try await storeDelta(20, .max)
        #expect(try await catalog.positions(store)["ns1"]?.name.timestamp == 20)
    }

    @Test func theEndsOfManyDeltasAreReadSideBySide() async throws {
        for from in 1...30 as ClosedRange<UInt64> { try await storeDelta(from, from + 1) }
        let names = try await catalog.deltas(of: "ns1").map(\.name)
        let missing = name(99, "ns1", delta: true)
        let ends = try await StoredDelta.ends(of: names + [missing], store)
        #expect(ends.count == 31)
        for name in names { #expect(try ends[name]?.get() == name.timestamp + 1) }
        #expect(throws: BlobStoreError.self) { try ends[missing]?.get() }
    }
}
