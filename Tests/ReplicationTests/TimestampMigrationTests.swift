import LMDB
import Simulator
import Snapshots
import TestSupport
import Testing

@testable import Replication

/// Timestamps carried over from one DBI to another, in a real LMDB.
@Suite struct TimestampMigrationTests {
    private typealias Report = TimestampMigration.Report

    private let directory: ScratchDirectory
    private let environment: LMDB.Environment

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
    }

    private func write(_ dbi: String, _ entries: [(String, TestVersion)], flags: DatabaseFlags = []) throws {
        try environment.applicationWrite(
            entries.map { (TestKey(database: dbi, key: Array($0.0.utf8)), $0.1) }, flags: flags)
    }

    /// Everything as it is stored, headers included; nil for a DBI that is not there.
    private func stored(_ dbi: String) throws -> [[UInt8]: [UInt8]]? {
        try environment.read { transaction in
            guard let database = try transaction.database(dbi) else { return nil }
            var cursor = try transaction.openCursor(database)
            var entries: [[UInt8]: [UInt8]] = [:]
            while try cursor.next() { entries[Array(cursor.key)] = Array(cursor.value) }
            return entries
        }
    }

    private func put(_ dbi: String, _ key: [UInt8], _ value: [UInt8], flags: DatabaseFlags = []) throws {
        try environment.write { transaction in
            let database = try transaction.database(dbi, creating: flags)
            try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(database, key, $0) } }
            return .commit(())
        }
    }

    private func version(_ dbi: String, _ key: String) throws -> TestVersion? { try version(dbi, Array(key.utf8)) }

    private func version(_ dbi: String, _ key: [UInt8]) throws -> TestVersion? {
        guard let value = try stored(dbi)?[key] else { return nil }
        return try value.withUnsafeBytes { bytes in
            let entry = try EntryHeader.parse(bytes)
            return TestVersion(
                timestamp: entry.header.timestamp, isDeleted: entry.header.isDeleted, value: Array(entry.payload))
        }
    }

    private func migrate(
        _ source: String = "a", _ destination: String = "b", adds: Bool = true, padding: Bool = false
    ) throws -> TimestampMigration.Report? {
        try TimestampMigration(source: source, destination: destination, addsDeleted: adds, paddingBlock: padding)
            .run(environment)
    }

    /// The line of the error; the LMDB must be as it was.
    private func refusal(_ source: String = "a", _ destination: String = "b") throws -> String? {
        let before = (try stored(source), try stored(destination), environment.info.lastTransactionID)
        defer { #expect(environment.info.lastTransactionID == before.2) }
        do {
            _ = try migrate(source, destination)
        } catch let error as LocalContentError {
            #expect(try stored(source) == before.0)
            #expect(try stored(destination) == before.1)
            return error.description
        }
        return nil
    }

    @Test(arguments: [false, true]) func copiesByKey(adds: Bool) throws {
        try write(
            "a",
            [
                ("both", TestVersion(500, "v")), ("changed", TestVersion(500, "old")), ("deleted", .deleted(600)),
                ("deleted-in-both", .deleted(600)), ("live-again", .deleted(600)), ("lower", TestVersion(100, "v")),
                ("missing", TestVersion(700, "v")), ("same", TestVersion(300, "v")),
            ])
        try write(
            "b",
            [
                ("both", TestVersion(0, "v")), ("changed", TestVersion(1, "new")), ("deleted-in-both", .deleted(0)),
                ("live-again", TestVersion(0, "v")), ("lower", TestVersion(200, "v")), ("only-b", TestVersion(1, "v")),
                ("same", TestVersion(300, "v")),
            ])
        let source = try stored("a")
        #expect(
            try migrate(adds: adds)
                == Report(
                    copied: 4, kept: 2, added: adds ? 1 : 0, deletedLeftOut: adds ? 0 : 1, missing: 1, differing: 2))
        #expect(try version("b", "both") == TestVersion(500, "v"))
        #expect(try version("b", "changed") == TestVersion(500, "new"))
        #expect(try version("b", "deleted") == (adds ? .deleted(600) : nil))
        #expect(try version("b", "deleted-in-both") == .deleted(600))
        #expect(try version("b", "live-again") == TestVersion(600, "v"))
        #expect(try version("b", "lower") == TestVersion(200, "v"))
        #expect(try version("b", "missing") == nil)
        #expect(try version("b", "only-b") == TestVersion(1, "v"))
        #expect(try version("b", "same") == TestVersion(300, "v"))
        #expect(try stored("a") == source)
        // Once more is no change, and takes no write lock.
        let last = environment.info.lastTransactionID
        let again = try #require(try migrate(adds: adds))
        #expect((again.copied, again.added) == (0, 0))
        #expect(again.kept == (adds ? 7 : 6))
        #expect(environment.info.lastTransactionID == last)
    }

    @Test func allIsOneTransactionWhoseIDIsInTheHeaders() throws {
        try write("a", (0..<3000).map { ("key \($0)", TestVersion(500, "v")) })
        try write("b", (0..<3000).map { ("key \($0)", TestVersion(0, "v")) })
        let before = environment.info.lastTransactionID
        #expect(try migrate()?.copied == 3000)
        #expect(environment.info.lastTransactionID == before + 1)
        let ids = try #require(try stored("b")).values.map { Array($0[8..<16]) }
        #expect(Set(ids) == [[0, 0, 0, 0, 0, 0, 0, UInt8(before + 1)]])
    }

    /// Whatever is behind the first 16 bytes.
    @Test func theRestOfAHeaderAndItsExtensionsStay() throws {
        try write("a", [("k", TestVersion(500, "v"))])
        let rest: [UInt8] = [0, 0x80, 1, 2, 3, 4, 0, 1] + [9, 8, 7, 6, 5, 4, 3, 2] + Array("value".utf8)
        try put("b", Array("k".utf8), [UInt8](repeating: 0, count: 16) + rest)
        #expect(try migrate()?.copied == 1)
        #expect(try Array(#require(try stored("b")?[Array("k".utf8)]).dropFirst(16)) == rest)
        #expect(try version("b", "k")?.timestamp == 500)
    }

    @Test func addedHeadersHaveTheConfiguredPadding() throws {
        try write("a", [("gone", .deleted(5))])
        try write("b", [("k", TestVersion(1, "v"))])
        #expect(try migrate(padding: true)?.added == 1)
        #expect(try stored("b")?[Array("gone".utf8)]?.count == 32)
        #expect(try version("b", "gone") == .deleted(5))
    }

    @Test func valuesOfAnySizeStay() throws {
        let values = [0, 1, 2000, 5000, 300_000].map { String(repeating: "x", count: $0) }
        try write("a", values.indices.map { ("\($0)", TestVersion(500, "")) })
        try write("b", values.indices.map { ("\($0)", TestVersion(0, values[$0])) })
        #expect(try migrate()?.copied == 5)
        for (index, value) in values.enumerated() { #expect(try version("b", "\(index)") == TestVersion(500, value)) }
    }

    /// Of shadows that an early release of the Go program has made, also beside those with headers of today.
    @Test(arguments: [false, true]) func oldHeadersAreTimestampsAlone(adds: Bool) throws {
        func old(_ timestamp: UInt64, _ value: String = "") -> [UInt8] {
            withUnsafeBytes(of: timestamp.bigEndian) { Array($0) } + Array(value.utf8)
        }
        try put("a", Array("changed".utf8), old(500, "another"))
        try put("a", Array("deleted".utf8), old(600))
        try put("a", Array("deleted-in-b".utf8), old(600))
        try put("a", Array("live".utf8), old(500, "v"))
        try put("a", Array("long".utf8), old(500, String(repeating: "v", count: 60)))
        try put("a", Array("missing".utf8), old(500, "v"))
        try write("a", [("today", TestVersion(500, "v"))])
        try write(
            "b",
            [
                ("changed", TestVersion(0, "v")), ("deleted-in-b", .deleted(100)), ("live", TestVersion(400, "v")),
                ("long", TestVersion(500, String(repeating: "v", count: 60))), ("today", TestVersion(0, "v")),
            ])
        #expect(
            try migrate(adds: adds)
                == Report(
                    copied: 4, kept: 1, added: adds ? 1 : 0, deletedLeftOut: adds ? 0 : 1, missing: 1, differing: 1))
        #expect(try version("b", "changed") == TestVersion(500, "v"))
        #expect(try version("b", "deleted") == (adds ? .deleted(600) : nil))
        #expect(try version("b", "deleted-in-b") == .deleted(600))
        #expect(try version("b", "live") == TestVersion(500, "v"))
        #expect(try version("b", "today") == TestVersion(500, "v"))
    }

    /// An application's value is no time; eight of its bytes would be one far in the future.
    @Test func whatIsNoHeaderIsNoOldOneEither() throws {
        try write("b", [("k", TestVersion(0, "v"))])
        for value in ["no header at all", "12345678", "short"] {
            try put("a", [0x6b], Array(value.utf8))
            #expect(try refusal()?.hasPrefix("the value of key k in DBI a has no valid LS header") == true)
        }
    }

    @Test func whatIsNewerByThenIsLeftAsItIs() throws {
        try write(
            "a",
            [
                ("changed", TestVersion(500, "v")), ("dropped", TestVersion(500, "v")), ("gone", .deleted(500)),
                ("still", TestVersion(500, "v")), ("still-gone", .deleted(500)),
            ])
        try write("b", ["changed", "dropped", "still"].map { ($0, TestVersion(0, "v")) })
        let migration = TimestampMigration(source: "a", destination: "b", addsDeleted: true)
        let (report, plan) = try #require(try environment.read { try migration.compare($0) })
        #expect(report == Report(copied: 3, added: 2))
        try write("b", [("changed", TestVersion(600, "new")), ("gone", TestVersion(0, "new"))])
        try environment.write { transaction in
            let database = try #require(try transaction.database("b"))
            try Array("dropped".utf8).withUnsafeBytes { _ = try transaction.delete(database, $0) }
            return .commit(())
        }
        let late = try environment.write { .commit(try migration.apply(plan, $0)) }
        #expect((late.copied, late.added) == (2, 1))
        #expect(try version("b", "changed") == TestVersion(600, "new"))
        #expect(try version("b", "dropped") == nil)
        #expect(try version("b", "gone") == TestVersion(0, "new"))
        #expect(try version("b", "still") == TestVersion(500, "v"))
        #expect(try version("b", "still-gone") == .deleted(500))
    }

    // MARK: Keys

    @Test(arguments: [false, true]) func nativeIntegersBecomeBigEndian(isWide: Bool) throws {
        let native = { (number: UInt64) in
            isWide ? withUnsafeBytes(of: number) { Array($0) } : withUnsafeBytes(of: UInt32(number)) { Array($0) }
        }
        let big = { (number: UInt64) in
            let bytes = withUnsafeBytes(of: number.bigEndian) { Array($0) }
            return isWide ? bytes : Array(bytes.suffix(4))
        }
        let numbers: [UInt64] = [0, 1, 255, 256, 0x0102_0304, 0xffff_fffe]
        try environment.applicationWrite(
            numbers.map { (TestKey(database: "a", key: native($0)), TestVersion(500 + $0, "v")) }
                + [(TestKey(database: "a", key: native(77)), .deleted(9))], flags: .integerKey)
        try environment.applicationWrite(numbers.map { (TestKey(database: "b", key: big($0)), TestVersion(0, "v")) })
        #expect(try migrate() == Report(copied: 6, added: 1, conversion: .bigEndian))
        for number in numbers { #expect(try version("b", big(number)) == TestVersion(500 + number, "v")) }
        #expect(try version("b", big(77)) == .deleted(9))
        #expect(try stored("b")?.count == 7)
    }

    @Test func integersStayWhereBothHaveThem() throws {
        for (dbi, time) in [("a", UInt64(500)), ("b", 0)] {
            try environment.applicationWrite(
                [1, 0, 7].map { (TestKey(database: dbi, key: [$0, 1, 0, 0]), TestVersion(time, "v")) },
                flags: .integerKey)
        }
        #expect(try migrate() == Report(copied: 3))
        #expect(try version("b", [7, 1, 0, 0])?.timestamp == 500)
    }

    /// The bytes are those of a real PowerDNS 4.7, and of what 4.9 made of it.
    @Test func powerDNSIndex() throws {
        let name = Array("org\0example\0".utf8)
        let shadow = { (id: [UInt8]) in name + [0, 0, 0, 0] + id + [12] }
        let native = [0x2d38_9546, 0x0102_0304].map { (id: UInt32) in withUnsafeBytes(of: id) { Array($0) } }
        try environment.applicationWrite([
            (
                TestKey(database: "_sync_shadow_domains_0", key: shadow(native[0])),
                TestVersion(timestamp: 500, isDeleted: false, value: native[0])
            ),
            (TestKey(database: "_sync_shadow_domains_0", key: shadow(native[1])), .deleted(600)),
            // The root zone.
            (
                TestKey(database: "_sync_shadow_domains_0", key: [0, 0, 0, 0, 0] + native[0] + [1]),
                TestVersion(700, "")
            ),
        ])
        let index = { (name: [UInt8], id: [UInt8]) in [0, UInt8(name.count)] + name + id }
        let (live, gone) = (index(name, [0x2d, 0x38, 0x95, 0x46]), index(name, [1, 2, 3, 4]))
        try environment.applicationWrite([
            (TestKey(database: "domains_v5_0", key: index([0], [0x2d, 0x38, 0x95, 0x46])), TestVersion(0, "")),
            (TestKey(database: "domains_v5_0", key: live), TestVersion(0, "")),
        ])
        #expect(
            try migrate("_sync_shadow_domains_0", "domains_v5_0")
                == Report(copied: 2, added: 1, conversion: .powerDNSIndex))
        #expect(try version("domains_v5_0", live) == TestVersion(500, ""))
        #expect(try version("domains_v5_0", gone) == .deleted(600))
        #expect(try stored("domains_v5_0")?.count == 3)
        // Under any other name the keys are what they are.
        try environment.applicationWrite([(TestKey(database: "other", key: shadow(native[1])), .deleted(0))])
        #expect(try migrate("_sync_shadow_domains_0", "other") == Report(copied: 1, missing: 2))
    }

    @Test(
        arguments: [
            [1], [0, 0, 0, 0, 0, 1, 2, 3, 4, 2], [0, 0, 0, 0, 1, 1, 2, 3, 4, 1], [0, 0, 0, 0, 0, 1, 2, 3, 1],
            [0, 0, 0, 0, 0, 1, 2, 3, 4, 255],
        ] as [[UInt8]])
    func anIndexKeyOfAnotherFormIsRefused(_ key: [UInt8]) throws {
        try environment.applicationWrite([
            (TestKey(database: "_sync_shadow_tsig_0", key: key), TestVersion(1, "")),
            (TestKey(database: "tsig_v5_0", key: [1]), TestVersion(0, "")),
        ])
        let line = try #require(try refusal("_sync_shadow_tsig_0", "tsig_v5_0"))
        #expect(line.contains("of DBI _sync_shadow_tsig_0 is not a key of the shadow of an index of PowerDNS 4.7"))
    }

    // MARK: Refusals

    @Test func aMissingSourceIsTold() throws {
        try write("b", [("k", TestVersion(1, "v"))])
        #expect(try migrate() == nil)
        #expect(try migrate("a", "c") == nil)
        #expect(try refusal("b", "c")?.hasPrefix("the destination DBI c does not exist") == true)
        #expect(try stored("c") == nil)
    }

    @Test(arguments: [("a", "b"), ("b", "a")])
    func aValueWithoutHeaderChangesNothing(_ bad: String, _ good: String) throws {
        for dbi in [bad, good] {
            try write(dbi, [("first", TestVersion(dbi == "a" ? 5 : 0, "v")), ("second", TestVersion(0, "v"))])
        }
        try put(bad, Array("second".utf8), Array("short".utf8))
        let line = try #require(try refusal())
        #expect(line.hasPrefix("the value of key second in DBI \(bad) has no valid LS header"))
    }

    @Test func aDestinationWithoutHeadersIsLeftAlone() throws {
        try write("a", [("gone", .deleted(5))])
        try put("b", Array("other".utf8), Array("no header".utf8))
        #expect(try refusal()?.hasPrefix("the value of key other in DBI b has no valid LS header") == true)
        try write("_sync_shadow_c", [("k", TestVersion(1, "v"))])
        try write("c", [("k", TestVersion(0, "v"))])
        #expect(try refusal("a", "c")?.hasPrefix("DBI c has a shadow DBI, so its values have no headers") == true)
    }

    @Test(arguments: [("a", "b"), ("b", "a")])
    func severalValuesAKeyAreRefused(_ several: String, _ one: String) throws {
        try write(one, [("k", TestVersion(1, "v"))])
        try write(several, [("k", TestVersion(1, "v"))], flags: .duplicateSort)
        #expect(try refusal()?.hasPrefix("DBI \(several) has the flags MDB_DUPSORT: ") == true)
    }

    @Test func keysThatCannotBeTheSameAreRefused() throws {
        try write("a", [("1234", TestVersion(1, "v"))])
        try write("b", [("1234", TestVersion(0, "v"))], flags: .integerKey)
        #expect(try refusal()?.hasPrefix("DBI b has MDB_INTEGERKEY, but DBI a has not") == true)
        try write("wide", [("12345678", TestVersion(1, "v"))], flags: .integerKey)
        #expect(try refusal("wide", "b")?.hasPrefix("key 12345678 of DBI wide can't be a key of DBI b") == true)
    }
}
