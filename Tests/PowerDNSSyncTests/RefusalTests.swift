import BlobStorage
import LMDB
import PowerDNSDatabase
import PowerDNSFormat
import PowerDNSTestSupport
import Snapshots
import TestSupport
import Testing

@testable import PowerDNSSync

/// Where relations and zones are to refuse, what can be seen before a merge does.
@Suite(.timeLimit(.minutes(5))) struct RefusalTests {
    private func exchange(
        _ role: PowerDNSRole, _ settings: InspectorSettings, _ change: (SyncedSite) throws -> Void
    ) async throws -> (b: SyncedSite, isMerged: Bool) {
        let store = MemoryStore()
        let (a, b) = (
            try SyncedSite("a", store, fixture: "4.9"), try SyncedSite("b", store, fixture: "4.9", settings)
        )
        try await a.sync([role])
        try await b.sync([role])
        try await a.sync([role])
        try change(a)
        try await a.sync([role])
        try await b.sync([role])
        return (b, try a.contents(role) == b.contents(role))
    }

    private func settings(
        relations: InspectorSettings.Action = .warn, zones: InspectorSettings.Action = .warn
    ) -> InspectorSettings {
        var settings = InspectorSettings()
        (settings.relations, settings.zones) = (relations, zones)
        return settings
    }

    private static func rrset(
        _ owner: String, _ type: RecordType, _ records: [PowerDNSWriter.Record]
    ) throws -> [([UInt8], [UInt8]?)] {
        [(try PowerDNSWriter.key(owner, type, of: 0x46ae_c1ab), PowerDNSWriter.payload(records))]
    }

    @Test(arguments: [(InspectorSettings.Action.warn, true), (.off, true), (.reject, false)])
    func anRRsetThatBreaksARuleByItself(action: InspectorSettings.Action, isMerged: Bool) async throws {
        let (b, isSame) = try await exchange(.shard, settings(zones: action)) { a in
            try a.write(.records, Self.rrset("two", .cname, [.name("a.test"), .name("b.test")]))
        }
        #expect(isSame == isMerged)
        #expect(
            b.log.contains("rule several-cnames: zone #1185857963: two CNAME: the RRset violates this rule")
                == !isMerged)
    }

    @Test func whatIsWrongOnlyTogetherWithOthersIsMerged() async throws {
        let (b, isSame) = try await exchange(.shard, settings(zones: .reject)) { a in
            try a.write(.records, Self.rrset("www", .cname, [.name("a.test")]))
        }
        #expect(isSame)
        #expect(!b.log.contains("violates this rule"))
    }

    private static func index(_ zone: String, id: UInt32) throws -> [UInt8] {
        IndexKey(zone: try ZoneName(zone), id: id).bytes
    }

    @Test(arguments: [(InspectorSettings.Action.warn, true), (.reject, false)])
    func aSecondZoneOfOneName(action: InspectorSettings.Action, isMerged: Bool) async throws {
        let (b, isSame) = try await exchange(.main, settings(relations: action)) { a in
            try a.write(.domainsIndex, [(Self.index("example.org", id: 5), [])])
        }
        #expect(isSame == isMerged)
        #expect(
            b.log.contains(
                "zone example.org.: it would add a second zone of this name, with the ID 5 beside 1185857963")
                == !isMerged)
    }

    @Test func aZoneThatWasMadeAnewIsNoSecondOne() async throws {
        let (b, isSame) = try await exchange(.main, settings(relations: .reject)) { a in
            try a.write(
                .domainsIndex,
                [(Self.index("example.org", id: 5), []), (Self.index("example.org", id: 0x46ae_c1ab), nil)])
            try a.write(.domains, [([0x46, 0xae, 0xc1, 0xab], nil)])
        }
        #expect(isSame)
        #expect(!b.log.contains("second zone"))
    }

    @Test(arguments: [(InspectorSettings.Action.warn, true), (.reject, false)])
    func aZoneThatLosesItsIndexEntry(action: InspectorSettings.Action, isMerged: Bool) async throws {
        let (b, isSame) = try await exchange(.main, settings(relations: action)) { a in
            try a.write(.domainsIndex, [(Self.index("example.org", id: 0x46ae_c1ab), nil)])
        }
        #expect(isSame == isMerged)
        #expect(b.log.contains("rule object-without-index: zone example.org.: it would delete") == !isMerged)
        // Nothing to log as a change, but to be checked.
        #expect(b.consumer.names("main").contains("example.org.") == isMerged)
    }

    @Test func aZoneThatIsDeletedAsAWholeMayGo() async throws {
        let (b, isSame) = try await exchange(.main, settings(relations: .reject)) { a in
            try a.write(.domainsIndex, [(Self.index("example.org", id: 0x46ae_c1ab), nil)])
            try a.write(.domains, [([0x46, 0xae, 0xc1, 0xab], nil)])
        }
        #expect(isSame)
        #expect(!b.log.contains("refused"))
    }

    static let rrsets: [(String, RecordType, [PowerDNSWriter.Record], ValidationRule?)] = [
        ("", .soa, [.soa], nil), ("", .soa, [.soa, .soa.disabled], nil), ("", .soa, [.soa, .soa], .severalSOAs),
        ("www", .soa, [.soa], .soaNotAtApex), ("www", .soa, [.soa.disabled], nil), ("", .ds, [.ds], .dsAtApex),
        ("sub", .ds, [.ds], nil), ("d", .dname, [.text, .text], .severalDNAMEs), ("d", .dname, [.text], nil),
        ("www", .a, [.address, .address.with(ttl: 1)], .ttlMismatch), ("www", .a, [.address, .address], nil),
        ("www", .nsec3, [.address, .address.with(ttl: 1)], nil),
    ]

    @Test(arguments: rrsets) func whatAnRRsetBreaks(
        _ owner: String, _ type: RecordType, _ records: [PowerDNSWriter.Record], _ rule: ValidationRule?
    ) throws {
        let key = try PowerDNSWriter.key(owner, type, of: 7)
        let payload = PowerDNSWriter.payload(records)
        let broken = try key.withUnsafeBytes { key in
            try payload.withUnsafeBytes { IncomingRules.brokenRule(try RecordKey(key), $0) }
        }
        #expect(broken == rule)
    }
}
