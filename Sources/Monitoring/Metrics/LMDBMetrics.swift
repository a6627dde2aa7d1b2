import Observability

/// The metrics of the LMDBs, with the names of release 1.0.
struct LMDBMetrics: Sendable {
    private let mapSize, readers, mostReaders, transaction, fileSize, usage, fraction, headroom: MetricFamily<Gauge>
    private let bytes, entries, depth, pages, maps: MetricFamily<Gauge>

    init(_ registry: MetricRegistry) {
        let gauge = { (name: String, help: String) in registry.gauges("lmdb_" + name, help, labels: ["lmdb"]) }
        mapSize = gauge("mapsize_bytes", "Maximum size of the LMDB.")
        readers = gauge("env_readers_current", "Reader slots in use or used before.")
        mostReaders = gauge("env_readers_max", "Number of reader slots.")
        transaction = gauge("env_last_tnx_id", "The newest transaction.")
        fileSize = gauge("filesize_bytes", "Size of the data file.")
        usage = gauge("total_usage_bytes", "Size of the pages of all DBIs.")
        fraction = gauge("total_usage_fraction", "total_usage_bytes as a fraction of the map size.")
        headroom = gauge(
            "map_headroom_fraction",
            "Fraction of the map that has never been used, without reusable pages.")
        let dbi = ["lmdb", "db"]
        bytes = registry.gauges("lmdb_db_usage_bytes", "Size of the pages of a DBI.", labels: dbi)
        entries = registry.gauges("lmdb_stat_entries", "Entries of a DBI, including Deleted ones.", labels: dbi)
        depth = registry.gauges("lmdb_stat_depth", "Levels of the B+ tree of a DBI.", labels: dbi)
        pages = registry.gauges(
            "lmdb_stat_pages", "Pages of a DBI: branch, leaf, or overflow (of large values).",
            labels: dbi + ["pagetype"])
        maps = registry.gauges(
            "lmdb_smaps_bytes",
            "Memory of this process mapped to the data file, from /proc/self/smaps (lmdb_scrape_smaps).",
            labels: ["lmdb", "database_path", "smap"])
    }

    /// Replaces the facts of an LMDB.
    func show(_ facts: StatusReport.LMDBFacts, of lmdb: String) {
        let share = { (bytes: Int) in facts.mapSize > 0 ? Double(bytes) / Double(facts.mapSize) : 0 }
        mapSize.with(lmdb).set(facts.mapSize)
        readers.with(lmdb).set(facts.readers)
        mostReaders.with(lmdb).set(facts.maximumReaders)
        transaction.with(lmdb).set(Double(facts.lastTransaction))
        fileSize.with(lmdb).set(facts.fileSize)
        usage.with(lmdb).set(facts.dbiBytes)
        fraction.with(lmdb).set(share(facts.dbiBytes))
        headroom.with(lmdb).set(max(0, 1 - share(facts.usedBytes)))
        let isOurs = { (values: [String]) in values.first == lmdb }
        bytes.replace(where: isOurs, with: facts.dbis.map { ([lmdb, $0.name], Double($0.bytes)) })
        entries.replace(where: isOurs, with: facts.dbis.map { ([lmdb, $0.name], Double($0.entries)) })
        depth.replace(where: isOurs, with: facts.dbis.map { ([lmdb, $0.name], Double($0.depth)) })
        pages.replace(
            where: isOurs,
            with: facts.dbis.flatMap { dbi in
                [("branch", dbi.branchPages), ("leaf", dbi.leafPages), ("overflow", dbi.overflowPages)].map {
                    ([lmdb, dbi.name, $0.0], Double($0.1))
                }
            })
    }

    /// Replaces the mapped sizes of an LMDB.
    func show(_ map: MemoryMaps.Usage, of lmdb: String, path: String) {
        maps.replace(where: { $0.first == lmdb }, with: map.bytes.map { ([lmdb, path, $0.key], Double($0.value)) })
    }
}
