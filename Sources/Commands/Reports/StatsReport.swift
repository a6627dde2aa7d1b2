import Daemon
import Monitoring
import Support

/// The output of `lightningstream stats` for one database.
struct StatsReport: Encodable {
    /// The key under `lmdbs:`.
    var name: String
    /// The data file.
    var path: String
    var lmdb: StatusReport.LMDBFacts

    init(_ database: LocalDatabase) throws {
        let environment = try database.open()
        name = database.name
        path = environment.options.dataFile
        lmdb = try StatusReport.LMDBFacts(environment)
    }

    /// The text for people.
    var lines: [String] {
        let percentage = lmdb.mapSize > 0 ? 100 * Double(lmdb.usedBytes) / Double(lmdb.mapSize) : 0
        let head: [(String, String)] = [
            ("path", PrintableText.line(path)),
            ("map size", Self.size(lmdb.mapSize)),
            ("used", "\(Self.size(lmdb.usedBytes)), \(oneDecimal(percentage)) % of the map"),
            ("last txn", "\(lmdb.lastTransaction)"),
            ("readers", "\(lmdb.readers) of \(lmdb.maximumReaders) slots"),
        ]
        return ["database \(name)"] + head.map { "  " + $0.0 + String(repeating: " ", count: 10 - $0.0.count) + $0.1 }
            + [""] + table.lines.map { "  " + $0 }
    }

    private var table: Table {
        var table = Table([
            ("DBI", .left), ("entries", .right), ("depth", .right), ("branch", .right), ("leaf", .right),
            ("overflow", .right), ("bytes", .right), ("flags", .left),
        ])
        for dbi in lmdb.dbis {
            let numbers = [dbi.entries, dbi.depth, dbi.branchPages, dbi.leafPages, dbi.overflowPages, dbi.bytes]
            table.append([PrintableText.line(dbi.name)] + numbers.map(String.init) + [dbi.flags])
        }
        let sum = { (path: KeyPath<StatusReport.DBI, Int>) in "\(lmdb.dbis.map { $0[keyPath: path] }.saturatedSum())" }
        table.append([
            "total (\(lmdb.dbis.count))", sum(\.entries), "", sum(\.branchPages), sum(\.leafPages),
            sum(\.overflowPages),
            "\(lmdb.dbiBytes)", "",
        ])
        return table
    }

    private static func size(_ bytes: Int) -> String {
        bytes < 1024 ? humanSize(bytes) : "\(humanSize(bytes)) (\(bytes) bytes)"
    }
}
