import TestSupport
import Testing

@testable import Doctor

/// Reading and judging a pdns.conf.
@Suite struct PowerDNSCheckTests {
    private func parsed(_ text: String) -> [String: String] {
        var configuration = PowerDNSConfiguration()
        configuration.add(text)
        return configuration.values
    }

    private static let texts: [(String, [String: String])] = [
        ("", [:]),
        ("launch=lmdb", ["launch": "lmdb"]),
        (" launch = lmdb \r\n\n# a=b\n\t#c=d\n", ["launch": "lmdb"]),
        ("a=b # comment\nc=d#e\n", ["a": "b", "c": "d#e"]),
        ("a=b\na=c\n", ["a": "c"]),
        ("a=\n", ["a": ""]),
        ("launch=gmysql\nlaunch+=lmdb\nb+=c", ["launch": "gmysql, lmdb", "b": "c"]),
        ("a=b, \\\n   c\nd=e\\\n", ["a": "b, c", "d": "e"]),
        ("a=b=c\nnonsense\n=x\n", ["a": "b=c"]),
    ]

    @Test(arguments: texts)
    func parses(text: String, expected: [String: String]) {
        #expect(parsed(text) == expected)
    }

    @Test func includesComeLastAndInOrder() throws {
        let directory = try TemporaryDirectory()
        let included = try TemporaryDirectory()
        try included.write("b.conf", "x=2\n")
        try included.write("a.conf", "x=1\nlaunch+=lmdb\n")
        try included.write("c.txt", "x=3\n")
        try included.write(".d.conf", "x=4\n")
        let file = try directory.write("pdns.conf", "launch=bind\ninclude-dir=\(included.path)\nx=0\n")
        let configuration = try PowerDNSConfiguration.load(file)
        #expect(configuration.values["x"] == "2")
        #expect(configuration.values["launch"] == "bind, lmdb")
        #expect(configuration.backend == "lmdb")
    }

    private static let good = """
        launch=lmdb
        lmdb-filename=/var/lib/powerdns/pdns.lmdb
        lmdb-shards=1
        lmdb-lightning-stream=yes
        zone-cache-refresh-interval=0
        zone-metadata-cache-ttl=0

        """

    private func check(
        _ extra: String = "", _ change: (inout PowerDNSFacts) -> Void = { _ in }
    ) -> [Finding] {
        var facts = PowerDNSFacts(
            databases: [
                .init(
                    name: "main", path: "/var/lib/powerdns/pdns.lmdb", configuredMapSize: 16000 << 20, schemaVersion: 5),
                .init(name: "shard", path: "/var/lib/powerdns/pdns.lmdb-0", configuredMapSize: 0, mapSize: 16000 << 20),
            ], resolve: { $0 })
        change(&facts)
        var configuration = PowerDNSConfiguration()
        configuration.add(Self.good + extra)
        var findings = Findings("pdns")
        PowerDNSChecks.check(configuration, facts, &findings)
        return findings.all
    }

    private func odd(_ all: [Finding]) -> [String] {
        for finding in all where finding.status != .pass { #expect(finding.cure?.isEmpty == false, "\(finding)") }
        return all.filter { $0.status != .pass }.map { "\($0.status) \($0.check)" }
    }

    @Test func asItShouldBe() { #expect(odd(check()).isEmpty) }

    private static let mistakeCases: [(String, [String])] = [
        ("launch=bind", ["fail launch"]),
        ("launch=", ["fail launch"]),
        ("lmdb-lightning-stream=no", ["fail lmdb-lightning-stream"]),
        ("lmdb-lightning-stream=off", ["fail lmdb-lightning-stream"]),
        ("lmdb-shards=64", ["fail lmdb-shards"]),
        ("lmdb-filename=/other", ["fail lmdb-filename", "fail lmdb-filename"]),
        ("lmdb-map-size=100", ["fail lmdb-map-size", "fail lmdb-map-size"]),
        ("lmdb-map-size=17000", ["warn lmdb-map-size", "warn lmdb-map-size"]),
        ("lmdb-map-size=16GB", ["fail lmdb-map-size"]),
        ("lmdb-map-size=99999999999999999", ["fail lmdb-map-size"]),
        ("zone-cache-refresh-interval=300", ["warn zone-cache-refresh-interval"]),
        ("zone-cache-refresh-interval=x", ["fail zone-cache-refresh-interval"]),
        ("zone-metadata-cache-ttl=60", ["warn zone-metadata-cache-ttl"]),
        ("query-cache-ttl=3600", ["warn answer caches"]),
        ("views=yes", ["fail views"]),
        ("views=yes\nzone-cache-refresh-interval=5", ["warn zone-cache-refresh-interval", "fail views"]),
    ]

    @Test(arguments: mistakeCases)
    func mistakes(extra: String, expected: [String]) {
        #expect(odd(check(extra)) == expected)
    }

    @Test func cachesThatAreFlushedMayStay() {
        let extra = "zone-cache-refresh-interval=300\nzone-metadata-cache-ttl=60\ncache-ttl=3600"
        #expect(odd(check(extra + "\napi=yes") { $0.flushesCaches = true }).isEmpty)
        #expect(odd(check(extra) { $0.flushesCaches = true }) == ["fail api"])
        #expect(odd(check(extra + "\napi=yes")).count == 3)
    }

    @Test func defaultsOfPowerDNSCount() {
        var configuration = PowerDNSConfiguration()
        configuration.add("launch=lmdb")
        var findings = Findings("pdns")
        PowerDNSChecks.check(
            configuration,
            PowerDNSFacts(
                databases: [.init(name: "main", path: "/run/pdns.lmdb", configuredMapSize: 1 << 30)],
                resolve: { "/run" + $0.dropFirst() }), &findings)
        #expect(
            odd(findings.all) == [
                "fail lmdb-lightning-stream", "fail lmdb-shards", "fail lmdb-filename", "warn lmdb-map-size",
                "warn zone-cache-refresh-interval", "warn zone-metadata-cache-ttl",
            ])
    }

    @Test func aBackendWithANameHasItsOwnSettings() {
        let text = Self.good.replacing("launch=lmdb", with: "launch=bind,lmdb:second").replacing(
            "lmdb-", with: "lmdb-second-")
        var configuration = PowerDNSConfiguration()
        configuration.add(text)
        #expect(configuration.backend == "lmdb-second")
        #expect(configuration.isOn("lmdb-second-lightning-stream"))
    }

    @Test func viewsNeedSchema6() {
        let all = check("views=yes\nzone-cache-refresh-interval=5") { facts in facts.databases[0].schemaVersion = 6 }
        #expect(odd(all) == ["warn zone-cache-refresh-interval"])
    }
}
