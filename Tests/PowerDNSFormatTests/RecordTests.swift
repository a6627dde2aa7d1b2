import Testing

@testable import PowerDNSFormat

@Suite("Records")
struct RecordTests {
    @Test(
        "keys",
        arguments: [
            ("46aec1ab 00 00 0006", "example.org.", "SOA"), ("46aec1ab 77777700 00 0001", "www.example.org.", "A"),
            ("46aec1ab 630062006100 00 0001", "a.b.c.example.org.", "A"),
            ("46aec1ab 77696c64002a00 00 0101", "*.wild.example.org.", "CAA"),
            ("46aec1ab 646f2e7400 00 0001", #"do\.t.example.org."#, "A"),
            ("46aec1ab 63006200 00 0000", "b.c.example.org.", "ENT"),
        ])
    func keys(key: String, owner: String, type: String) throws {
        let zone = try DomainName("example.org")
        try unhex(key).withUnsafeBytes { bytes in
            let key = try RecordKey(bytes)
            let name = try key.owner(in: zone)
            #expect(key.domainID == 0x46ae_c1ab && key.type.description == type && name.description == owner)
            #expect(key.isApex == (name == zone))
            #expect(
                RecordKey.bytes(domainID: key.domainID, owner: name, zone: zone, type: key.type) == Array(bytes))
        }
        #expect(RecordKey.bytes(domainID: 1, owner: .root, zone: zone, type: .a) == nil)
    }

    @Test(
        "keys that are none",
        arguments: [
            ("", DecodeError.Problem.badKey), ("46aec1ab 00 0006", .badKey), ("46aec1ab 00 01 0006", .badKey),
            ("46aec1ab 7777 00 0001", .cutOff), ("46aec1ab 0000 00 0001", .badLabel),
            ("46aec1ab 77000000 00 0001", .badLabel),
        ])
    func noKeys(key: String, problem: DecodeError.Problem) {
        #expect(failure { try unhex(key).withUnsafeBytes { try RecordKey($0) } }?.problem == problem)
    }

    @Test("values, of which the disabled records are left out of the text")
    func values() throws {
        let owner = try DomainName("dis.example.org")
        let payload = unhex("0400 c0000237 4d000000 000101 0400 c0000238 4e000000 010000")
        try payload.withUnsafeBytes { bytes in
            var value = RecordValue(bytes)
            let first = try #require(try value.next())
            #expect(Array(first.rdata) == [192, 0, 2, 55] && first.ttl == 77)
            #expect(!first.isAuthoritative && first.isDisabled && first.hasOrderName)
            let second = try #require(try value.next())
            #expect(second.ttl == 78 && second.isAuthoritative && !second.isDisabled && !second.hasOrderName)
            #expect(try value.next() == nil)
            #expect(try RecordValue.count(bytes) == 2)
            var text = ZoneText()
            try text.append(owner: owner, type: .a, payload: bytes)
            #expect(text.text == "dis.example.org. 78 IN A 192.0.2.56\n")
            #expect(failure { try text.append(owner: owner, type: .aaaa, payload: bytes) }?.problem == .cutOff)
            #expect(text.text == "dis.example.org. 78 IN A 192.0.2.56\n")
            for size in 1..<bytes.count where size != 13 {
                #expect(
                    failure { try RecordValue.count(UnsafeRawBufferPointer(rebasing: bytes[..<size])) }?.problem
                        == .cutOff)
            }
        }
    }

    @Test("rows between the records")
    func rows() throws {
        let hash = "20" + String(repeating: "61", count: 32) + "00"
        for (key, value, kind) in [
            ("16d8c8b5 77777700 00 0032", "2200 \(hash) 01000000 000000", RowKind.nsec3Hash),
            ("16d8c8b5 77777700 00 0032", "0500 0377777700 00000000 000000", .nsec3Name),
            ("16d8c8b5 77777700 00 0032", "0500 0377777700 01000000 000000", .nsecOrder),
            ("16d8c8b5 00 00 0032", "0100 00 01000000 000000", .nsecOrder),
            ("16d8c8b5 6200 00 0000", "0000 00000000 010000", .emptyNonTerminal),
            ("16d8c8b5 6200 00 0001", "0400 c0000237 00000000 010000", .records),
        ] {
            let found = try unhex(key).withUnsafeBytes { key in
                try unhex(value).withUnsafeBytes { try RowKind(RecordKey(key), payload: $0) }
            }
            #expect(found == kind, "\(value)")
        }
    }
}
