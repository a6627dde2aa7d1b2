import Support
import Testing

@testable import Snapshots

@Suite("Snapshots of release 1.0 and the LMDBs they were made of")
struct GoldenTests {
    @Test("decode to exactly what is in the LMDB", arguments: Fixture.all)
    func decode(_ fixture: Fixture) throws {
        let contents = try Contents(Spool(fixture.compressed()))
        let expected = try fixture.expected().map(\.database)
        #expect(!expected.isEmpty && expected.allSatisfy { !$0.entries.isEmpty })
        #expect(contents.databases == expected)
        #expect(contents.formatVersion == 3)

        let name = try #require(SnapshotName(fixture.snapshot))
        #expect(
            contents.meta
                == SnapshotMeta(
                    generationID: "GX", instanceID: name.instance, hostname: "vm", transactionID: 1,
                    timestamp: name.timestamp, databaseName: name.database))
    }

    @Test("have headers that come apart as an independent program takes them apart", arguments: Fixture.all)
    func headers(_ fixture: Fixture) throws {
        for raw in try fixture.expected() {
            for (entry, value) in zip(raw.database.entries, raw.values) {
                try value.withUnsafeBytes { bytes in
                    let parsed = try EntryHeader.parse(bytes)
                    #expect(Array(parsed.payload) == entry.value)
                    #expect(parsed.header.timestamp == entry.timestamp)
                    #expect(parsed.header.isDeleted == entry.isDeleted)
                    // PowerDNS's own header has nothing that we would not write.
                    let rewritten = [UInt8](unsafeUninitializedCapacity: EntryHeader.size) { buffer, count in
                        parsed.header.write(to: UnsafeMutableRawBufferPointer(buffer))
                        count = EntryHeader.size
                    }
                    #expect(rewritten == Array(bytes.prefix(EntryHeader.size)))
                }
            }
        }
    }

    @Test("are written byte for byte the same", arguments: Fixture.all)
    func write(_ fixture: Fixture) throws {
        let original = Spool(try fixture.compressed())
        let ours = try Contents(original).written()
        #expect(try gunzip(ours) == gunzip(original))
    }
}
