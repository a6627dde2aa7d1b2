import Testing

@testable import PowerDNSFormat

@Suite("Databases of real PowerDNS servers")
struct FixtureTests {
    @Test("every live entry decodes, every deleted one has a good key", arguments: Fixture.all)
    func everything(fixture: Fixture) throws {
        var live = 0
        var deleted = 0
        for (table, entries) in try fixture.entries() {
            for entry in entries {
                if entry.header.isDeleted {
                    deleted += 1
                    try entry.key.withUnsafeBytes { try PowerDNSEntry.checkKey(table, $0) }
                } else {
                    live += 1
                    _ = try Decoded(table, entry)
                }
            }
        }
        #expect(live > 60 && deleted > 10)
    }

    @Test("zones are listed as pdnsutil lists them", arguments: Fixture.all)
    func listing(fixture: Fixture) throws {
        let zones = try fixture.zones()
        var listings: [String: ZoneText] = [:]
        for entry in try #require(try fixture.entries()[.records]) where !entry.header.isDeleted {
            try entry.key.withUnsafeBytes { bytes in
                try entry.payload.withUnsafeBytes { payload in
                    let key = try RecordKey(bytes)
                    let zone = try #require(zones[key.domainID])
                    guard try RowKind(key, payload: payload) == .records else { return }
                    let owner = try key.owner(in: zone.name)
                    #expect(
                        RecordKey.bytes(domainID: key.domainID, owner: owner, zone: zone.name, type: key.type)
                            == entry.key)
                    var name = zone.name.text(escaping: .powerDNS, finalDot: false)
                    if !zone.variant.isEmpty { name += "..\(zone.variant)" }
                    try listings[name, default: ZoneText(style: fixture.style)].append(
                        owner: owner, type: key.type, payload: payload)
                }
            }
        }
        let expected = try fixture.listings()
        #expect(expected.count >= 4 && Set(expected.keys) == Set(listings.keys))
        for (zone, lines) in expected {
            #expect(listings[zone]?.text.split(separator: "\n").map(String.init) == lines, "\(zone)")
        }
    }

    @Test("rows between the records are told apart", arguments: Fixture.all)
    func rows(fixture: Fixture) throws {
        var counts: [RowKind: Int] = [:]
        for entry in try fixture.decoded(.records) {
            let kind = try #require(entry.kind)
            counts[kind, default: 0] += 1
            if kind != .records { #expect(entry.count == 1) }
        }
        #expect(counts[.emptyNonTerminal] ?? 0 > 0)
        #expect(counts[.nsec3Hash] ?? 0 > 2)
        // 4.9 leaves the rows of a deleted RRset behind, one direction or both, until the next rectify.
        #expect(counts[.nsec3Name] == counts[.nsec3Hash])
        // Only 4.9 writes rows in zones with NSEC.
        #expect((counts[.nsecOrder] ?? 0 > 0) == (fixture.version == "4.9"))
    }

    @Test("zones", arguments: Fixture.all)
    func domains(fixture: Fixture) throws {
        let domains = try fixture.decoded(.domains).compactMap(\.domain)
        var names = [
            "2.0.192.in-addr.arpa.", "catalog.test.", "example.net.", "example.org.", "secondary.test.",
        ]
        let is5 = fixture.version == "5.1"
        if is5 { names.append("example.org..inside") }
        #expect(Set(domains.map(\.zone.description)) == Set(names))
        #expect(domains.allSatisfy { $0.classVersion == (is5 ? 2 : 1) })

        let organization = try #require(domains.first { $0.zone.description == "example.org." })
        #expect(organization.account == "acme" && organization.kind == .primary)
        #expect(organization.catalog?.description == "catalog.test.")
        #expect(organization.options == (is5 ? "" : #"{"producer":{"unique":"abc"}}"#))
        let secondary = try #require(domains.first { $0.zone.description == "secondary.test." })
        #expect(secondary.kind == .secondary && secondary.catalog == nil)
        #expect(secondary.primaries.map(\.description) == ["192.0.2.1:53", "[2001:db8::1]:5300"])
        #expect(domains.first { $0.zone.description == "catalog.test." }?.kind == .producer)
        #expect("\(organization.kind) \(secondary.kind) \(DomainInfo.Kind(rawValue: 9))" == "Primary Secondary kind 9")
    }

    @Test("metadata", arguments: Fixture.all)
    func metadata(fixture: Fixture) throws {
        let all = try fixture.decoded(.metadata).compactMap(\.metadata)
        func values(_ zone: String) -> Set<String> {
            Set(all.filter { $0.zone.description == zone }.map { "\($0.kind) = \($0.value)" })
        }
        let api: Set<String> = fixture.version == "5.1" ? ["SOA-EDIT-API = DEFAULT"] : []
        #expect(
            values("example.org.")
                == api.union(["ALLOW-AXFR-FROM = ::1", "ALLOW-AXFR-FROM = 127.0.0.0/8", "TSIG-ALLOW-AXFR = imp.key"]))
        #expect(values("example.net.") == api.union(["NSEC3PARAM = 1 0 0 -"]))
    }

    @Test("TSIG keys, without their secrets", arguments: Fixture.all)
    func tsig(fixture: Fixture) throws {
        let keys = try fixture.decoded(.tsigKeys).compactMap(\.tsigKey)
        #expect(
            Set(keys.map { "\($0.name) \($0.algorithm)" }) == ["imp.key. hmac-sha512.", "gen.key. hmac-sha256."])
        let imported = try #require(keys.first { $0.algorithm.description == "hmac-sha512." })
        #expect(imported.secret == Secret("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0".utf8))
        for key in keys { expectSilence(key, secret: String(decoding: key.secret.bytes, as: UTF8.self)) }
    }

    @Test("indexes lead to live objects of the same name", arguments: Fixture.all)
    func indexes(fixture: Fixture) throws {
        for table in [PowerDNSTable.domains, .metadata, .keys, .tsigKeys] {
            var objects: [UInt32: ZoneName] = [:]
            for entry in try fixture.decoded(table) {
                let names = [
                    entry.domain?.zone, entry.metadata?.zone, entry.key?.zone, entry.tsigKey.map { ZoneName($0.name) },
                ]
                objects[try #require(entry.id)] = names.compactMap { $0 }.first
            }
            let index = try #require(table.index)
            let keys = try fixture.decoded(index).compactMap(\.index)
            #expect(!keys.isEmpty && Dictionary(keys.map { ($0.id, $0.zone) }, uniquingKeysWith: { $1 }) == objects)
            #expect(
                Set(keys.map(\.bytes))
                    == Set(try #require(try fixture.entries()[index]).filter { !$0.header.isDeleted }.map(\.key)))
        }
    }

    @Test("settings", arguments: Fixture.all)
    func settings(fixture: Fixture) throws {
        let settings = try fixture.decoded(.settings).compactMap(\.setting)
        #expect(settings.contains(.schemaVersion(fixture.version == "5.1" ? 6 : 5)))
        #expect(settings.contains(.shards(1)) && settings.count == 3)
    }

    @Test("networks, views and comments of schema 6")
    func views() throws {
        let fixture = Fixture.all[1]
        let networks = try fixture.decoded(.networks).compactMap(\.network)
        #expect(networks.map { "\($0) \($0.view)" } == ["192.0.2.0/24 internal", "2001:db8::/32 internal"])
        let views = try fixture.decoded(.views).compactMap(\.view)
        #expect(views.map { "\($0.view) \($0.zone)" } == ["internal example.org..inside"])
        let comments = try fixture.decoded(.comments).compactMap(\.comment)
        #expect(
            Set(comments.map { "\($0.account): \($0.content)" })
                == ["ann: second", "joe: hello comment", "bob: api comment"])
        #expect(Set(comments.map(\.modifiedAt)) == [1_795_219_904, 1_700_000_000])
    }
}
