import LMDB
import Simulator
import Snapshots
import Testing

@testable import Replication

@Suite struct DupSortTransformTests {
    private static func encode(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        var buffer = [UInt8](repeating: 0xaa, count: DupSortTransform.longest)
        let count = key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                buffer.withUnsafeMutableBytes { DupSortTransform.encode(key, value, into: $0) }
            }
        }
        return Array(buffer[..<count])
    }

    private static func decode(_ bytes: [UInt8]) -> (key: [UInt8], value: [UInt8], isCut: Bool)? {
        bytes.withUnsafeBytes { bytes in
            DupSortTransform.decode(bytes).map { (Array($0.key), Array($0.value), $0.isCut) }
        }
    }

    private static func check(_ key: [UInt8], _ version: TestVersion) -> String {
        message(RefusedSnapshot.self) {
            try key.withUnsafeBytes { key in
                _ = try version.withVersion { try DupSortTransform.check(key, $0, "members") }
            }
        }
    }

    // What the Go program makes of them.
    @Test func examples() {
        #expect(Self.encode(Array("ab".utf8), Array("cd".utf8)) == [0x61, 0x62, 0, 0, 0, 0, 0x63, 0x64, 2])
        #expect(Self.encode([0], []) == [0, 0, 0, 0, 0, 1])
        #expect(Self.encode([0, 0], [0]) == [0, 0, 0, 0, 0, 0, 0, 2])
    }

    @Test(arguments: [1, 2, 254, 255], [0, 1, 250, 251, 252, 504, 505, 506, 511])
    func thereAndBack(keySize: Int, valueSize: Int) throws {
        let key = (0..<keySize).map { UInt8(truncatingIfNeeded: $0 + 1) }
        let value = (0..<valueSize).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let bytes = Self.encode(key, value)
        #expect(bytes == transformed(key, value))
        #expect(bytes.count <= 511)
        let parts = try #require(Self.decode(bytes))
        #expect(parts.key == key)
        #expect(parts.value == value.prefix(506 - keySize)[...].map { $0 })
        // One that just fits looks like one that is cut.
        #expect(parts.isCut == (valueSize >= 506 - keySize))
        #expect(Self.check(bytes, .init(timestamp: 1, isDeleted: false, value: value)) == "")
        #expect(Self.check(bytes, .deleted(1)) == "")
    }

    @Test(
        arguments: [
            [], [0], [1], [0, 0, 0, 0, 1], [0x61, 0, 0, 0, 1], [0x61, 0, 0, 0, 0], [0x61, 0, 0, 0, 0, 0],
            [0x61, 0, 0, 0, 0, 2], [0x61, 0, 0, 1, 0, 1], [0x61, 0, 0, 0, 0, 0x62, 200],
            [0x61] + [UInt8](repeating: 0, count: 510) + [1],
        ] as [[UInt8]])
    func othersAreNone(bytes: [UInt8]) {
        #expect(Self.decode(bytes) == nil)
        let text = Self.check(bytes, .deleted(1))
        #expect(text.contains("DBI members") && text.contains("dupsort_hack_v1"))
    }

    @Test func theValueMustBeTheOneOfTheKey() {
        let key = transformed("key", "value")
        for value in ["valu", "values", "other", ""] {
            let text = Self.check(key, TestVersion(1, value))
            #expect(text.contains("key key in DBI members") && text.contains("does not match its transformed key"))
        }
        let long = String(repeating: "v", count: 511)
        let cut = transformed("key", long)
        #expect(Self.check(cut, TestVersion(1, long)) == "")
        #expect(Self.check(cut, TestVersion(1, long.dropLast(2) + "xy")) == "")
        #expect(Self.check(cut, TestVersion(1, String(long.prefix(502)))) != "")
        #expect(Self.check(cut, TestVersion(1, long + "v")).contains("512 bytes"))
    }

    // MARK: Walking a DBI

    private func capture(
        _ entries: [(key: [UInt8], value: [UInt8])], flags: DatabaseFlags = .duplicateSort
    ) throws -> (error: String, main: [TestKey: [UInt8]], versions: TestContents) {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        for (key, value) in entries { try environment.appPut(key, value, in: "members", flags: flags) }
        let before = environment.lastTransaction
        var capture = Capture(schema: LMDB.Environment.shadows)
        let text = message(LocalContentError.self) { try capture.run(environment, at: 5) }
        if !text.isEmpty { #expect(environment.lastTransaction == before) }
        return (text, try environment.main(), try environment.versions())
    }

    @Test func keysOf255BytesFitAndThoseOf256DoNot() throws {
        let fits = try capture([([UInt8](repeating: 1, count: 255), [1]), ([UInt8](repeating: 1, count: 255), [2])])
        #expect(fits.error == "" && fits.versions.count == 2 && fits.versions.live == fits.main)
        let text = try capture([(Array("x".utf8) + [UInt8](repeating: 1, count: 255), [1])]).error
        #expect(text.contains("x\\x01") && text.contains("DBI members") && text.contains("256 bytes"))
    }

    @Test func valuesThatAreTheSameAsFarAsTheyFitAreNamed() throws {
        let long = [UInt8](repeating: 0x76, count: 505)
        let text = try capture([(Array("key".utf8), long + [1]), (Array("key".utf8), long + [2])]).error
        #expect(text.contains("the key key of DBI members") && text.contains("with the same transformed key"))
        // One of them alone is fine, and so are two that differ before.
        let fine = try capture([(Array("key".utf8), long + [1]), (Array("key".utf8), [1] + long)])
        #expect(fine.error == "" && fine.versions.count == 2 && fine.versions.live == fine.main)
    }

    @Test func entriesOutOfOrderAreNamed() throws {
        // `a`, then `a` with a zero byte: behind the separator comes the value of the one, the rest of the other's key.
        let text = try capture([([0x61], Array("z".utf8)), ([0x61, 0], Array("b".utf8))]).error
        #expect(text.contains("the key a\\x00 of DBI members") && text.contains("sorts differently"))
        let reverse = try capture(
            [(Array("az".utf8), [2]), (Array("ba".utf8), [2])], flags: [.duplicateSort, .reverseKey]
        ).error
        #expect(reverse.contains("DBI members") && reverse.contains("sorts differently"))
        let integers = try capture(
            [(bytes(of: UInt32(2)), [2]), (bytes(of: UInt32(256)), [2])], flags: [.duplicateSort, .integerKey]
        ).error
        #expect(integers.contains("sorts differently"))
    }

    @Test func longValuesAreFoundWhateverTheirOrder() throws {
        for flags in [.duplicateSort, [.duplicateSort, .reverseDuplicates]] as [DatabaseFlags] {
            let value = [UInt8](repeating: 9, count: 510) + [1]
            let found = try capture([([7], value), ([8], value)], flags: flags)
            #expect(found.error == "" && found.versions.count == 2)
            #expect(found.versions.live == found.main)
        }
    }

    @Test func aDBIMadeAnewWithSeveralValuesIsTold() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        try environment.appPut("plain", "x")
        var capture = Capture(schema: LMDB.Environment.shadows)
        try capture.run(environment, at: 5)
        OtherOpening(directory.path).dropDatabase("records")
        try environment.appPut([1], [2], flags: .duplicateSort)
        let text = message(LocalContentError.self) { try capture.run(environment, at: 6) }
        #expect(
            text.contains("key plain") && text.contains("records") && text.contains("recreated with different flags"))
    }
}
