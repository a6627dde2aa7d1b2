import BlobStorage
import LMDB
import Observability
import PowerDNSDatabase
import PowerDNSFormat
import PowerDNSTestSupport
import Snapshots
import TestSupport
import Testing

@testable import PowerDNSSync
@testable import Replication

/// What merges have changed is checked: zones that were each valid can merge into one that is not.
@Suite struct ChangedZoneTests {
    /// A PowerDNS with its two LMDBs and what checks them.
    private struct Node {
        let name: String
        let writer: PowerDNSWriter
        let log = LogLines()
        let checker: ChangedZoneChecker
        let inspector: PowerDNSInspector
        let registry = MetricRegistry()

        init(_ name: String, groups: Set<ValidationRule.Group> = [.structure, .relations, .zones]) throws {
            self.name = name
            writer = try PowerDNSWriter()
            var settings = ChangedZoneChecker.Settings()
            settings.groups = groups
            settings.settle = .zero
            let (main, shard) = (writer.main, writer.shard)
            checker = ChangedZoneChecker(
                settings, databases: { .init(main: main, shard: shard, name: "main") }, registry: registry,
                logger: log.logger)
            var inspection = InspectorSettings()
            (inspection.main, inspection.shard) = ("main", "shard")
            let databases = PowerDNSDatabases(inspection)
            databases.observe(.opened(main), of: "main")
            databases.observe(.opened(shard), of: "shard")
            inspector = PowerDNSInspector(
                inspection, databases: databases, registry: registry, logger: log.logger, consumers: [checker])
        }

        func syncer(_ store: any BlobStore) -> DatabaseSyncer {
            DatabaseSyncer(
                settings: SyncSettings(
                    identity: SenderIdentity(database: "shard", instance: name, hostname: "test"),
                    environment: writer.shard.options,
                    machine: .init(
                        instance: name, receiveOnly: false, onlyOnce: false, storagePollInterval: .milliseconds(20),
                        receiver: .init(concurrentDownloads: 2, retryInterval: .milliseconds(20)),
                        sender: .init(
                            minimumInterval: .milliseconds(20), forceInterval: .zero,
                            retryInterval: .milliseconds(20), retryLimit: nil),
                        sweeper: nil),
                    lmdbPollInterval: .milliseconds(20), cleaner: nil, schema: .native),
                store: store, logger: log.logger, environment: writer.shard, inspector: inspector)
        }

        func isLive(_ owner: String, _ type: RecordType) throws -> Bool {
            try DatabaseView.read(main: nil, shard: writer.shard) { view in
                try view[.records].find(PowerDNSWriter.key(owner, type, of: 7)) != nil
            }
        }

        func check(after instance: String, _ zones: MergedZones.Set? = nil) async throws {
            let zones = try zones ?? .named(7, "z.test")
            let snapshot = SnapshotName(database: "shard", instance: instance, timestamp: 1)
            await checker.zonesChanged(
                MergedZones(database: "shard", role: .shard, snapshot: snapshot, zones: zones))
            await checker.checkPending()
        }
    }

    /// The name does not lead to the zone any more, so it is looked at by its number.
    @Test func aZoneThatItsNameDoesNotLeadToIsTold() async throws {
        let node = try Node("a")
        try node.writer.addSoundZone("z.test", id: 7)
        let entry = IndexKey(zone: try ZoneName("z.test"), id: 7).bytes
        try node.writer.delete(.domainsIndex, entry)
        try await node.check(after: "b")
        #expect(node.checker.count(.error) == 1)
        #expect(node.log.contains("has no entry in domains_v5_0"))
        await node.checker.checkAgain()
        #expect(node.checker.count(.error) == 1)
        try node.writer.put(.domainsIndex, entry, [])
        await node.checker.checkAgain()
        #expect(node.checker.count(.error) == 0)
    }

    @Test func twoValidZonesMergeIntoAnInvalidOne() async throws {
        let (a, b) = (try Node("a"), try Node("b"))
        for node in [a, b] { try node.writer.addSoundZone("z.test", id: 7) }
        for node in [a, b] { node.writer.timestamp += 1 }
        try a.writer.put("www", .cname, of: 7, [.name("ns1.z.test")])
        try b.writer.put("www", .a, of: 7, [.address])
        for node in [a, b] { #expect(try node.writer.findings() == []) }

        let store = MemoryStore()
        try await withSyncing([a, b], store) {
            try await eventually { b.log.contains("cname-with-other-data") && a.log.contains("cname-with-other-data") }
            let line = "the name also has A"
            #expect(b.log.count(line) == 1)
            #expect(b.log.contains("\"snapshot_instance\": a") && b.log.contains("\"owner\": www.z.test."))
            #expect(b.log.contains("\"db\": main"))
            #expect(a.log.contains("\"snapshot_instance\": b"))
            #expect(b.checker.count(.error) == 1 && b.checker.count(.warning) == 0)
            let metrics = String(decoding: b.registry.text(), as: UTF8.self)
            #expect(metrics.contains("lightningstream_powerdns_zone_findings{severity=\"error\"} 1\n"))
            // Not again while it stays.
            try await b.check(after: "a")
            await b.checker.checkAgain()
            #expect(b.log.count(line) == 1)

            a.writer.timestamp += 1
            try a.writer.delete(.records, PowerDNSWriter.key("www", .cname, of: 7))
            try await eventually { b.log.contains("resolved: z.test.: www.z.test. CNAME: \(line)") }
            #expect(b.checker.count(.error) == 0)
            #expect(try b.isLive("www", .a) && !b.isLive("www", .cname))
        }
    }

    /// Syncs the shards of nodes, and checks what changes, while `body` runs.
    private func withSyncing(
        _ nodes: [Node], _ store: any BlobStore, _ body: () async throws -> Void
    ) async throws {
        let syncers = nodes.map { $0.syncer(store) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (node, syncer) in zip(nodes, syncers) {
                let (checker, inspector) = (node.checker, node.inspector)
                group.addTask {
                    let checking = Task { await checker.run() }
                    defer { checking.cancel() }
                    try await inspector.run { try await syncer.run() }
                }
            }
            // Whatever happens, nobody may be left running.
            defer { for syncer in syncers { syncer.shutDown() } }
            try await body()
            for syncer in syncers { syncer.shutDown() }
            try await group.waitForAll()
        }
    }

    @Test func whatIsPutRightHereIsSeenWithoutAMerge() async throws {
        let node = try Node("a")
        try node.writer.addSoundZone("z.test", id: 7)
        try node.writer.put("", .soa, of: 7, [.soa, .soa])
        try await node.check(after: "b")
        #expect(node.log.count("several-soas") == 1)
        try node.writer.put("", .soa, of: 7, [.soa])
        await node.checker.checkAgain()
        // Two: the same SOA record twice is a duplicate as well.
        #expect(node.log.count("resolved: z.test.: ") == 2)
    }

    @Test func onlyTheGroupsThatCountAreTold() async throws {
        let node = try Node("a", groups: [.relations])
        try node.writer.addSoundZone("z.test", id: 7)
        try node.writer.put("", .soa, of: 7, [.soa, .soa])
        try await node.check(after: "b")
        #expect(node.checker.count(.error) == 0)
        try node.writer.addSoundZone("z.test", id: 8)
        try await node.check(after: "b")
        #expect(node.log.count("duplicate-zone") == 1)
        #expect(node.log.count("several-soas") == 0)
    }

    @Test func whatIsPendingIsCheckedInTheEnd() async throws {
        let node = try Node("a")
        try node.writer.addSoundZone("z.test", id: 7)
        try node.writer.put("", .soa, of: 7, [.soa, .soa])
        let snapshot = SnapshotName(database: "shard", instance: "b", timestamp: 1)
        await node.checker.zonesChanged(
            MergedZones(database: "shard", role: .shard, snapshot: snapshot, zones: try .named(7, "z.test")))
        await node.checker.finish()
        #expect(node.log.count("several-soas") == 1)
    }

    @Test func recordsThatAZoneHasLeftBehindAreTold() async throws {
        let node = try Node("a")
        try node.writer.put("www", .a, of: 9, [.address])
        try await node.check(after: "b", .some([.init(id: 9, name: nil)]))
        #expect(node.log.count("records-without-zone") == 1)
    }

    @Test func whereAllMayHaveChangedAllAreChecked() async throws {
        let node = try Node("a")
        for id in 1...UInt32(3) { try node.writer.addSoundZone("z\(id).test", id: id) }
        try node.writer.put("", .soa, of: 3, [.soa, .soa])
        try node.writer.put("", .soa, of: 1, [.soa, .soa])
        try await node.check(after: "b", .all)
        #expect(node.log.count("several-soas") == 2)
    }

    @Test func aRunEndsWhenItIsCancelled() async throws {
        let node = try Node("a")
        try node.writer.addSoundZone("z.test", id: 7)
        try node.writer.put("", .soa, of: 7, [.soa, .soa])
        let checker = node.checker
        let run = Task { await checker.run() }
        let snapshot = SnapshotName(database: "shard", instance: "b", timestamp: 1)
        await node.checker.zonesChanged(
            MergedZones(database: "shard", role: .shard, snapshot: snapshot, zones: try .named(7, "z.test")))
        try await eventually { node.log.contains("several-soas") }
        run.cancel()
        await run.value
    }
}

extension MergedZones.Set {
    fileprivate static func named(_ id: UInt32, _ name: String) throws -> Self {
        .some([.init(id: id, name: try ZoneName(name))])
    }
}

/// Findings are told of when they come and when they go.
@Suite struct FindingLedgerTests {
    private let zone = CheckedZone.numbered(1)

    private func finding(_ number: Int, instance: String? = nil) -> ValidationFinding {
        ValidationFinding(.ttlMismatch, "\(number)", instance: instance)
    }

    @Test func onlyWhatIsNewOrGoneIsAChange() {
        var ledger = FindingLedger()
        #expect(ledger.update(zone, []) == .init())
        #expect(ledger.update(zone, [finding(1), finding(2), finding(1)]) == .init(new: [finding(1), finding(2)]))
        #expect(ledger.count(.error) == 2)
        #expect(ledger.update(.numbered(2), [finding(1)]) == .init(new: [finding(1)]))
        #expect(ledger.update(zone, [finding(2), finding(3)]) == .init(new: [finding(3)], gone: [finding(1)]))
        #expect(ledger.update(zone, []) == .init(gone: [finding(2), finding(3)]))
        #expect(ledger.zones == [.numbered(2)])
        #expect(ledger.count(.error) == 1)
    }

    @Test func aFindingThatStaysKeepsTheInstanceThatItCameFrom() {
        var ledger = FindingLedger()
        _ = ledger.update(zone, [finding(1, instance: "a")])
        #expect(ledger.update(zone, [finding(1, instance: "b")]) == .init())
        #expect(ledger.update(zone, []).gone.first?.instance == "a")
    }

    @Test func itDoesNotGrowBeyondItsBounds() {
        var ledger = FindingLedger()
        let many = (0..<1000).map { finding($0) }
        #expect(ledger.update(zone, many).new.count == FindingLedger.mostOfAZone)
        for number in 2...UInt32(FindingLedger.mostZones + 10) { _ = ledger.update(.numbered(number), [finding(1)]) }
        #expect(ledger.zones.count == FindingLedger.mostZones)
        #expect(ledger.update(zone, []).gone.count == FindingLedger.mostOfAZone)
    }
}
