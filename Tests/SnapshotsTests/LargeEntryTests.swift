import Support
import TestSupport
import Testing

@testable import Snapshots

/// Entries that are not kept in memory, among others that are.
@Suite("Large entries")
struct LargeEntryTests {
    private static let limit = ByteWindow.largestInMemory

    private static func contents() -> Contents {
        var random = SeededGenerator(seed: 4)
        let sizes = [3, limit - 40, 0, limit, 7, limit + 1, 3 * limit + 12_345, 2 * limit, 5, 60_000]
        let entries = sizes.enumerated().map { index, size in
            // The start and the end are random, so that a shifted byte shows.
            var value = [UInt8](repeating: UInt8(index), count: size)
            for place in value.indices.prefix(100) + value.indices.suffix(100) {
                value[place] = random.next() >> 56 == 0 ? 0 : UInt8(truncatingIfNeeded: random.next())
            }
            return Entry(Array("key\(index)".utf8), value, UInt64(index + 1))
        }
        return Contents(databases: [Database(name: "a", entries: entries), Database(name: "b", entries: [entries[5]])])
    }

    @Test("are read as they are, however large the pieces of the file are")
    func read() throws {
        let contents = Self.contents()
        let read = try Contents(contents.written(), maximumEntrySize: 64 << 20)
        #expect(read.joined == contents.databases)
    }

    @Test("that are cut off, damaged or too large are refused")
    func refused() throws {
        let object = try bytes(Self.contents().written())
        for cut in [object.count / 4, object.count / 2, object.count * 3 / 4, object.count - 1] {
            let error = #expect(throws: SnapshotError.self) { try Contents(Spool(Array(object[..<cut]))) }
            #expect(error?.kind == .malformed)
        }
        let error = #expect(throws: SnapshotError.self) {
            try Contents(Spool(object), maximumEntrySize: 2 * Self.limit)
        }
        #expect(error?.kind == .tooLarge)
    }

    @Test("can be forgotten and looked at again")
    func forget() throws {
        let contents = Self.contents()
        var reader = SnapshotReader(try contents.written(), maximumEntrySize: 64 << 20)
        var index = 0
        while index < contents.databases[0].entries.count {
            guard case .entry = try reader.next() else { continue }
            reader.forget(reader.value)
            #expect(Array(reader.value) == contents.databases[0].entries[index].value)
            index += 1
        }
    }
}
