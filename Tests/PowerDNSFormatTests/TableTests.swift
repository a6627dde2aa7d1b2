import Testing

@testable import PowerDNSFormat

@Suite("Tables")
struct TableTests {
    static func domain(_ hex: String) throws -> DomainInfo { try unhex(hex).withUnsafeBytes { try DomainInfo($0) } }

    static let name = "0300000000000000 017400"
    static let none = "0000000000000000"
    /// From last_check to kind.
    static let middle = "\(none) \(none) 0000000000 \(none) 01000000 02000000 00000000"

    @Test("class versions 0, 1 and 2 are told apart value by value")
    func mixed() throws {
        let versions = [
            try Self.domain("0000000000 0000000000 \(Self.name) \(Self.middle)"),
            try Self.domain("0001000000 0000000000 \(Self.name) \(Self.middle) \(Self.none) \(Self.name)"),
            try Self.domain(
                "0002000000 0001000000 0000000000 \(Self.name) 0200000000000000 696e \(Self.middle) \(Self.none) "
                    + "\(Self.name) 0100000000000000 76"),
        ]
        #expect(versions.map(\.classVersion) == [0, 1, 2])
        #expect(versions.map(\.zone.description) == ["t.", "t.", "t..in"])
        #expect(versions.map { $0.catalog?.description } == [nil, "t.", "t..v"])
        #expect(versions.allSatisfy { $0.id == 1 && $0.notifiedSerial == 2 && $0.kind == .primary })
        let old = "0000000000 0000000000 \(Self.name) 0100000000000000 6b 0100000000000000 76"
        let new = "0000000000 0001000000 0000000000 \(Self.name) 0100000000000000 69 0100000000000000 6b \(Self.none)"
        let metadata = try [old, new].map { try unhex($0).withUnsafeBytes { try DomainMetadata($0) } }
        #expect(metadata.map { "\($0.zone) \($0.kind)=\($0.value)" } == ["t. k=v", "t..i k="])
    }

    @Test(
        "formats that are not known are refused",
        arguments: [
            ("0003000000 0000000000", DecodeError(.unknownFormat, at: 1)),
            ("0100000000 0000000000", DecodeError(.unknownFormat, at: 0)),
            ("0001000000 0001000000 0000000000 \(name) \(none)", DecodeError(.unknownFormat, at: 5)),
            ("0002000000 0000000000 \(name)", DecodeError(.unknownFormat, at: 5)),
            ("0001000000 0002000000", DecodeError(.unknownFormat, at: 6)),
            ("0001000000 0000000000 \(none)", DecodeError(.badLabel, at: 18)),
            ("0001000000 0000000000 0300000000000000 054100", DecodeError(.cutOff, at: 24)),
            ("0001000000 0000000000 ffffffffffffffff", DecodeError(.cutOff, at: 18)),
            (
                "0000000000 0000000000 \(name) \(none) \(none) 0000000000 0100000000000000 0300 \(String(repeating: "00", count: 26))",
                DecodeError(.badNumber, at: 50)
            ),
            (
                "0000000000 0000000000 \(name) \(none) \(none) 0000000000 ffffffffffffffff 0200",
                DecodeError(.cutOff, at: 50)
            ),
            ("0000000000 0000000000 \(name) \(middle) 00", DecodeError(.leftOver, at: 62)),
        ])
    func refused(hex: String, error: DecodeError) {
        #expect(failure { try Self.domain(hex) } == error)
    }

    @Test("the fields that PowerDNS 5 can keep apart from the zone")
    func extra() throws {
        let bytes = unhex("0000000000 c0e1006b00000000 76f1a378")
        let extra = try bytes.withUnsafeBytes { try DomainExtra($0) }
        #expect(extra.lastCheck == 1_795_219_904 && extra.notifiedSerial == 2_024_010_102)
        #expect(failure { try (bytes + [0]).withUnsafeBytes { try DomainExtra($0) } } == DecodeError(.leftOver, at: 17))
    }

    @Test("comments: unknown fields are skipped, wrong ones are not")
    func comments() throws {
        let comment = try unhex(
            "09 c0e1006b00000000 12 03 6a6f65 1a 02 6869 2a 01 00 30 07 39 0000000000000000 45 00000000"
        )
        .withUnsafeBytes { try RecordComment($0) }
        #expect(comment.modifiedAt == 1_795_219_904 && comment.account == "joe" && comment.content == "hi")
        for (hex, problem) in [
            ("09 c0", DecodeError.Problem.cutOff), ("12 05 61", .cutOff), ("12 ffffffffffffffffff01", .cutOff),
            ("12 ffffffffffffffffff02", .badNumber), ("08 00", .unknownFormat), ("00", .unknownFormat),
            ("2b", .unknownFormat), ("80", .cutOff),
        ] {
            #expect(failure { try unhex(hex).withUnsafeBytes { try RecordComment($0) } }?.problem == problem, "\(hex)")
        }
    }

    @Test(
        "networks and views with wrong keys",
        arguments: [
            (PowerDNSTable.networks, "05 c0000200 18", DecodeError.Problem.badKey),
            (.networks, "04 c0000200 21", .badKey),
            (.networks, "04 c00002", .cutOff), (.networks, "04 c0000200 18 00", .leftOver), (.networks, "", .cutOff),
            (.views, "6100", .cutOff), (.views, "0000", .badKey), (.views, "61", .badKey), (.views, "6100 62", .cutOff),
            (.comments, String(repeating: "00", count: 32), .badKey), (.domains, "000001", .badKey),
            (.keys, "0000000001", .badKey),
        ])
    func keys(table: PowerDNSTable, key: String, problem: DecodeError.Problem) {
        #expect(
            failure { try unhex(key).withUnsafeBytes { try PowerDNSEntry.checkKey(table, $0) } }?.problem == problem)
    }

    @Test("what a database is shows in its tables and its schema version")
    func roles() {
        let main = ["pdns", "domains_v5", "_sync_meta"]
        #expect(PowerDNSRole(databases: main, schemaVersion: 5) == .main)
        #expect(PowerDNSRole(databases: main, schemaVersion: 7) == .main)
        #expect(PowerDNSRole(databases: main, schemaVersion: 4) == nil)
        #expect(PowerDNSRole(databases: main, schemaVersion: nil) == nil)
        #expect(PowerDNSRole(databases: ["records_v5"], schemaVersion: nil) == .shard)
        #expect(PowerDNSRole(databases: ["records"], schemaVersion: 5) == nil)
    }
}
