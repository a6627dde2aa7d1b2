import Foundation
import Testing

@testable import PowerDNSSchema

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
        let different: Set<String> = ["CERT", "LOC", "SVCB", "HTTPS", "URI", "NID", "L64"]
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
            (.txt, "", .cutOff), (.txt, "0261", .cutOff), (.soa, "0000 00000001", .cutOff),
            (.nsec, "00 0000", .badNumber), (.nsec, "00 0021", .badNumber), (.nsec, "00 000261", .cutOff),
            (.nsec3param, "01 00 0000 02 aa", .cutOff), (RecordType(rawValue: 29), "00", .cutOff),
            (RecordType(rawValue: 29), "01 121212 80000000 80000000 00989680", .unknownFormat),
            (RecordType(rawValue: 29), "00 a21212 80000000 80000000 00989680", .badNumber),
            (RecordType(rawValue: 64), "0001 00 0003 0001 01", .badNumber),
            (RecordType(rawValue: 64), "0001 00 0001 0002 0561", .badNumber),
            (RecordType(rawValue: 64), "0001 00 0004 0005 c000020101", .badNumber),
            (RecordType(rawValue: 42), "0001 21 00", .badNumber), (RecordType(rawValue: 42), "0003 01 00", .badNumber),
            (RecordType(rawValue: 45), "0a 04 02 00", .badNumber),
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
