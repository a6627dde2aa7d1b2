import LMDB
import PowerDNSSync
import PowerDNSTestSupport
import Replication
import TestSupport
import Testing

@testable import PowerDNSDatabase

/// Databases that are named as PowerDNS's and are not.
@Suite struct NamedDatabaseTests {
    private func lines(_ main: String?, _ shard: String?, _ databases: [String: Environment]) async throws -> LogLines {
        let log = LogLines()
        var settings = InspectorSettings()
        (settings.main, settings.shard) = (main, shard)
        let check = NamedDatabaseCheck(settings, logger: log.logger)
        try await check.run {
            for (name, environment) in databases { check.observe(.opened(environment), of: name) }
        }
        return log
    }

    @Test func swappedOnesAreToldOnce() async throws {
        let writer = try PowerDNSWriter()
        let databases = ["m": writer.main, "s": writer.shard]
        let swapped = try await lines("s", "m", databases)
        #expect(
            swapped.count(
                "warning powerdns.main names this database, but it has no DBI pdns; it looks like powerdns.shard") == 1)
        #expect(
            swapped.count(
                "warning powerdns.shard names this database, but it has no DBI records_v5; it looks like powerdns.main")
                == 1)
        for (main, shard) in [("m", "s"), ("m", nil), (nil, nil)] as [(String?, String?)] {
            #expect(try await lines(main, shard, databases).count("warning") == 0)
        }
    }

    @Test func anEmptyOneMayBecomeIt() async throws {
        let empty = try Environment.temporary(mapSize: 1 << 20)
        #expect(try await lines("m", "s", ["m": empty]).count("warning") == 0)
        try empty.write { transaction in
            _ = try transaction.database("zones", creating: [])
            return .commit(())
        }
        #expect(try await lines("m", "s", ["m": empty]).count("but it has no DBI pdns ") == 1)
    }
}
