import Testing

@testable import PowerDNSFormat

@Suite("Domain names")
struct NameTests {
    @Test(
        "text in, wire form, text out",
        arguments: [
            (".", "00", ".", "."),
            ("example.org.", "076578616d706c65036f726700", "example.org.", "example.org."),
            ("Example.ORG", "074578616d706c65034f524700", "Example.ORG.", "Example.ORG."),
            (#"do\.t.test"#, "04646f2e74047465737400", #"do\.t.test."#, #"do\.t.test."#),
            (#"a\\b"#, "03615c6200", #"a\\b."#, #"a\\b."#),
            (#"\097\000\032\255\127"#, "05610020ff7f00", #"a\000\032\255\127."#, #"a\000\032\255\127."#),
            (#"\@\$\"\;\(\).x"#, "0640 24 22 3b 28 29 0178 00", #"\@\$\"\;\(\).x."#, #"@$";().x."#),
            ("*._tcp.x", "012a 045f746370 0178 00", "*._tcp.x.", "*._tcp.x."),
            ("ä", "02c3a400", #"\195\164."#, #"\195\164."#),
        ])
    func text(text: String, wire: String, zoneFile: String, powerDNS: String) throws {
        let name = try DomainName(text)
        #expect(name.wire == unhex(wire))
        #expect(name.description == zoneFile)
        #expect(name.text(escaping: .powerDNS) == powerDNS)
        #expect(try DomainName(zoneFile).wire == name.wire)
        #expect(try name.wire.withUnsafeBytes { try DomainName(wire: $0) }.wire == name.wire)
        // A NUL in a label can't be told from the end of one, so such names come back as others.
        let decoded = KeyName.bytes(name).withUnsafeBytes { try? KeyName.decode($0) }
        #expect((decoded == name) == !text.contains(#"\000"#))
        if !name.isRoot { #expect(name.text(finalDot: false) + "." == zoneFile) }
    }

    static let threeLabels = Array(repeating: String(repeating: "a", count: 63), count: 3).joined(separator: ".")

    @Test(
        "text that is no name",
        arguments: [
            ("", DecodeError.Problem.badText), ("..", .badLabel), ("a..b", .badLabel), (".a", .badLabel),
            (#"a\"#, .badText), (#"a\25"#, .badText), (#"a\256"#, .badText), (#"a\2x5"#, .badText),
            (String(repeating: "a", count: 64), .badLabel),
            ("\(threeLabels).\(String(repeating: "b", count: 62))", .longName),
        ])
    func noName(text: String, problem: DecodeError.Problem) {
        #expect(failure { try DomainName(text) }?.problem == problem)
    }

    @Test("a name of 255 bytes is the longest")
    func longest() throws {
        let name = try DomainName("\(Self.threeLabels).\(String(repeating: "b", count: 61))")
        #expect(name.wire.count == 255 && name.labelCount == 4)
        let top = try DomainName("x")
        #expect(failure { try name.appending(top) } == DecodeError(.longName, at: 255))
        #expect(
            try DomainName("\(Self.threeLabels).\(String(repeating: "b", count: 59)).").appending(top).wire.count == 255
        )
    }

    @Test(
        "wire forms that are none",
        arguments: [
            ("", DecodeError(.cutOff, at: 0)), ("0161", DecodeError(.cutOff, at: 2)),
            ("05616200", DecodeError(.cutOff, at: 6)), ("0000", DecodeError(.leftOver, at: 1)),
            ("c011", DecodeError(.badLabel, at: 0)), ("40", DecodeError(.badLabel, at: 0)),
        ])
    func noWire(wire: String, error: DecodeError) {
        #expect(failure { try unhex(wire).withUnsafeBytes { try DomainName(wire: $0) } } == error)
    }

    @Test("the order of RFC 4034, and equality without regard to case")
    func order() throws {
        let names = try [
            "example", "a.example", "yljkjljk.a.example", "Z.a.example", "zABC.a.EXAMPLE", "z.example",
            #"\001.z.example"#, "*.z.example", #"\200.z.example"#,
        ].map { try DomainName($0) }
        #expect(names.shuffled().sorted().map(\.wire) == names.map(\.wire))
        #expect(try DomainName("A.eXample") == names[1] && DomainName("A.eXample").hashValue == names[1].hashValue)
        #expect(!(names[0] < names[0]) && DomainName.root < names[0])
        #expect(try DomainName("A@[.x") != DomainName("a`{.x"))
    }

    @Test("relations between names")
    func relations() throws {
        let name = try DomainName("www.Example.org")
        let zone = try DomainName("example.ORG")
        #expect(name.isSubdomain(of: zone) && name.isSubdomain(of: name) && name.isSubdomain(of: .root))
        #expect(!zone.isSubdomain(of: name))
        #expect(try !DomainName("wwwexample.org").isSubdomain(of: zone))
        // The bytes end as those of "b" do, but within a label.
        #expect(try !DomainName(#"a\001b"#).isSubdomain(of: DomainName("b")))
        #expect(name.parent == zone && DomainName.root.parent == nil && name.labelCount == 3)
        #expect(name.lowercased.description == "www.example.org.")
        #expect(try DomainName("*.x").isWildcard && !DomainName("*x.x").isWildcard && !DomainName.root.isWildcard)
    }

    @Test("names as keys: reversed and in lower case")
    func keys() throws {
        #expect(KeyName.bytes(.root) == [0])
        #expect(try KeyName.bytes(DomainName("B.c")) == unhex("63 00 62 00"))
        let name = try unhex("63 00 62 00").withUnsafeBytes { try KeyName.decode($0, relativeTo: DomainName("Org")) }
        #expect(name.description == "b.c.Org.")
        for (key, problem) in [
            ("", DecodeError.Problem.cutOff), ("63", .cutOff), ("00 00", .badLabel), ("63 00 00", .badLabel),
            (String(repeating: "61", count: 64) + "00", .longLabel), (String(repeating: "6100", count: 128), .longName),
        ] {
            #expect(failure { try unhex(key).withUnsafeBytes { try KeyName.decode($0) } }?.problem == problem, "\(key)")
        }
        let long = Array(String(repeating: "6100", count: 127))
        #expect(try unhex(String(long)).withUnsafeBytes { try KeyName.decode($0) }.wire.count == 255)
        #expect(
            failure { try unhex(String(long)).withUnsafeBytes { try KeyName.decode($0, relativeTo: DomainName("x")) } }?
                .problem == .longName)
    }

    @Test(
        "names of zones and of their variants",
        arguments: [
            ("example.org", "example.org.", "", "example.org."),
            ("example.org..in", "example.org.", "in", "example.org..in"),
            ("..in", ".", "in", "..in"), (#"a\..b"#, #"a\..b."#, "", #"a\..b."#), (".", ".", "", "."),
        ])
    func zones(text: String, name: String, variant: String, description: String) throws {
        let zone = try ZoneName(text)
        #expect(zone.name.description == name && zone.variant == variant && zone.description == description)
        let key = IndexKey(zone: zone, id: 0x46ae_c1ab)
        #expect(try key.bytes.withUnsafeBytes { try IndexKey($0) } == key)
    }

    @Test("keys of indexes that are none")
    func indexKeys() throws {
        #expect(try IndexKey.prefix(of: ZoneName("example.org..in")) == unhex("000f 6f726700 6578616d706c6500 00 696e"))
        for (key, problem) in [
            ("", DecodeError.Problem.cutOff), ("0001 00 000000", .cutOff), ("0001 00 00000001 00", .leftOver),
            ("0002 6100 00000001", nil), ("0003 610000 00000001", .badKey), ("0002 6161 00000001", .badKey),
            ("0002 0061 00000001", .badKey), ("0003 610062 00000001", .badKey), ("0000 00000001", .cutOff),
        ] as [(String, DecodeError.Problem?)] {
            #expect(failure { try unhex(key).withUnsafeBytes { try IndexKey($0) } }?.problem == problem, "\(key)")
        }
    }
}
