import LMDB
import Logging
import PowerDNSFormat
import Snapshots
import Testing

@testable import PowerDNSSync

/// What is kept of changes: in bounded memory, and without what was overtaken.
@Suite struct ChangeCollectionTests {
    private func merged(
        _ changes: inout ChangeCollection, _ key: [UInt8], _ old: [UInt8]?, _ new: [UInt8]?,
        _ table: PowerDNSTable = .records
    ) {
        func pointer(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> Void) {
            guard let bytes else { return body(nil) }
            bytes.withUnsafeBytes(body)
        }
        key.withUnsafeBytes { key in
            pointer(old) { old in pointer(new) { new in changes.changed(table, key, from: old, to: new) } }
        }
    }

    private func lines(_ changes: ChangeCollection, names: [UInt32: ZoneName] = [:]) throws -> [String] {
        let name = SnapshotName(database: "shard", instance: "a", timestamp: 1)
        let job = ChangeJob(
            database: "shard", role: .shard, snapshot: name, position: name, direction: .merged, changes: changes)
        return ChangeLines.of(job, names).map { line in
            let fields = line.metadata.filter { !["db", "snapshot_name", "snapshot_instance"].contains($0.key) }
            return "\(line.message)"
                + fields.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        }
    }

    @Test func recordsAreShownOnlyWhereTheyAreWanted() throws {
        var changes = ChangeCollection(keepsValues: false)
        merged(&changes, try Stored.key(1, "www", .a), Stored.records([10, 0, 0, 1]), nil)
        #expect(
            try lines(changes, names: [1: ZoneName("example.org")]) == [
                "merged changes of zone rrsets_removed=1 zone=example.org."
            ])
    }

    @Test func whatWasOvertakenIsTakenOutAgain() throws {
        var changes = ChangeCollection(keepsValues: true)
        let (soa, www) = (try Stored.key(1, "", .soa), try Stored.key(1, "www", .a))
        merged(&changes, soa, Stored.soa(1), Stored.soa(2))
        merged(&changes, www, nil, Stored.records([192, 0, 2, 1]))
        merged(&changes, try Stored.key(1, "mail", .a), nil, Stored.records([192, 0, 2, 2]))
        for key in [soa, www, try Stored.key(1, "unknown", .a)] { key.withUnsafeBytes { changes.lose(.records, $0) } }
        changes.settle()
        #expect(
            try lines(changes, names: [1: ZoneName("example.org")]) == [
                "merged changes of zone rrsets_added=1 zone=example.org.", "+ mail.example.org. 300 IN A 192.0.2.2",
                "and some of these changes were overtaken by the application changes=1",
            ])
    }

    @Test func memoryIsBounded() throws {
        var changes = ChangeCollection(keepsValues: true)
        let value = Stored.records([UInt8](repeating: 7, count: 4))
        for id in 0..<UInt32(ChangeCollection.mostZones + 500) {
            for owner in ["a", "b", "c"] { merged(&changes, try Stored.key(id, owner, .a), nil, value) }
        }
        #expect(changes.zones.count == ChangeCollection.mostZones)
        #expect(changes.totals[.rrsetAdded] == 3 * (ChangeCollection.mostZones + 500))
        #expect(changes.others[.rrsetAdded] == 1500)
        let kept = changes.notes.reduce(0) { $0 + MemoryLayout<ChangeCollection.Note>.stride + $1.key.count }
        #expect(kept <= ChangeCollection.mostBytes)
        #expect(changes.notes.count + changes.unkept == 3 * (ChangeCollection.mostZones + 500))
        let text = try lines(changes)
        #expect(text.count == ChangeLines.mostZones + 2)
        #expect(text[ChangeLines.mostZones].hasPrefix("merged changes of more zones rrsets_added="))
        #expect(text.last?.hasPrefix("and ") == true && text.last?.hasSuffix(" more records") == true)
        changes.summarise()
        #expect(try lines(changes).count == 2)
    }

    @Test func aLargeChangeIsSummarised() throws {
        var changes = ChangeCollection(keepsValues: true)
        for number in 0..<1000 {
            merged(&changes, try Stored.key(1, "h\(number)", .a), nil, Stored.records([10, 0, 0, 1]))
        }
        let text = try lines(changes, names: [1: ZoneName("example.org")])
        #expect(text.count == ChangeLines.mostRecords + 2)
        #expect(text.first == "merged changes of zone rrsets_added=1000 zone=example.org.")
        #expect(text.last == "and 800 more records")
    }

    @Test func whatComesFromOutsideCanNotForgeALine() throws {
        var changes = ChangeCollection(keepsValues: true)
        let key = RecordKey.prefix(domainID: 1) + Array("x\ny\u{1b}[2J".utf8) + [0, 0, 0, 16]
        let rdata: [UInt8] = [6] + Array("a\nb\r\u{7f}c".utf8)
        merged(&changes, key, nil, Stored.records(rdata))
        merged(
            &changes, try Stored.key(1, "long", .txt), nil,
            Stored.records([UInt8](repeating: 255, count: 256) + [UInt8](repeating: 255, count: 256)))
        let text = try lines(changes, names: [1: ZoneName(DomainName("e\\010.org"), variant: "in\nside\u{202e}")])
        #expect(text.count == 3)
        for line in text {
            #expect(line.utf8.count < 700)
            #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f && $0.value != 0x202e })
        }
        #expect(
            text.contains { $0.hasPrefix("+ x\\010y\\027[2J.e\\010.org. 300 IN TXT \"a\\010b\\013\\127c\"") }, "\(text)"
        )
    }

    @Test func recordsOfAnUnknownZoneAreOnlyCounted() throws {
        var changes = ChangeCollection(keepsValues: true)
        merged(&changes, try Stored.key(4711, "www", .a), nil, Stored.records([10, 0, 0, 1]))
        #expect(try lines(changes) == ["merged changes of zone rrsets_added=1 zone=#4711", "and 1 more records"])
    }

    @Test func serialsOfSendsAreRemembered() throws {
        var serials = Serials()
        for (serial, old) in [(1, nil), (2, 1)] as [(UInt32, UInt32?)] {
            var changes = ChangeCollection(keepsValues: false)
            let key = try Stored.key(1, "", .soa)
            key.withUnsafeBytes { key in Stored.soa(serial).withUnsafeBytes { changes.written(.records, key, to: $0) } }
            serials.complete(&changes)
            #expect(changes.zones.first?.oldSerial == old && changes.zones.first?.newSerial == serial)
        }
    }

    @Test func anSOAThatIsSentAsItWasHasNoSerials() throws {
        var serials = Serials()
        for isFirst in [true, false] {
            var changes = ChangeCollection(keepsValues: false)
            let key = try Stored.key(1, "", .soa)
            key.withUnsafeBytes { key in Stored.soa(7).withUnsafeBytes { changes.written(.records, key, to: $0) } }
            serials.complete(&changes)
            #expect(changes.zones.first?.newSerial == (isFirst ? 7 : nil))
            #expect(changes.zones.first?.oldSerial == nil)
        }
    }

    /// What was there is known, so that what was sent before does not matter.
    @Test func serialsOfComparisonsAreTheirOwn() throws {
        var serials = Serials()
        let key = try Stored.key(1, "", .soa)
        let cases: [(old: UInt32?, new: UInt32)] = [(nil, 5), (3, 7), (nil, 7), (7, 7)]
        for (old, new) in cases {
            var changes = ChangeCollection(keepsValues: false)
            merged(&changes, key, old.map(Stored.soa), Stored.soa(new))
            serials.complete(&changes)
            let isRewritten = old == new
            #expect(changes.zones.first?.oldSerial == (isRewritten ? nil : old))
            #expect(changes.zones.first?.newSerial == (isRewritten ? nil : new))
        }
    }

    private static let one: [UInt8] = [192, 0, 2, 1]
    private static let two: [UInt8] = [192, 0, 2, 2]
    private static let sameCases: [([UInt8], [UInt8], String)] = [
        (Stored.records(one, two), Stored.records(two, one), "rrsets_rewritten=1"),
        (Stored.records(one, one, two), Stored.records(two, two, one), "rrsets_changed=1"),
        (Stored.records(one), Stored.records(two), "rrsets_changed=1"),
        (Stored.records(one), Stored.records(one, ttl: 60), "rrsets_changed=1"),
        (Stored.records(one), Array(Stored.records(one).dropLast(2)) + [1, 1], "rrsets_changed=1"),
        (Stored.records(one), Array(Stored.records(one).dropLast(3)) + [0, 0, 0], "rrsets_rewritten=1"),
        (Stored.records(one), Array(Stored.records(one).dropLast(1)), "rrsets_changed=1"),
    ]

    @Test(arguments: sameCases)
    func recordsAreComparedByWhatDNSSees(old: [UInt8], new: [UInt8], field: String) throws {
        var changes = ChangeCollection(keepsValues: false)
        merged(&changes, try Stored.key(1, "www", .a), old, new)
        #expect(try lines(changes) == ["merged changes of zone \(field) zone=#1"])
        #expect(changes.totals.isNews)
    }

    @Test func moreZonesThanAreListedAreAll() throws {
        var changes = ChangeCollection(keepsValues: false)
        for id in 0...UInt32(MergedZones.most) {
            merged(&changes, try Stored.key(id, "a", .a), nil, Stored.records([10, 0, 0, 1]))
        }
        let name = SnapshotName(database: "shard", instance: "a", timestamp: 1)
        let job = ChangeJob(
            database: "shard", role: .shard, snapshot: name, position: name, direction: .merged, changes: changes)
        #expect(job.mergedZones([:]).zones == .all)
    }
}
