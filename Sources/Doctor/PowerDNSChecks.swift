import Glibc
import Support

/// The facts to compare with PowerDNS's configuration.
struct PowerDNSFacts: Sendable, Equatable {
    /// A configured database, with its data file's path with links resolved.
    struct Database: Sendable, Equatable {
        var name: String
        var path: String
        /// 0 keeps that of the file.
        var configuredMapSize: Int
        /// nil if the file cannot be read.
        var mapSize: Int?
        var schemaVersion: UInt32?
    }

    var databases: [Database]
    /// Whether PowerDNS's caches are flushed after merges.
    var flushesCaches = false
    /// Resolves paths relative to PowerDNS's directory.
    var resolve: @Sendable (String) -> String

    static func == (one: PowerDNSFacts, other: PowerDNSFacts) -> Bool {
        one.databases == other.databases && one.flushesCaches == other.flushesCaches
    }
}

/// Checks that PowerDNS's configuration is suitable for syncing.
enum PowerDNSChecks {
    static func check(_ pdns: PowerDNSConfiguration, _ facts: PowerDNSFacts, _ findings: inout Findings) {
        guard let backend = pdns.backend else {
            return findings.fail(
                "launch", "the LMDB backend is not launched (launch=\(pdns.text("launch", usually: "")))",
                cure: "set launch=lmdb")
        }
        findings.pass("launch", "the LMDB backend is launched")
        checkNativeMode(pdns, backend, &findings)
        let matched = checkFiles(pdns, backend, facts, &findings)
        checkMapSizes(pdns, backend, matched, &findings)
        if facts.flushesCaches { checkAPI(pdns, &findings) } else { checkCaches(pdns, &findings) }
        checkViews(pdns, matched, &findings)
    }

    private static func checkNativeMode(
        _ pdns: PowerDNSConfiguration, _ backend: String, _ findings: inout Findings
    ) {
        let mode = "\(backend)-lightning-stream"
        if pdns.isOn(mode) {
            findings.pass(mode, "yes")
        } else {
            findings.fail(
                mode,
                "\(pdns.text(mode, usually: "no")): PowerDNS removes deleted entries and assigns sequential IDs, so hosts overwrite each other's zones",
                cure: "set \(mode)=yes on all hosts before creating the first zone")
        }
        let shards = "\(backend)-shards"
        let count = pdns.text(shards, usually: "64")
        if count == "1" {
            findings.pass(shards, "1")
        } else {
            findings.fail(
                shards, "\(count)\(pdns.values[shards] == nil ? " (default)" : ""): Lightning Stream mode requires 1",
                cure: "set \(shards)=1, and move zones of an existing database with pdnsutil b2b-migrate")
        }
    }

    /// - Returns: the databases that are PowerDNS's.
    private static func checkFiles(
        _ pdns: PowerDNSConfiguration, _ backend: String, _ facts: PowerDNSFacts, _ findings: inout Findings
    ) -> [PowerDNSFacts.Database] {
        let name = "\(backend)-filename"
        let main = pdns.text(name, usually: "./pdns.lmdb")
        var matched: [PowerDNSFacts.Database] = []
        for file in [main, "\(main)-0"] {
            let path = facts.resolve(file)
            if let database = facts.databases.first(where: { $0.path == path }) {
                findings.pass(name, "\(file) is database \(database.name)")
                matched.append(database)
            } else {
                findings.fail(
                    name, "\(file) is not among the databases under lmdbs, so it is not synced",
                    cure: "add it with its path \(path), options.no_subdir: true and schema_tracks_changes: true")
            }
        }
        return matched
    }

    private static func checkMapSizes(
        _ pdns: PowerDNSConfiguration, _ backend: String, _ databases: [PowerDNSFacts.Database],
        _ findings: inout Findings
    ) {
        let name = "\(backend)-map-size"
        guard let megabytes = pdns.number(name, usually: 16_000), megabytes <= Int.max >> 20 else {
            return findings.fail(
                name, "\(pdns.text(name, usually: "")) is not a number of megabytes", cure: "set \(name)=16000")
        }
        let size = megabytes << 20
        for database in databases {
            let ours = database.configuredMapSize > 0 ? database.configuredMapSize : (database.mapSize ?? 0)
            guard ours > 0, ours != size else {
                findings.pass(name, "\(megabytes) MB, as for database \(database.name)")
                continue
            }
            let text = "\(megabytes) MB, but database \(database.name) has \(humanSize(ours))"
            let cure = "set lmdbs.\(database.name).options.map_size: \(megabytes)MB"
            if ours > size {
                findings.fail(
                    name, "\(text): when it has grown beyond PowerDNS's map, PowerDNS cannot read it", cure: cure)
            } else {
                findings.warn(name, "\(text): syncing stops when that is full", cure: cure)
            }
        }
    }

    /// Checks the requirements for flushing caches.
    private static func checkAPI(_ pdns: PowerDNSConfiguration, _ findings: inout Findings) {
        if pdns.isOn("api") {
            findings.pass("api", "yes: the caches are flushed after merges")
        } else {
            findings.fail(
                "api", "\(pdns.text("api", usually: "no")), but powerdns.api needs it to flush the caches",
                cure: "set api=yes")
        }
    }

    /// Checks the caches that delay answers after a merge.
    private static func checkCaches(_ pdns: PowerDNSConfiguration, _ findings: inout Findings) {
        let zones = "zone-cache-refresh-interval"
        switch pdns.number(zones, usually: 300) {
        case 0?: findings.pass(zones, "0")
        case let seconds? where pdns.isOn("views"):
            findings.warn(
                zones,
                "\(seconds): a zone created on another host is unknown here for up to \(seconds) s; views need this cache",
                cure: "set a small \(zones), such as 5")
        case let seconds?:
            findings.warn(
                zones, "\(seconds): a zone created on another host is unknown here for up to \(seconds) s",
                cure: "set \(zones)=0")
        case nil: findings.fail(zones, "it is not a number", cure: "set \(zones)=0")
        }
        let metadata = "zone-metadata-cache-ttl"
        switch pdns.number(metadata, "domain-metadata-cache-ttl", usually: 60) {
        case 0?: findings.pass(metadata, "0")
        case let seconds?:
            findings.warn(
                metadata, "\(seconds): metadata changed on another host take effect here after up to \(seconds) s",
                cure: "set \(metadata)=0")
        case nil: findings.fail(metadata, "it is not a number", cure: "set \(metadata)=0")
        }
        // These caches improve speed; their default times are suitable.
        let answers = [
            ("cache-ttl", 20), ("query-cache-ttl", 20), ("negquery-cache-ttl", 60), ("dnssec-key-cache-ttl", 30),
        ]
        let seconds = answers.map { (name: $0.0, value: pdns.number($0.0, usually: $0.1) ?? $0.1) }
        let text = seconds.map { "\($0.name)=\($0.value)" }.joined(separator: ", ")
        let longest = seconds.map(\.value).max() ?? 0
        if longest > 300 {
            findings.warn(
                "answer caches", "\(text): changes by other hosts may be answered only after \(longest) s",
                cure: "lower those above 300 s; the defaults are 20 to 60 s")
        } else {
            findings.pass("answer caches", "\(text): a change by another host is answered after \(longest) s at most")
        }
    }

    private static func checkViews(
        _ pdns: PowerDNSConfiguration, _ databases: [PowerDNSFacts.Database], _ findings: inout Findings
    ) {
        guard pdns.isOn("views") else { return }
        if pdns.number("zone-cache-refresh-interval", usually: 300) == 0 {
            findings.fail(
                "views", "yes, which needs the zone cache: PowerDNS does not start with zone-cache-refresh-interval=0",
                cure: "set zone-cache-refresh-interval=5, or views=no")
        } else if let version = databases.compactMap(\.schemaVersion).first, version < 6 {
            findings.fail(
                "views", "yes, but the database has schema \(version), which has no views",
                cure: "upgrade all servers to PowerDNS 5.0 or later")
        } else {
            findings.pass("views", "yes")
        }
    }
}
