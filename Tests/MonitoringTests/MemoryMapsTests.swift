import TestSupport
import Testing

@testable import Monitoring

@Suite struct MemoryMapsTests {
    @Test func onlyTheWantedFilesAreAddedUp() {
        let text = """
            7f00-7f10 rw-s 00000000 00:2a 123                        /var/lib/a b.mdb
            Size:               1024 kB
            Rss:                 100 kB
            Private_Dirty:         4 kB
            VmFlags: rd wr sh mr mw me ms sd
            7f10-7f20 r--p 00000000 00:00 0
            Rss:                 999 kB
            7f20-7f30 rw-s 00100000 00:2a 123                        /var/lib/a b.mdb
            Rss:                   1 kB
            7f30-7f40 rw-s 00000000 00:2a 124                        /var/lib/c.mdb
            Rss:                  77 kB
            Rss: 99999999999999999999 kB
            Rss: nonsense

            """
        let usages = MemoryMaps.parse(text) { $0 == "/var/lib/a b.mdb" }
        #expect(
            usages == ["/var/lib/a b.mdb": .init(bytes: ["size": 1 << 20, "rss": 101 << 10, "private_dirty": 4096])])
    }

    @Test func anOpenLMDBIsFoundByAnyPath() throws {
        let directory = try TemporaryDirectory()
        let environment = try makeLMDB(directory)
        try environment.put("key", timestamp: 1)
        let path = directory.path + "/../" + (directory.path.split(separator: "/").last ?? "") + "/data.mdb"
        let usage = try #require(MemoryMaps.read([path, "/nowhere"])[path])
        #expect(usage.bytes["size"] == 1 << 20)
        #expect(usage.bytes["rss"] ?? 0 > 0)
        withExtendedLifetime(environment) {}
    }
}
