import LMDB
import PowerDNSFormat
import PowerDNSTestSupport
import TestSupport
import Testing

@testable import PowerDNSDatabase

/// A zone, what is put into it, and what is found then.
struct RuleCase: CustomTestStringConvertible, Sendable {
    typealias Records = @Sendable (PowerDNSWriter, UInt32) throws -> Void

    var testDescription: String
    /// Each as "rule owner type", in the order in which they are found.
    var findings: [String]
    var fill: Records

    init(_ name: String, finds findings: String..., fill: @escaping Records) {
        testDescription = name
        self.findings = findings
        self.fill = fill
    }
}

/// Each zone rule with a zone that breaks it, and one that is as near as can be and does not.
@Suite struct ZoneRuleTests {
    static let records: [RuleCase] = [
        RuleCase("a sound zone") { _, _ in },
        RuleCase("no SOA", finds: "soa-missing z.test. SOA") { writer, id in
            try writer.delete(.records, PowerDNSWriter.key("", .soa, of: id))
        },
        RuleCase("a disabled SOA", finds: "soa-missing z.test. SOA") { writer, id in
            try writer.put("", .soa, of: id, [.soa.disabled])
        },
        RuleCase("two SOAs", finds: "duplicate-record z.test. SOA", "several-soas z.test. SOA") { writer, id in
            try writer.put("", .soa, of: id, [.soa, .soa])
        },
        RuleCase("two SOAs, one disabled") { writer, id in
            try writer.put("", .soa, of: id, [.soa, .soa.disabled])
        },
        RuleCase("a name with upper-case letters", finds: "upper-case-name Www.z.test.") { writer, id in
            let key = Bytes.big(id) + Array("Www".utf8) + [0, 0] + Bytes.big(RecordType.a.rawValue)
            try writer.put(.records, key, PowerDNSWriter.payload([.address]))
        },
        RuleCase("SOA below the apex", finds: "soa-not-at-apex www.z.test. SOA") { writer, id in
            try writer.put("www", .soa, of: id, [.soa])
        },
        RuleCase("no NS", finds: "ns-missing z.test. NS") { writer, id in
            try writer.delete(.records, PowerDNSWriter.key("", .ns, of: id))
        },
        RuleCase("CNAME and A", finds: "cname-with-other-data www.z.test. CNAME") { writer, id in
            try writer.put("www", .a, of: id, [.address])
            try writer.put("www", .cname, of: id, [.name("ns1.z.test")])
        },
        RuleCase("CNAME and a disabled A") { writer, id in
            try writer.put("www", .a, of: id, [.address.disabled])
            try writer.put("www", .cname, of: id, [.name("ns1.z.test")])
        },
        RuleCase("CNAME and a Deleted A") { writer, id in
            try writer.put("www", .cname, of: id, [.name("ns1.z.test")])
            try writer.delete(.records, PowerDNSWriter.key("www", .a, of: id))
        },
        RuleCase("CNAME beside a name with the same beginning") { writer, id in
            try writer.put("www", .cname, of: id, [.name("ns1.z.test")])
            try writer.put("a.www", .a, of: id, [.address])
        },
        RuleCase("CNAME and PowerDNS's own rows") { writer, id in
            try writer.put("www", .cname, of: id, [.name("ns1.z.test")])
            try writer.put("www", .nsec3, of: id, [PowerDNSWriter.Record(rdata: [1, 0x61, 0], ttl: 1)])
        },
        RuleCase("two CNAMEs", finds: "several-cnames www.z.test. CNAME") { writer, id in
            try writer.put("www", .cname, of: id, [.name("a.test"), .name("b.test")])
        },
        RuleCase("two DNAMEs", finds: "several-dnames d.z.test. DNAME") { writer, id in
            try writer.put("d", .dname, of: id, [.name("a.test"), .name("b.test")])
        },
        RuleCase("names below a DNAME, told once", finds: "names-below-dname a.d.z.test.") { writer, id in
            try writer.put("d", .dname, of: id, [.name("a.test")])
            try writer.put("a.d", .a, of: id, [.address])
            try writer.put("b.d", .a, of: id, [.address])
        },
        RuleCase("names beside a DNAME") { writer, id in
            try writer.put("d", .dname, of: id, [.name("a.test")])
            try writer.put("d", .txt, of: id, [.text])
            try writer.put("da", .a, of: id, [.address])
        },
        RuleCase("DNAME at the apex", finds: "names-below-dname ns1.z.test.") { writer, id in
            try writer.put("", .dname, of: id, [.name("a.test")])
        },
        RuleCase("DS at the apex", finds: "ds-at-apex z.test. DS") { writer, id in
            try writer.put("", .ds, of: id, [.ds])
        },
        RuleCase("DS without NS", finds: "ds-without-ns sub.z.test. DS") { writer, id in
            try writer.put("sub", .ds, of: id, [.ds])
        },
        RuleCase("a signed delegation") { writer, id in
            try writer.put("sub", .ns, of: id, [.name("ns.other.test")])
            try writer.put("sub", .ds, of: id, [.ds])
        },
        RuleCase(
            "data that a delegation hides", finds: "data-below-delegation sub.z.test. TXT",
            "data-below-delegation a.sub.z.test. MX", "data-below-delegation b.sub.z.test. NS"
        ) { writer, id in
            try writer.put("sub", .ns, of: id, [.name("ns.other.test")])
            try writer.put("sub", .txt, of: id, [.text])
            try writer.put("a.sub", .mx, of: id, [.mx("nix.z.test")])
            try writer.put("b.sub", .ns, of: id, [.name("ns.b.sub.z.test")])
            try writer.put("subb", .txt, of: id, [.text])
        },
        RuleCase("a disabled delegation hides nothing") { writer, id in
            try writer.put("sub", .ns, of: id, [.name("ns.other.test").disabled])
            try writer.put("a.sub", .txt, of: id, [.text])
        },
        RuleCase("no glue", finds: "missing-glue sub.z.test. NS") { writer, id in
            try writer.put("sub", .ns, of: id, [.name("ns.sub.z.test")])
        },
        RuleCase("glue") { writer, id in
            try writer.put("sub", .ns, of: id, [.name("ns.sub.z.test")])
            try writer.put("ns.sub", .aaaa, of: id, [PowerDNSWriter.Record(rdata: Array(repeating: 1, count: 16))])
        },
        RuleCase("a delegation to a name of another delegation") { writer, id in
            try writer.put("a", .ns, of: id, [.name("ns.b.z.test")])
            try writer.put("b", .ns, of: id, [.name("ns.other.test")])
        },
        RuleCase("two TTLs", finds: "duplicate-record www.z.test. A", "ttl-mismatch www.z.test. A") { writer, id in
            try writer.put("www", .a, of: id, [.address, .address.with(ttl: 60)])
        },
        RuleCase("two TTLs, one of them disabled") { writer, id in
            try writer.put("www", .a, of: id, [.address, .address.with(ttl: 60).disabled])
        },
        RuleCase(
            "targets that are CNAMEs", finds: "target-is-cname z.test. MX", "target-is-cname _s.z.test. SRV",
            "target-is-cname sub.z.test. NS"
        ) { writer, id in
            try writer.put("www", .cname, of: id, [.name("ns1.z.test")])
            try writer.put("", .mx, of: id, [.mx("WWW.z.test")])
            try writer.put("_s", .srv, of: id, [.srv("www.z.test")])
            try writer.put("sub", .ns, of: id, [.name("www.z.test")])
        },
        RuleCase("a CNAME in another zone", finds: "target-is-cname z.test. MX") { writer, id in
            try writer.addSoundZone("other.test", id: 99)
            try writer.put("mail", .cname, of: 99, [.name("ns1.other.test")])
            try writer.put("", .mx, of: id, [.mx("mail.other.test"), .mx("nix.other.test"), .mx("mail.unknown.test")])
        },
        RuleCase(
            "targets that are not there", finds: "target-missing z.test. MX", "target-missing z.test. MX"
        ) { writer, id in
            try writer.put("text", .txt, of: id, [.text])
            try writer.put("", .mx, of: id, [.mx("nix.z.test"), .mx("text.z.test")])
        },
        RuleCase("targets that are there in other ways") { writer, id in
            try writer.put("*.w", .a, of: id, [.address])
            try writer.put("alias", .alias, of: id, [.name("a.test")])
            try writer.put("d", .dname, of: id, [.name("a.test")])
            try writer.put("sub", .ns, of: id, [.name("ns.other.test")])
            for (number, target) in ["x.w", "alias", "mail.d", "mail.sub"].enumerated() {
                try writer.put("mx\(number)", .mx, of: id, [.mx("\(target).z.test")])
            }
            try writer.put("null", .mx, of: id, [.mx(".")])
        },
        RuleCase("a wildcard does not reach below a name", finds: "target-missing z.test. MX") { writer, id in
            try writer.put("*.w", .a, of: id, [.address])
            try writer.put("a.w", .txt, of: id, [.text])
            try writer.put("", .mx, of: id, [.mx("x.a.w.z.test")])
        },
        RuleCase("a target in a child zone of this server") { writer, id in
            try writer.addSoundZone("sub.z.test", id: 99)
            try writer.put("sub", .ns, of: id, [.name("ns9.sub.z.test")])
        },
        RuleCase("the same record twice", finds: "duplicate-record www.z.test. A") { writer, id in
            try writer.put("www", .a, of: id, [.address, .address])
            try writer.put("off", .a, of: id, [.address, .address.disabled])
        },
        RuleCase("the same record twice among many", finds: "duplicate-record twice.z.test. A") { writer, id in
            let addresses = (1...40).map { PowerDNSWriter.Record(rdata: [192, 0, 2, $0]) }
            try writer.put("once", .a, of: id, addresses)
            try writer.put("twice", .a, of: id, addresses + [addresses[3]])
        },
        RuleCase("many targets elsewhere") { writer, id in
            let targets = try (1...40).map { try PowerDNSWriter.Record.mx("mx\($0).example.net") }
            try writer.put("", .mx, of: id, targets)
            try writer.put("www", .mx, of: id, targets)
        },
        // Compressed, and in full.
        RuleCase("the same name twice", finds: "duplicate-record ptr.z.test. PTR") { writer, id in
            try writer.put(
                "ptr", .ptr, of: id, [.name("a.ptr.z.test"), PowerDNSWriter.Record(rdata: [1, 0x61, 0xc0, 0x11])])
        },
        RuleCase("a signature in a zone that is not presigned", finds: "stored-signature www.z.test. RRSIG") {
            writer, id in
            try writer.put("www", .rrsig, of: id, [.signature])
            try writer.put("zzz", .rrsig, of: id, [.signature])
        },
        RuleCase("a signature in a presigned zone") { writer, id in
            try writer.addMetadata("z.test", "PRESIGNED", "1")
            try writer.put("www", .rrsig, of: id, [.signature])
        },
        RuleCase("own records that are marked as others'", finds: "wrong-auth www.z.test. A") { writer, id in
            try writer.addKey("z.test")
            try writer.put("www", .a, of: id, [.address.notOwn])
            try writer.put("xxx", .txt, of: id, [.text.notOwn])
        },
        RuleCase("wrong marks in a zone without DNSSEC") { writer, id in
            try writer.put("www", .a, of: id, [.address.notOwn])
        },
        RuleCase("marks as they should be") { writer, id in
            try writer.addKey("z.test")
            try writer.put("sub", .a, of: id, [.address.notOwn])
            try writer.put("sub", .ns, of: id, [.name("ns.sub.z.test").notOwn])
            try writer.put("sub", .ds, of: id, [.ds])
            try writer.put("ns.sub", .a, of: id, [.address.notOwn])
        },
        RuleCase("a delegation that is marked as the zone's own", finds: "wrong-auth sub.z.test. NS") { writer, id in
            try writer.addKey("z.test")
            try writer.put("sub", .ns, of: id, [.name("ns.other.test")])
        },
        RuleCase(
            "an empty non-terminal that is gone", finds: "missing-empty-non-terminal b.z.test."
        ) { writer, id in
            try writer.delete(.records, PowerDNSWriter.key("b", .emptyNonTerminal, of: id))
            try writer.put("a.b", .a, of: id, [.address])
        },
        RuleCase("an empty non-terminal that is gone, below which is nothing") { writer, id in
            try writer.delete(.records, PowerDNSWriter.key("b", .emptyNonTerminal, of: id))
            try writer.put("a.c", .a, of: id, [.address])
            try writer.delete(.records, PowerDNSWriter.key("d", .emptyNonTerminal, of: id))
            try writer.put("d", .a, of: id, [.address])
            try writer.put("a.d", .a, of: id, [.address])
        },
        RuleCase(
            "an empty non-terminal that was never made", finds: "missing-empty-non-terminal c.z.test."
        ) { writer, id in
            try writer.addKey("z.test")
            try writer.put("a.b.c", .a, of: id, [.address])
        },
        RuleCase("empty non-terminals as they should be") { writer, id in
            try writer.addKey("z.test")
            for owner in ["c", "b.c"] { try writer.put(owner, .emptyNonTerminal, of: id, [.init(rdata: [])]) }
            try writer.put("a.b.c", .a, of: id, [.address])
        },
        RuleCase("a record that can't be decoded", finds: "bad-value www.z.test. A") { writer, id in
            try writer.put("www", .a, of: id, [PowerDNSWriter.Record(rdata: [1, 2, 3])])
        },
        RuleCase("a target behind one that can't be decoded", finds: "bad-value a.z.test. MX") { writer, id in
            try writer.put("a", .mx, of: id, [PowerDNSWriter.Record(rdata: [0, 10, 1, 0x61])])
            try writer.put("b", .mx, of: id, [.mx("ns1.z.test")])
        },
        RuleCase("a parameter that PowerDNS 5 refuses", finds: "bad-value www.z.test. HTTPS") { writer, id in
            try writer.put(
                "www", RecordType(rawValue: 65), of: id, [PowerDNSWriter.Record(rdata: [0, 1, 0, 0, 8, 0, 1, 0x78])])
        },
        RuleCase("a text without any strings") { writer, id in
            try writer.put("www", .txt, of: id, [PowerDNSWriter.Record(rdata: [])])
        },
        RuleCase("an owner that is too long for the zone", finds: "bad-key") { writer, id in
            let label = String(repeating: "a", count: 61)
            try writer.put("\(label).\(label).\(label).\(label)", .a, of: id, [.address])
        },
    ]

    @Test(arguments: records, [5, 6] as [UInt32]) func findsWhatARecordBreaks(_ rule: RuleCase, schema: UInt32) throws {
        let writer = try PowerDNSWriter(schema: schema)
        try writer.addSoundZone("z.test", id: 7)
        try rule.fill(writer, 7)
        #expect(try writer.findings() == rule.findings)
        let one = try writer.found(.zones([7])).map(\.short)
        #expect(one == rule.findings)
    }

    @Test(
        arguments: [
            (5, [0, 1, 0, 0, 8, 0, 1, 0x78], 65, .warning, "only PowerDNS 4 serves it"),
            (6, [0, 1, 0, 0, 8, 0, 1, 0x78], 65, .error, "only PowerDNS 4 serves it"),
            (5, [0, 10, 0, 0], 36, .error, "not every version of PowerDNS serves it unchanged"),
        ] as [(UInt32, [UInt8], UInt16, ValidationFinding.Severity, String)])
    func saysWhichPowerDNSServesIt(
        schema: UInt32, rdata: [UInt8], type: UInt16, severity: ValidationFinding.Severity, text: String
    ) throws {
        let writer = try PowerDNSWriter(schema: schema)
        try writer.addSoundZone("z.test", id: 7)
        try writer.put("www", RecordType(rawValue: type), of: 7, [PowerDNSWriter.Record(rdata: rdata)])
        let finding = try #require(writer.found().first)
        #expect(finding.rule == .badValue && finding.severity == severity)
        #expect(finding.text.contains(text))
    }

    static let signing: [RuleCase] = [
        RuleCase("NSEC3 as it should be") { writer, _ in try writer.addMetadata("z.test", "NSEC3PARAM", "1 0 0 -") },
        RuleCase("iterations", finds: "nsec3-iterations z.test. NSEC3PARAM") { writer, _ in
            try writer.addMetadata("z.test", "NSEC3PARAM", "1 1 10 abcd")
        },
        RuleCase("another algorithm", finds: "bad-nsec3param z.test. NSEC3PARAM") { writer, _ in
            try writer.addMetadata("z.test", "NSEC3PARAM", "2 0 0 -")
        },
        RuleCase("half a salt", finds: "bad-nsec3param z.test. NSEC3PARAM") { writer, _ in
            try writer.addMetadata("z.test", "NSEC3PARAM", "1 0 0 abc")
        },
        RuleCase("of another zone") { writer, _ in
            try writer.addSoundZone("zz.test", id: 8)
            try writer.delete(.domains, Bytes.big(UInt32(8)))
            try writer.delete(.domainsIndex, IndexKey(zone: ZoneName("zz.test"), id: 8).bytes)
            for (owner, type) in [("", RecordType.soa), ("", .ns), ("ns1", .a)] {
                try writer.delete(.records, PowerDNSWriter.key(owner, type, of: 8))
            }
        },
        RuleCase("an active key") { writer, _ in try writer.addKey("z.test") },
        RuleCase("no active key", finds: "no-active-key z.test. DNSKEY") { writer, _ in
            try writer.addKey("z.test", isActive: false)
        },
        RuleCase("no active key in a presigned zone") { writer, _ in
            try writer.addKey("z.test", isActive: false)
            try writer.addMetadata("z.test", "PRESIGNED", "1")
        },
        RuleCase("a key of another algorithm", finds: "unusable-key z.test. DNSKEY") { writer, _ in
            try writer.addKey(
                "z.test",
                content: PowerDNSWriter.goodKey.replacing("13 (ECDSAP256SHA256)", with: "15 (ED25519)")
                    .replacing("AAEC", with: ""))
        },
        RuleCase("a key in a hardware module") { writer, _ in
            try writer.addKey(
                "z.test",
                content: "Private-key-format: v1.2\nAlgorithm: 13 (ECDSAP256SHA256)\nEngine: pkcs11\nSlot: 1\n")
        },
        RuleCase("the same key twice", finds: "same-key-tag z.test. DNSKEY") { writer, _ in
            try writer.addKey("z.test")
            try writer.addKey("z.test")
        },
        RuleCase("the same key, neither used nor published") { writer, _ in
            try writer.addKey("z.test")
            try writer.addKey("z.test", isActive: false, isPublished: false)
        },
    ]

    @Test(arguments: signing, [5, 6] as [UInt32]) func findsWhatASettingBreaks(_ rule: RuleCase, schema: UInt32) throws
    {
        let writer = try PowerDNSWriter(schema: schema)
        try writer.addSoundZone("z.test", id: 7)
        try rule.fill(writer, 7)
        #expect(try writer.findings() == rule.findings)
    }

    @Test func aSecondaryThatHasNotBeenTransferredIsOnlyAWarning() throws {
        let writer = try PowerDNSWriter()
        try writer.addZone("s.test", id: 7, kind: .secondary)
        let found = try writer.found()
        #expect(found.map(\.short) == ["soa-missing s.test. SOA"])
        #expect(found.first?.severity == .warning)
        try writer.put("www", .a, of: 7, [.address])
        #expect(try writer.found().first?.severity == .error)
    }

    @Test func findingsSayWhatWhereAndWhatToDo() throws {
        let writer = try PowerDNSWriter()
        try writer.addSoundZone("z.test", id: 7)
        try writer.put("www", .a, of: 7, [.address])
        try writer.put("www", .cname, of: 7, [.name("ns1.z.test")])
        var finding = try #require(try writer.found().first)
        finding.instance = "b"
        #expect(
            "\(finding)"
                == "error cname-with-other-data: z.test.: www.z.test. CNAME: the name also has A, and answers contain only one "
                + "of them; remove the CNAME or the rest (zone last changed by instance b)")
    }

    @Test func aLongWalkEndsWhenItIsCancelled() throws {
        let writer = try PowerDNSWriter()
        try writer.addSoundZone("z.test", id: 7)
        for number in 0..<300 { try writer.put("n\(number)", .a, of: 7, [.address]) }
        try DatabaseView.read(main: writer.main, shard: writer.shard) { view in
            _ = #expect(throws: CancellationError.self) { try view.checkZone(7, isCancelled: { true }) { _ in } }
        }
    }
}
