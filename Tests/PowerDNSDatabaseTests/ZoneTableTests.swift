import LMDB
import PowerDNSFormat
import TestSupport
import Testing

@testable import PowerDNSDatabase

@Suite struct ZoneTableTests {
    @Test func anEmptyLMDBHasNone() throws {
        let directory = try TemporaryDirectory()
        let environment = try Environment(EnvironmentOptions(path: directory.path, create: true, mapSize: 1 << 20))
        let table = try environment.read { try ZoneTable($0) }
        #expect(table == nil)
    }
}
