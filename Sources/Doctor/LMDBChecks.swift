import PowerDNSFormat
import Snapshots
import Support

/// Facts about an LMDB.
struct LMDBFacts: Sendable, Equatable {
    var mapSize: Int
    var usedBytes: Int
    var pageSize: Int
    var databaseNames: [String]
    /// PowerDNS's schema version, if any.
    var schemaVersion: UInt32?
    /// The configured size: 0 keeps that of the file.
    var configuredMapSize: Int
    var schemaTracksChanges: Bool
    /// Why some of the DBIs cannot be synced with these settings: one line each.
    var unsuitable: [String] = []
    /// Whether PowerDNS stores records in files that are not synced: one line.
    var spread: String?
    /// The configured maximum number of DBIs.
    var maximumDatabases = 64

    /// Whether the DBIs are those of PowerDNS.
    var isPowerDNS: Bool { databaseNames.contains("records_v5") || databaseNames.contains("pdns") }
}

/// Checks the contents and free space of an LMDB.
enum LMDBChecks {
    static func check(_ facts: LMDBFacts, _ findings: inout Findings) {
        findings.pass(
            "LMDB",
            "data format 1, page size \(facts.pageSize), \(facts.databaseNames.count) DBI\(facts.databaseNames.count == 1 ? "" : "s")"
        )
        checkMap(facts, &findings)
        checkSchema(facts, &findings)
        checkCount(facts, &findings)
        for problem in facts.unsuitable { findings.add("DBIs", .fail, problem, nil) }
        if let spread = facts.spread { findings.add("lmdb-shards", .fail, spread, nil) }
    }

    private static func checkMap(_ facts: LMDBFacts, _ findings: inout Findings) {
        // The size requested at start; never less than the used part.
        let size = facts.configuredMapSize > 0 ? facts.configuredMapSize : facts.mapSize
        let percent = size > 0 ? Int(100 * Double(facts.usedBytes) / Double(size)) : 100
        let text = "\(humanSize(facts.usedBytes)) of \(humanSize(size)) in use, \(percent) %"
        let cure =
            "raise the map size everywhere it is set: options.map_size here, lmdb-map-size in pdns.conf, on all hosts"
        switch percent {
        case ..<80: findings.pass("map size", text)
        case ..<95: findings.warn("map size", "\(text) (including free pages)", cure: cure)
        default: findings.fail("map size", "\(text): writing will soon fail", cure: cure)
        }
        if facts.configuredMapSize > 0, facts.configuredMapSize != facts.mapSize {
            findings.warn(
                "map size in the file",
                "options.map_size is \(humanSize(facts.configuredMapSize)), but the file was last opened for writing with "
                    + humanSize(facts.mapSize),
                cure: "give lightningstream and the application the same map size")
        }
    }

    private static func checkCount(_ facts: LMDBFacts, _ findings: inout Findings) {
        let own = facts.databaseNames.count { !PrivateDatabases.contains($0) }
        // In shadow mode each has a shadow DBI; and one is for the sync state.
        let needed = (facts.schemaTracksChanges ? own : 2 * own) + 1
        guard needed > facts.maximumDatabases else { return }
        findings.fail(
            "max_dbs",
            "\(own) DBIs of the application require \(needed), but options.max_dbs is \(facts.maximumDatabases)",
            cure: "set options.max_dbs to \(needed) or more")
    }

    private static func checkSchema(_ facts: LMDBFacts, _ findings: inout Findings) {
        let name = "schema"
        guard facts.isPowerDNS else { return }
        if let version = facts.schemaVersion, version < 5 {
            guard facts.schemaTracksChanges else {
                return findings.pass(name, "PowerDNS schema \(version) (before 4.8), synced through shadow DBIs")
            }
            return findings.fail(
                name, "PowerDNS schema \(version), of a version before 4.8, does not track changes",
                cure: "set schema_tracks_changes: false and dupsort_hack: true, or install PowerDNS 4.8 or later")
        }
        if !facts.schemaTracksChanges {
            return findings.fail(
                name, "this is an LMDB of PowerDNS, but schema_tracks_changes is false",
                cure: "set schema_tracks_changes: true, and lmdb-lightning-stream=yes in pdns.conf")
        }
        switch facts.schemaVersion {
        case 5: findings.pass(name, "PowerDNS schema 5 (4.8, 4.9)")
        case 6: findings.pass(name, "PowerDNS schema 6 (5.0 and later); servers before 5.0 cannot start with it")
        case nil where facts.databaseNames.contains(PowerDNSTable.settings.rawValue):
            findings.fail(
                name, "DBI pdns has no schemaversion that PowerDNS can read, so it does not start",
                cure: "restore it from another host or a backup")
        case let version?:
            findings.warn(
                name, "PowerDNS schema \(version), which is unknown to this version",
                cure: "check that all servers of the cluster run the same version of PowerDNS")
        case nil: break
        }
    }
}
