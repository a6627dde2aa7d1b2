import Glibc
import LMDB
import Support

extension StatusReport.LMDBFacts {
    /// The facts of an open LMDB, from one read transaction. Blocks.
    ///
    /// - Throws: `LMDBError` if it cannot be read.
    package init(_ environment: Environment) throws {
        self.init()
        let info = environment.info
        mapSize = info.mapSize
        usedBytes = info.usedBytes
        readers = info.readers
        maximumReaders = info.maximumReaders
        var status = stat()
        if stat(environment.options.dataFile, &status) == 0 { fileSize = Int(status.st_size) }
        (lastTransaction, dbis) = try environment.read { transaction in
            let dbis = try transaction.databases().map { database in
                let statistics = try transaction.statistics(database)
                var dbi = StatusReport.DBI()
                dbi.name = database.name
                dbi.entries = statistics.entries
                dbi.depth = statistics.depth
                dbi.branchPages = statistics.branchPages
                dbi.leafPages = statistics.leafPages
                dbi.overflowPages = statistics.overflowPages
                dbi.bytes = statistics.usedBytes
                dbi.flags = database.flags.names
                return dbi
            }
            return (transaction.id, dbis)
        }
        dbiBytes = dbis.map(\.bytes).saturatedSum()
    }
}
