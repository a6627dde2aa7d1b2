import Bytes
import Glibc
import LMDB
import Monitoring

/// The text of `lightningstream stats` for one database.
struct StatsReport {
    /// What an open LMDB says about itself, from one read transaction.
    struct Facts {
        var info: EnvironmentInfo
        /// The transaction that the statistics belong to.
        var transactionID: UInt64
        var databases: [(name: String, flags: DatabaseFlags, statistics: DatabaseStatistics)]
    }

    var database: LocalDatabase
    var dataFile: String
    var facts: Facts

    init(_ database: LocalDatabase) throws {
        let environment = try database.open()
        self.database = database
        dataFile = environment.options.dataFile
        facts = try environment.read { transaction in
            var rows: [(name: String, flags: DatabaseFlags, statistics: DatabaseStatistics)] = []
            for dbi in try transaction.databases() {
                rows.append((dbi.name, dbi.flags, try transaction.statistics(dbi)))
            }
            return Facts(info: environment.info, transactionID: transaction.id, databases: rows)
        }
    }

    var lines: [String] {
        let info = facts.info
        let percentage = info.mapSize > 0 ? 100 * Double(info.usedBytes) / Double(info.mapSize) : 0
        let head: [(String, String)] = [
            ("path", PrintableBytes.text(dataFile)),
            ("map size", Self.size(info.mapSize)),
            ("used", "\(Self.size(info.usedBytes)), \(oneDecimal(percentage)) % of the map"),
            ("last txn", "\(facts.transactionID)"),
            ("readers", "\(info.readers) of \(info.maximumReaders) slots"),
        ]
        let title = "database \(database.name)"
        return [title] + head.map { "  " + $0.0 + String(repeating: " ", count: 10 - $0.0.count) + $0.1 } + [""]
            + table.lines.map { "  " + $0 }
    }

    private var table: Table {
        var table = Table([
            ("DBI", .left), ("entries", .right), ("depth", .right), ("branch", .right), ("leaf", .right),
            ("overflow", .right), ("bytes", .right), ("flags", .left),
        ])
        for (name, flags, statistics) in facts.databases {
            table.append([PrintableBytes.text(name)] + Self.numbers(statistics) + [flags.names])
        }
        let all = facts.databases.map(\.statistics)
        let sum = { (path: KeyPath<DatabaseStatistics, Int>) in "\(Self.sum(all.map { $0[keyPath: path] }))" }
        table.append([
            "total (\(all.count))", sum(\.entries), "", sum(\.branchPages), sum(\.leafPages), sum(\.overflowPages),
            sum(\.usedBytes), "",
        ])
        return table
    }

    /// The sum, or the greatest number where it is larger: in a damaged file the counts may be anything.
    static func sum(_ counts: [Int]) -> Int {
        counts.reduce(0) { sum, count in
            let (larger, overflows) = sum.addingReportingOverflow(count)
            return overflows ? .max : larger
        }
    }

    private static func numbers(_ statistics: DatabaseStatistics) -> [String] {
        [
            statistics.entries, statistics.depth, statistics.branchPages, statistics.leafPages,
            statistics.overflowPages, statistics.usedBytes,
        ].map(String.init)
    }

    private static func size(_ bytes: Int) -> String {
        bytes < 1024 ? humanSize(bytes) : "\(humanSize(bytes)) (\(bytes) bytes)"
    }
}

// MARK: JSON

extension StatsReport {
    /// A database as `stats --json` shows it; `lmdb` has the form that it has in the status report.
    struct JSONForm: Encodable {
        var name: String
        var path: String
        var lmdb: StatusReport.LMDBFacts
    }

    var jsonForm: JSONForm {
        var lmdb = StatusReport.LMDBFacts()
        lmdb.mapSize = facts.info.mapSize
        lmdb.usedBytes = facts.info.usedBytes
        lmdb.dbiBytes = Self.sum(facts.databases.map(\.statistics.usedBytes))
        lmdb.fileSize = fileSize
        lmdb.lastTransaction = facts.transactionID
        lmdb.readers = facts.info.readers
        lmdb.maximumReaders = facts.info.maximumReaders
        lmdb.dbis = facts.databases.map { name, flags, statistics in
            var dbi = StatusReport.DBI()
            dbi.name = name
            dbi.entries = statistics.entries
            dbi.depth = statistics.depth
            dbi.branchPages = statistics.branchPages
            dbi.leafPages = statistics.leafPages
            dbi.overflowPages = statistics.overflowPages
            dbi.bytes = statistics.usedBytes
            dbi.flags = flags.names
            return dbi
        }
        return JSONForm(name: database.name, path: dataFile, lmdb: lmdb)
    }

    private var fileSize: Int {
        var status = stat()
        return stat(dataFile, &status) == 0 ? Int(status.st_size) : 0
    }
}
