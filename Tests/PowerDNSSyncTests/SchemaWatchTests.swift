import LMDB
import PowerDNSFormat
import PowerDNSTestSupport
import Snapshots
import Synchronization
import TestSupport
import Testing

@testable import PowerDNSSync

/// What PowerDNS keeps in a way that is not synced as a whole.
@Suite(.timeLimit(.minutes(5))) struct SchemaWatchTests {
    private func problem(
        _ entries: [(String, [UInt8])], isShadowed: Bool = false, databases: Int = 2
    ) throws -> String? {
        let environment = try Environment.temporary(mapSize: 1 << 20)
        try environment.write { transaction in
            let table = try transaction.database("pdns", creating: [])
            for (key, value) in entries {
                try Array(key.utf8).withUnsafeBytes { key in
                    try value.withUnsafeBytes { try transaction.put(table, key, $0) }
                }
            }
            return .commit(())
        }
        return try environment.read { try SchemaWatch.problem($0, isShadowed: isShadowed, databases: databases) }
    }

    private static func stored(_ number: UInt32) -> [UInt8] {
        [UInt8](repeating: 0, count: EntryHeader.size) + Bytes.big(number)
    }

    @Test func spreadRecordsAndValuesWithoutHeadersAreTold() throws {
        let good = [("schemaversion", Self.stored(5)), ("shards", Self.stored(1))]
        #expect(try problem(good) == nil)
        #expect(try problem([]) == nil)
        #expect(
            try problem([good[0], ("shards", Self.stored(64))])?.contains("in 64 files (lmdb-shards=64)") == true)
        let old = [("schemaversion", Bytes.little(UInt32(3))), ("shards", Bytes.little(UInt32(64)))]
        #expect(try problem(old)?.contains("schema 3") == true)
        #expect(try problem(old, isShadowed: true)?.contains("2 databases are synced") == true)
        #expect(try problem(old, isShadowed: true, databases: 65) == nil)
        let one = [old[0], ("shards", Bytes.little(UInt32(1)))]
        #expect(try problem(one, isShadowed: true) == nil)
        // With one database the records are not synced, whichever mode it is in.
        let main = "its records in a second file, whose name ends with -0"
        #expect(try problem(one, isShadowed: true, databases: 1)?.contains(main) == true)
        #expect(try problem(good, databases: 1)?.contains(main) == true)
    }

    /// Others would get values with headers inside of values.
    @Test func shadowsOfWhatHasHeadersAreTold() throws {
        let good = [("schemaversion", Self.stored(6)), ("shards", Self.stored(1))]
        #expect(try problem(good, isShadowed: true)?.contains("schema_tracks_changes is false") == true)
        // PowerDNS goes by the last four bytes.
        let padded = [("schemaversion", Self.stored(0) + Bytes.big(UInt32(6))), ("shards", Self.stored(64))]
        #expect(try problem(padded, isShadowed: true)?.contains("schema 6") == true)
        #expect(try problem(padded)?.contains("lmdb-shards=64") == true)
    }

    @Test func itIsToldOnceAndWhenItIsOver() async throws {
        let writer = try PowerDNSWriter()
        try writer.put(.settings, Array("shards".utf8), Bytes.big(UInt32(64)))
        let main = writer.main
        let (log, warnings) = (LogLines(), Warnings())
        let watch = SchemaWatch(shadowed: [], databases: 2, logger: log.logger) { warnings.add($0, $1) }
        watch.observe(.opened(main), of: "main")
        watch.observe(.opened(writer.shard), of: "shard")
        try await watch.run {
            try await eventually { warnings.last["main_powerdns"] != nil }
            #expect(log.contains("lmdb-shards=64"))
            try main.write { transaction in
                let settings = try transaction.database("pdns", creating: [])
                try Array("shards".utf8).withUnsafeBytes { key in
                    try Self.stored(1).withUnsafeBytes { try transaction.put(settings, key, $0) }
                }
                return .commit(())
            }
            watch.observe(.opened(main), of: "main")
            try await eventually { log.contains("can be synced completely now") }
        }
        #expect(warnings.last["main_powerdns"] == .some(nil))
        #expect(log.count("lmdb-shards=64") == 1)
    }

    private final class Warnings: Sendable {
        private let all = Mutex<[String: String?]>([:])
        var last: [String: String?] { all.withLock(\.self) }
        func add(_ check: String, _ text: String?) { all.withLock { $0[check] = .some(text) } }
    }
}
