import Dispatch
import Foundation
import Support
import Synchronization
import TestSupport
import Testing

@testable import Snapshots

@Suite("Writing")
struct WriterTests {
    @Test("what is written is read", arguments: 0..<40 as Range<UInt64>)
    func roundTrip(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let contents = Self.randomContents(&random)
        let chunkSize = [1, 50, 1000, 20_000, SnapshotWriter.chunkSize].randomElement(using: &random) ?? 1
        let read = try Contents(contents.written(chunkSize: chunkSize))
        #expect(read.joined == contents.databases, "seed \(seed)")
        #expect(read.meta == contents.meta, "seed \(seed)")
        #expect(read.formatVersion == 3)
    }

    private static func randomContents(_ random: inout SeededGenerator) -> Contents {
        let meta = SnapshotMeta(
            generationID: "GX", instanceID: "ns \(random.next())", hostname: "host", transactionID: .random(in: -9...9),
            timestamp: random.next(), databaseName: "main",
            fromTransactionID: [0, 1, .max].randomElement(using: &random) ?? 0,
            from: [0, 1, .max].randomElement(using: &random) ?? 0,
            positions: Dictionary((0..<UInt64.random(in: 0...5, using: &random)).map { ("ns\($0)", $0 + 1) }) { $1 },
            readsDeltas: Bool.random(using: &random))
        let databases = (0..<Int.random(in: 0...4, using: &random)).map { index in
            let isDupSort = Bool.random(using: &random)
            let sizes = [0, 1, 10, 127, 128, 300, 16_383, 16_384, 20_000]
            let entries = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                let largest = sizes.prefix(Int.random(in: 1...sizes.count, using: &random)).last ?? 0
                return Entry(
                    random.bytes(Int.random(in: 0...min(largest, 600), using: &random)),
                    random.bytes(Int.random(in: 0...largest, using: &random)),
                    [0, 1, .max, random.next()].randomElement(using: &random) ?? 0, Bool.random(using: &random))
            }
            return Database(
                name: "dbi \(index)", flags: isDupSort ? 0x04 | random.next() : random.next() & ~0x04,
                transform: isDupSort ? "dupsort_hack_v1" : "", entries: entries)
        }
        return Contents(databases: databases, meta: meta)
    }

    @Test("a DBI is cut into parts, each with name, flags and transform in front", arguments: [100, 1000, 5000])
    func chunks(_ chunkSize: Int) throws {
        let entries = (0..<1000).map { Entry("key \($0)", "value \($0)", UInt64($0)) }
        let contents = Contents(databases: [
            Database(name: "a", flags: 0x0c, transform: "dupsort_hack_v1", entries: entries),
            Database(name: "b", flags: 0x08, entries: Array(entries[..<10])),
        ])
        let spool = try contents.written(chunkSize: chunkSize)
        let read = try Contents(spool)
        #expect(read.joined == contents.databases)
        let message = try gunzip(spool)
        // The last part of each may be short; names, flags and transforms come on top.
        let size = message.count / (read.databases.count - 1)
        #expect(size > chunkSize / 2 && size < chunkSize + 100)
        #expect(read.databases.allSatisfy { !$0.entries.isEmpty })

        var reader = SnapshotReader(spool, maximumEntrySize: 100)
        var event = try reader.next()
        while event != .end {
            if event == .databaseBegin {
                #expect(reader.databaseFlags == (reader.databaseName == "a" ? 0x0c : 0x08))
                #expect(reader.databaseTransform == (reader.databaseName == "a" ? "dupsort_hack_v1" : ""))
            }
            event = try reader.next()
        }
    }

    @Test("parts grow to about 2 MiB")
    func chunkSize() throws {
        let value = [UInt8](repeating: 1, count: 1000)
        let entries = (0..<7000).map { Entry(Array("\($0)".utf8), value, 1) }
        let read = try Contents(Contents(databases: [Database(name: "d", entries: entries)]).written())
        // Of 16 KiB, 64 KiB, 256 KiB, 1 MiB, and the rest.
        #expect(read.databases.count == 7)
        #expect(read.joined.first?.entries == entries)
    }

    @Test("an entry may be larger than a part")
    func largeEntry() throws {
        let large = [UInt8](repeating: 9, count: 5 << 20)
        let entries = [Entry("a", "1"), Entry(Array("b".utf8), large, 1), Entry("c", "3"), Entry(large, [], 2)]
        let read = try Contents(Contents(databases: [Database(name: "d", entries: entries)]).written())
        #expect(read.joined.first?.entries == entries)
        #expect(read.databases.count == 4)
    }

    @Test("an empty DBI is written once, and no empty part behind a full one")
    func emptyDatabases() throws {
        let contents = Contents(databases: [
            Database(name: "empty"), Database(name: "d", entries: [Entry("k", "v")]),
            Database(name: "empty too", flags: 8),
        ])
        for chunkSize in [1, 10, 1000] {
            #expect(try Contents(contents.written(chunkSize: chunkSize)).databases == contents.databases)
        }
    }

    @Test("fields of zero or nothing are left out, in the order of the field")
    func bytes() throws {
        let contents = Contents(databases: [
            Database(
                name: "d", flags: 4, transform: "dupsort_hack_v1",
                entries: [Entry("k", "v", 1, true), Entry("k", "", 0), Entry("", "v", 0), Entry("", "", 0)])
        ])
        let database = Message().field(1, "d").varint(3, 4).field(4, "dupsort_hack_v1")
            .field(2, Message().field(1, "k").field(2, "v").varint(4, 1).fixed64(3, 1)).field(
                2, Message().field(1, "k")
            )
            .field(2, Message().field(2, "v")).field(2, Message())
        #expect(
            try gunzip(contents.written())
                == Message().varint(1, 3).varint(4, 1).field(3, database).bytes)
    }

    @Test("nothing that others must not see, or could not read, is written")
    func refusals() throws {
        let rows: [(String, UInt64, String, String)] = [
            ("_sync", 0, "", "private"), ("_sync_shadow_x", 0, "", "private"), ("", 0, "", "1 to 511 bytes"),
            ("a\0b", 0, "", "1 to 511 bytes"), (String(repeating: "n", count: 512), 0, "", "1 to 511 bytes"),
            ("d", 0, "rot13", "unknown"), ("d", 4, "", "MDB_DUPSORT"), ("d", 0, "dupsort_hack_v1", "MDB_DUPSORT"),
        ]
        var writer = try SnapshotWriter(SnapshotMeta())
        for (name, flags, transform, text) in rows {
            var description = "nothing was thrown"
            do { try writer.beginDatabase(name, flags: flags, transform: transform) } catch { description = "\(error)" }
            #expect(description.contains(text))
        }
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        var errors = 0
        do { try writer.append(key: none, value: none, timestamp: 1, isDeleted: false) } catch { errors += 1 }
        try writer.beginDatabase("d", flags: 0)
        try writer.append(key: none, value: none, timestamp: 1, isDeleted: false)
        try writer.endDatabase()
        do { try writer.append(key: none, value: none, timestamp: 1, isDeleted: false) } catch { errors += 1 }
        #expect(errors == 2)
        let contents = try Contents(writer.finish())
        #expect(contents.databases == [Database(name: "d", entries: [Entry("", "", 1)])])
    }

    // Writes until there is an error.
    private static func fill(_ writer: inout SnapshotWriter) -> (any Error)? {
        var random = SeededGenerator(seed: 3)
        let noise = random.bytes(100_000)
        do {
            try writer.beginDatabase("d", flags: 0)
            for _ in 0..<50 {
                try noise.withUnsafeBytes { try writer.append(key: $0, value: $0, timestamp: 1, isDeleted: false) }
            }
            return nil
        } catch {
            return error
        }
    }

    @Test("an error of the other thread is thrown, and does not block")
    func sinkFails() throws {
        // The error comes at any moment, of which only some would block; so many times, and on a thread that
        // this one can give up waiting for.
        let messages = Mutex<[String]>([])
        let done = DispatchSemaphore(value: 0)
        let thread = Thread {
            for _ in 0..<30 {
                guard
                    var writer = try? SnapshotWriter(
                        SnapshotMeta(), chunkSize: 1000,
                        sink: { SpoolWriter(memoryLimit: 1000, directory: "/nonexistent") })
                else { continue }
                let error = Self.fill(&writer)
                let last = Self.failure(of: writer)
                messages.withLock { $0 += [error.map { "\($0)" } ?? "", last ?? ""] }
            }
            done.signal()
        }
        thread.start()
        #expect(done.wait(timeout: .now() + 60) == .success, "it blocks")
        let all = messages.withLock { $0 }
        #expect(all.count == 60)
        #expect(all.allSatisfy { $0.contains("/nonexistent") && $0.contains("No such file") })
    }

    @Test("an error of the other thread is thrown in the end, when it was not before")
    func sinkFailsLate() throws {
        var writer = try SnapshotWriter(SnapshotMeta(), chunkSize: 1000) {
            SpoolWriter(memoryLimit: 1, directory: "/nonexistent")
        }
        try writer.beginDatabase("d", flags: 0)
        #expect(Self.failure(of: writer)?.contains("/nonexistent") == true)
    }

    private static func failure(of writer: consuming SnapshotWriter) -> String? {
        do {
            _ = try writer.finish()
            return nil
        } catch {
            return "\(error)"
        }
    }

    // Lives as long as the thread's job.
    private final class Token: Sendable {}

    @Test("a writer that is dropped ends its thread", arguments: [0, 1, 2])
    func dropped(_ stage: Int) throws {
        weak var token: Token?
        do {
            let strong = Token()
            token = strong
            var writer = try SnapshotWriter(SnapshotMeta(), chunkSize: 100) {
                _ = strong
                return SpoolWriter()
            }
            if stage > 0 { try writer.beginDatabase("d", flags: 0) }
            if stage > 1 { #expect(Self.fill(&writer) == nil) }
        }
        #expect(token == nil)
    }
}
