import Foundation
import LMDB
import Snapshots
import TestSupport
import Testing

@testable import PowerDNSFormat

/// A database that a real PowerDNS server made, with what its pdnsutil printed of it.
struct Fixture: CustomTestStringConvertible, Sendable {
    let version: String
    let style: ZoneTextStyle

    static let all = [
        Fixture(version: "4.9", style: .pdnsutil4), Fixture(version: "5.1", style: .pdnsutil5),
    ]

    static let directory = URL(filePath: #filePath).deletingLastPathComponent()

    var testDescription: String { "PowerDNS \(version)" }

    struct Entry {
        var key: [UInt8]
        var header: EntryHeader
        var payload: [UInt8]
    }

    /// All entries of both LMDBs, those that were deleted, too.
    func entries() throws -> [PowerDNSTable: [Entry]] {
        let directory = try TemporaryDirectory()
        var entries: [PowerDNSTable: [Entry]] = [:]
        for role in [PowerDNSRole.main, .shard] {
            let name = "pdns-\(version).\(role.rawValue).mdb"
            let source = Self.directory.deletingLastPathComponent().appending(path: "SnapshotsTests/Fixtures/\(name)")
            try Data(contentsOf: source).write(to: URL(filePath: directory.file(name)))
            let environment = try LMDB.Environment(
                EnvironmentOptions(
                    path: directory.file(name), noSubdirectory: true, create: false, mapSize: 0, maximumDatabases: 32))
            try environment.read { transaction in
                for database in try transaction.databases() {
                    let table = try #require(PowerDNSTable(rawValue: database.name))
                    #expect(table.role == role)
                    var cursor = try transaction.openCursor(database)
                    while try cursor.next() {
                        let parsed = try EntryHeader.parse(cursor.value)
                        entries[table, default: []].append(
                            Entry(key: Array(cursor.key), header: parsed.header, payload: Array(parsed.payload)))
                    }
                }
            }
        }
        return entries
    }

    /// The live entries of a table, decoded.
    func decoded(_ table: PowerDNSTable) throws -> [Decoded] {
        try (entries()[table] ?? []).filter { !$0.header.isDeleted }.map { try Decoded(table, $0) }
    }

    /// What pdnsutil printed of each zone, line by line.
    func listings() throws -> [String: [String]] {
        let file = Self.directory.appending(path: "Fixtures/pdns-\(version).list-zone.txt")
        var listings: [String: [String]] = [:]
        var zone = ""
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            if line.hasPrefix("== list-zone ") {
                zone = String(line.dropFirst("== list-zone ".count))
            } else if line != "$ORIGIN ." {
                listings[zone, default: []].append(String(line))
            }
        }
        return listings
    }

    /// The zones by ID.
    func zones() throws -> [UInt32: ZoneName] {
        var zones: [UInt32: ZoneName] = [:]
        for entry in try decoded(.domains) { zones[try #require(entry.id)] = entry.domain?.zone }
        return zones
    }
}

/// An entry whose pieces can be taken out of the scope that its bytes live in.
struct Decoded {
    var id: UInt32?
    var domain: DomainInfo?
    var metadata: DomainMetadata?
    var key: KeyData?
    var tsigKey: TSIGKey?
    var index: IndexKey?
    var setting: PdnsValue?
    var network: NetworkEntry?
    var view: ViewEntry?
    var comment: RecordComment?
    var kind: RowKind?
    var count = 0

    init(_ table: PowerDNSTable, _ entry: Fixture.Entry) throws {
        try entry.key.withUnsafeBytes { key in
            try entry.payload.withUnsafeBytes { payload in
                switch try PowerDNSEntry(table, key: key, payload: payload) {
                case .setting(let value): setting = value
                case .domain(let id, let value): (self.id, domain) = (id, value)
                case .domainExtra(let id, _): self.id = id
                case .metadata(let id, let value): (self.id, metadata) = (id, value)
                case .key(let id, let value): (self.id, self.key) = (id, value)
                case .tsigKey(let id, let value): (self.id, tsigKey) = (id, value)
                case .index(let value): index = value
                case .network(let value): network = value
                case .view(let value): view = value
                case .records(_, let kind, let count): (self.kind, self.count) = (kind, count)
                case .comment(_, let value): comment = value
                }
            }
        }
    }
}

func unhex(_ text: some StringProtocol) -> [UInt8] {
    let digits = Array(text.filter { $0 != " " })
    return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
}

/// The error that a decoder throws.
func failure(_ body: () throws -> some Any) -> DecodeError? {
    do {
        _ = try body()
        return nil
    } catch { return error as? DecodeError }
}
