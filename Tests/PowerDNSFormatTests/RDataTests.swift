import Foundation
import Testing

@testable import PowerDNSFormat

/// A line of Fixtures/rdata.txt; Fixtures/make-rdata.py says what is in it.
struct RDataExample: CustomTestStringConvertible, Sendable {
    let type: RecordType
    let owner: DomainName
    let stored: [UInt8]
    let expanded: [UInt8]?
    let independent: String?
    let pdnsutil4: String
    let pdnsutil5: String

    init(_ line: Substring) throws {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
        try #require(fields.count == 7)
        type = RecordType(rawValue: try #require(UInt16(fields[0])))
        owner = try DomainName("\(fields[1]).example.org")
        stored = unhex(fields[2])
        independent = fields[4] == "-" ? nil : String(fields[4])
        expanded = independent == nil ? nil : unhex(fields[3])
        pdnsutil4 = String(fields[5])
        pdnsutil5 = String(fields[6])
    }

    var testDescription: String { "\(owner) \(type)" }

    static func all() throws -> [RDataExample] {
        let file = Fixture.directory.appending(path: "Fixtures/rdata.txt")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { try RDataExample($0) }
    }

    func text(_ style: ZoneTextStyle) throws -> String {
        try stored.withUnsafeBytes { try RData.text(type, $0, owner: owner, style: style) }
    }
}

@Suite("RDATA")
struct RDataTests {
    @Test("of every type is written as pdnsutil writes it")
    func pdnsutil() throws {
        let examples = try RDataExample.all()
        #expect(Set(examples.map(\.type)).count > 45)
        for example in examples {
            #expect(try example.text(.pdnsutil5) == example.pdnsutil5, "\(example.testDescription)")
            if example.pdnsutil4 != "-" {
                #expect(try example.text(.pdnsutil4) == example.pdnsutil4, "\(example.testDescription)")
            }
        }
    }

    @Test("in a zone file is what an independent library writes")
    func zoneFile() throws {
        // Where both are right, but differ: mnemonics, defaults left out, quotes, case of digits; and a quote that the
        // library forgets to escape.
        // The library has mnemonics of types that PowerDNS knows by number only.
        let different: Set<String> = ["CERT", "CSYNC", "RRSIG", "LOC", "SVCB", "HTTPS", "URI", "NID", "L64"]
        var same = 0
        for example in try RDataExample.all() {
            let text = try example.text(.zoneFile)
            if let independent = example.independent, !different.contains(example.type.description) {
                #expect(text == independent.trimmingCharacters(in: .whitespaces), "\(example.testDescription)")
                same += 1
            } else {
                #expect(text == example.pdnsutil5, "\(example.testDescription)")
            }
        }
        #expect(same > 50)
    }

    @Test("without compression is what an independent library sees")
    func expansion() throws {
        for example in try RDataExample.all() {
            let bytes = try example.stored.withUnsafeBytes { stored in
                try RData.check(example.type, stored, owner: example.owner)
                return try RData.expanded(example.type, stored, owner: example.owner)
            }
            if let expanded = example.expanded { #expect(bytes == expanded, "\(example.testDescription)") }
        }
    }

    @Test("shows the names in it, and the serial of an SOA record")
    func names() throws {
        let owner = try DomainName("zz.test")
        // The second name ends in the first one: 17 bytes, an owner of 9, 10 of the record's head, 3 of `ns`.
        let soa = unhex("026e73 056f74686572 036e6574 00 04686f7374 c027 00000007 00000001 00000002 00000003 00000004")
        try soa.withUnsafeBytes { rdata in
            let names = try RData.names(.soa, rdata, owner: owner)
            #expect(names.map(\.description) == ["ns.other.net.", "host.other.net."])
            #expect(RData.soaSerial(rdata) == 7)
            #expect(RData.soaSerial(UnsafeRawBufferPointer(rebasing: rdata[..<21])) == nil)
            #expect(
                try RData.text(.soa, rdata, owner: owner) == "ns.other.net. host.other.net. 7 1 2 3 4")
        }
    }

    @Test(
        "that its type does not allow is refused",
        arguments: [
            (RecordType.a, "c00002", DecodeError.Problem.cutOff), (.a, "c000020100", .leftOver), (.a, "", .cutOff),
            (.ns, "c0", .cutOff), (.ns, "c0ff", .badPointer), (.ns, "c010", .badPointer), (.ns, "c000", .badPointer),
            (.ns, "0161 c0 2c", .badPointer), (.ns, "c02c", .badPointer), (.ns, "c02e 0161 00", .badPointer),
            (.ns, "4061", .badLabel),
            (.ns, "0261", .cutOff), (.ns, "01", .cutOff), (.mx, "000a", .cutOff), (.mx, "00", .cutOff),
            (.txt, "0261", .cutOff), (.soa, "0000 00000001", .cutOff),
            (.nsec, "00 0000", .badNumber), (.nsec, "00 0021", .badNumber), (.nsec, "00 000261", .cutOff),
            (.nsec3param, "01 00 0000 02 aa", .cutOff), (RecordType(rawValue: 29), "00", .cutOff),
            (RecordType(rawValue: 37), "0000 0000 00", .badNumber),
            (RecordType(rawValue: 64), "0001 00 0003 0001 01", .badNumber),
            (RecordType(rawValue: 64), "0001 00 0001 0002 0561", .badNumber),
            (RecordType(rawValue: 64), "0001 00 0004 0005 c000020101", .badNumber),
            (RecordType(rawValue: 42), "0003 01 00", .badNumber),
            (RecordType(rawValue: 64), "0001 00 0003 0002 0035 0001 0003 026832", .badNumber),
            (RecordType(rawValue: 64), "0001 00 0002 0000 0002 0000", .badNumber),
            (RecordType(rawValue: 45), "0a 04 02 00", .badNumber), (RecordType(rawValue: 45), "0a 00 ff", .badNumber),
            (RecordType(rawValue: 45), "0a 00 00 01", .leftOver),
        ])
    func refused(type: RecordType, rdata: String, problem: DecodeError.Problem) throws {
        let owner = try DomainName("www.example.org")
        unhex(rdata).withUnsafeBytes { bytes in
            #expect(failure { try RData.check(type, bytes, owner: owner) }?.problem == problem)
            var text = Array("before".utf8)
            #expect(failure { try RData.append(type, bytes, owner: owner, to: &text) }?.problem == problem)
            #expect(text == Array("before".utf8))
            RData.appendGeneric(bytes, to: &text)
            let digits = rdata.filter { $0 != " " }
            #expect(
                String(decoding: text, as: UTF8.self) == "before\\# \(bytes.count)\(bytes.isEmpty ? "" : " ")\(digits)")
        }
    }

    @Test("with a name that pointers make too long is refused")
    func longName() throws {
        let owner = try DomainName(Array(repeating: String(repeating: "a", count: 40), count: 6).joined(separator: "."))
        unhex("0f \(String(repeating: "62", count: 15)) c011").withUnsafeBytes { bytes in
            #expect(failure { try RData.check(.ns, bytes, owner: owner) }?.problem == .longName)
        }
    }

    @Test(
        "beyond what PowerDNS stores",
        arguments: [
            // RFC 5155, appendix A, and an empty bitmap.
            (
                RecordType.nsec3,
                "01 01 000c 04 aabbccdd 14 174eb2409fe28bcb4887a1836f957f0a8425e27b 0006 000100000002",
                "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX RRSIG"
            ),
            (.nsec3, "01 00 0000 00 01 ff", "1 0 0 - vs"),
            // No gateway is a dot by RFC 4025, no digest a hyphen.
            (RecordType(rawValue: 45), "0a 00 00", "10 0 0 ."), (.ds, "0001 02 03", "1 2 3 -"),
            (RecordType(rawValue: 42), "0001 15 03 c0a826", "1:192.168.38.0/21"),
            // Parameters with bytes that mean something in a zone file.
            (
                RecordType(rawValue: 65), "0001 00 0001 0006 0522 203b2c5c 270f 0004 20ff223b",
                #"1 . alpn=\034\032\059\\,\\\\ key9999=" \255\";""#
            ),
            (RecordType(rawValue: 45), "0a 00 02 00", nil), (RecordType(rawValue: 45), "0a 00 02", "10 0 2 ."),
            (RecordType(rawValue: 45), "0a 02 02 20010db8000000000000000000000001", "10 2 2 2001:db8::1"),
            (RecordType(rawValue: 45), "0a 03 02 0161 c011 ff", "10 3 2 a.www.example.org. /w=="),
            (RecordType(rawValue: 257), "00 03 612262 22", #"0 a\034b "\"""#),
            (RecordType(rawValue: 10), "0102", ##"\# 2 0102"##), (.emptyNonTerminal, "", ##"\# 0"##),
        ] as [(RecordType, String, String?)])
    func more(type: RecordType, rdata: String, text: String?) throws {
        let owner = try DomainName("www.example.org")
        unhex(rdata).withUnsafeBytes { bytes in
            #expect((try? RData.text(type, bytes, owner: owner)) == text ?? "10 0 2 . AA==")
        }
    }

    /// What pdnsutil 4.9 and 5.1 printed of records that were written to their databases by hand, as neither loads all of
    /// them; a text that both load where what they printed can't be loaded.
    @Test(
        "that no zone file brings, is written as pdnsutil writes it",
        arguments: [
            (10, "abcdef", ##"TYPE10 \# 3 abcdef"##, ##"TYPE10 \# 3 abcdef"##), (55, "01", ##"TYPE55 \# 1 01"##, nil),
            // pdnsutil 4.9: SIG, which it does not load.
            (24, "0102", ##"TYPE24 \# 2 0102"##, nil), (38, "01", ##"TYPE38 \# 1 01"##, nil),
            (253, "01", ##"TYPE253 \# 1 01"##, nil), (65400, "01", ##"TYPE65400 \# 1 01"##, nil),
            (261, "0131", ##"TYPE261 \# 2 0131"##, #"RESINFO "1""#), (262, "", ##"TYPE262 \# 0 "##, #"WALLET """#),
            (67, "0102", ##"TYPE67 \# 2 0102"##, "HHIT AQI="), (68, "0102", ##"TYPE68 \# 2 0102"##, "BRID AQI="),
            (41, "0102", "OPT AQI=", nil), (251, "0102", ##"IXFR \# 2 0102"##, nil),
            (62, "00000042 0003 0106 000000000004", "CSYNC 66 3 TYPE301", nil),
            (
                62, "00000042 0003 0004 00200080 0101 04", "CSYNC 66 3 TYPE10 TYPE24 TYPE261",
                "CSYNC 66 3 TYPE10 TYPE24 RESINFO"
            ),
            (65402, "0105 0161", #"LUA TYPE261 "a""#, #"LUA RESINFO "a""#),
            // pdnsutil 4.9: nothing.
            (16, "", #"TXT """#, nil), (99, "", #"SPF """#, nil), (13, "", #"HINFO "" """#, nil),
            (45, "0a0000", "IPSECKEY 10 0 0", nil), (45, "0a0002ff", "IPSECKEY 10 0 2 /w==", nil),
            (45, "0a0100c0000226", "IPSECKEY 10 1 0 192.0.2.38", nil),
            // PowerDNS 5 prints numbers that have run over in these three of LOC.
            (
                29, "01a20af6 80000001 80000001 00989680",
                "LOC 0 0 0.001 N 0 0 0.001 E 0.00m 10.00m 0.00m 150000.00m", nil
            ),
            (
                29, "00121613 80000001 80000001 80000000",
                "LOC 0 0 0.001 N 0 0 0.001 E 21374836.48m 1.00m 10000.00m 10.00m", nil
            ),
            (42, "0001 21 00 0002 ff 81 20", "APL 1:0.0.0.0/32 !2:2000::/128", nil),
            (
                65, "0001 00 0004 0000 0006 0000", "HTTPS 1 . ipv4hint= ipv6hint=",
                "HTTPS 1 . ipv4hint=auto ipv6hint=auto"
            ),
            // PowerDNS 5 serves it, and prints nothing.
            (65, "0001 00 0001 0000", "HTTPS 1 . alpn=", #"HTTPS 1 . alpn="""#),
            (44, "0101", "SSHFP 1 1 -", nil), (43, "00010203", "DS 1 2 3 -", nil),
            (63, "00000001 0101", "ZONEMD 1 1 1 -", nil),
            (
                29, "00121613 80000000 80000000 00989810", "LOC 0 0 0.000 S 0 0 0.000 W 4.00m 1.00m 10000.00m 10.00m",
                "LOC 0 0 0.000 N 0 0 0.000 E 4.00m 1.00m 10000.00m 10.00m"
            ),
            (
                29, "00121613 80000001 7fffffff 00989810", "LOC 0 0 0.001 N 0 0 0.001 W 4.00m 1.00m 10000.00m 10.00m",
                nil
            ),
            (42, "0001 15 03 c0a826", "APL 1:192.168.32.0/21", nil),
            (42, "0001 0a 83 c0a826", "APL !1:192.128.0.0/10", nil),
            (42, "0001 20 00 0001 00 00 0002 08 01 ff", "APL 1:0.0.0.0/32 1:0.0.0.0/0 2:ff00::/8", nil),
            (257, "80 03 612262 22", #"CAA 128 a"b "\"""#, nil), (257, "80 03 41425c 22", #"CAA 128 AB\ "\"""#, nil),
            // Both print this one raw, and load something else then.
            (257, "80 03 b43b20 22", #"CAA 128 \180\059\032 "\"""#, nil),
            // pdnsutil 5.1: `"\"\""`, which is a value of two quotes.
            (65, "0001 00 029b 0000", #"HTTPS 1 . key667="""#, nil),
            (65, "0001 00 8000 0000", #"HTTPS 1 . key32768="""#, nil),
            (64, "0001 00 0007 0004 2f646e73", #"SVCB 1 . key7="/dns""#, #"SVCB 1 . dohpath="/dns""#),
            (
                64, "0001 00 0000 0002 0008 0008 0000", #"SVCB 1 . mandatory=key8 key8="""#,
                "SVCB 1 . mandatory=ohttp ohttp"
            ),
            (64, "0001 00 0009 0002 6162", #"SVCB 1 . key9="ab""#, "SVCB 1 . tls-supported-groups=24930"),
            (64, "0001 00 000a 0002 6162", #"SVCB 1 . key10="ab""#, nil),
            // PowerDNS 5 serves neither of these two.
            (65, "0001 00 0001 0003 026832 0008 0001 78", #"HTTPS 1 . alpn=h2 key8="x""#, nil),
            (65, "0001 00 0009 0003 001d00", #"HTTPS 1 . key9="\000\029\000""#, nil),
            (65, "0001 00 0001 0003 022c5c", #"HTTPS 1 . alpn=\\,\\\\"#, nil),
        ] as [(UInt16, String, String, String?)])
    func raw(type: UInt16, rdata: String, pdnsutil4: String, pdnsutil5: String?) throws {
        let owner = try DomainName("www.example.org")
        let type = RecordType(rawValue: type)
        try unhex(rdata).withUnsafeBytes { bytes in
            let text = try [ZoneTextStyle.pdnsutil4, .pdnsutil5].map { style in
                "\(style.name(of: type)) \(try RData.text(type, bytes, owner: owner, style: style))"
            }
            #expect(text == [pdnsutil4, pdnsutil5 ?? pdnsutil4])
        }
    }

    @Test(
        "that PowerDNS 4.9 serves and PowerDNS 5 does not, is told apart",
        arguments: [
            ("0001 00 0008 0001 78", true), ("0001 00 0008 0000", false), ("0001 00 0009 0003 001d00", true),
            ("0001 00 0009 0000", true), ("0000 00 0001 0003 026832", true), ("0000 00", false),
            ("0001 00 0004 0000", false), ("0001 00 0009 0002 001d", false), ("0001 00 000a 0001 78", false),
        ])
    func refusedByNewer(rdata: String, isRefused: Bool) throws {
        let owner = try DomainName("www.example.org")
        try unhex(rdata).withUnsafeBytes { bytes in try RData.check(.https, bytes, owner: owner) }
        let problem = unhex(rdata).withUnsafeBytes { bytes in
            failure { try RData.checkForNewer(.https, bytes) }?.problem
        }
        #expect(problem == (isRefused ? .refusedByNewer : nil))
    }

    @Test("of text that is empty, is the empty strings that PowerDNS serves")
    func empty() throws {
        let owner = try DomainName("www.example.org")
        for (type, served) in [
            (RecordType.txt, "00"), (RecordType(rawValue: 99), "00"), (RecordType(rawValue: 13), "0000"),
        ] {
            try unhex("").withUnsafeBytes { bytes in
                try RData.check(type, bytes, owner: owner)
                #expect(try RData.expanded(type, bytes, owner: owner) == unhex(served))
            }
        }
    }

    @Test("types have their mnemonics, or numbers")
    func types() throws {
        for number in UInt16.min...UInt16.max {
            let type = RecordType(rawValue: number)
            guard RecordType(type.description) == type, RecordType("type\(number)") == type else {
                Issue.record("\(type)")
                break
            }
        }
        #expect(RecordType("aaaa") == .aaaa && RecordType("Type65280")?.rawValue == 65280)
        for text in ["", "TYPE", "TYPE65536", "TYPE+1", "AA", "TYPE-1"] { #expect(RecordType(text) == nil) }
    }
}
