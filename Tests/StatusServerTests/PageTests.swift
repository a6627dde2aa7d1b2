import Monitoring
import TestSupport
import Testing

@testable import StatusServer

@Suite("Status page")
struct PageTests {
    private static let hostile = "<script>alert(1)</script>\"'&\u{202e}\u{7}\n</title>"

    fileprivate func page(_ report: StatusReport) -> String {
        var zone = StatusReport.Zone()
        zone.name = report.instance
        zone.problem = report.instance
        return String(decoding: StatusPage(report, zone: zone).bytes, as: UTF8.self)
    }

    /// A report with every field set, its texts to the given one.
    fileprivate func report(_ text: String, number: Int, duration: Double) -> StatusReport {
        var report = StatusReport()
        report.software = text
        report.instance = text
        report.hostname = text
        report.time = text
        report.started = text
        report.mode = .sync
        report.health.status = text
        report.health.since = text
        report.health.failures = [text: text]
        report.health.warnings = [text: text]
        var snapshot = StatusReport.Snapshot()
        snapshot.name = text
        snapshot.time = text
        snapshot.size = number
        var dbi = StatusReport.DBI()
        dbi.name = text
        dbi.flags = text
        (dbi.entries, dbi.depth, dbi.branchPages, dbi.leafPages, dbi.overflowPages, dbi.bytes) =
            (number, number, number, number, number, number)
        var lmdb = StatusReport.LMDBFacts()
        (lmdb.mapSize, lmdb.usedBytes, lmdb.dbiBytes, lmdb.fileSize) = (number, -1, number, number)
        lmdb.lastTransaction = .max
        (lmdb.readers, lmdb.maximumReaders) = (number, number)
        lmdb.dbis = [dbi]
        var instance = StatusReport.Instance()
        instance.name = text
        instance.newest = snapshot
        instance.merged = snapshot
        instance.mergedAt = text
        (instance.lag, instance.latency, instance.clockSkew) = (duration, duration, duration)
        instance.mergedOfOurs = text
        instance.health = text
        var minute = StatusReport.Minute()
        minute.time = text
        (minute.merges, minute.sends, minute.entries, minute.latency) = (number, number, number, duration)
        var activity = StatusReport.Activity()
        activity.time = text
        activity.snapshot = text
        activity.instance = text
        activity.isDelta = true
        (activity.entries, activity.size, activity.duration, activity.lock) = (number, number, duration, duration)
        activity.changed = number
        var changed = StatusReport.ChangedZone()
        (changed.name, changed.time, changed.instance, changed.database) = (text, text, text, text)
        report.zones = StatusReport.Zones()
        report.zones?.count = number
        report.zones?.changed = [changed]
        var database = StatusReport.Database()
        database.name = text
        database.path = text
        database.lmdb = lmdb
        database.startupComplete = false
        database.fence = text
        database.blocked = text
        database.notInSync = text
        database.unsent = true
        database.storage = StatusReport.StorageFacts()
        database.storage?.snapshots = number
        database.storage?.deltas = number
        database.storage?.bytes = number
        database.storage?.listed = text
        database.sent = snapshot
        database.instances = [instance, instance]
        database.history = [minute, minute, minute]
        database.activities = [activity]
        report.databases = [database]
        var problem = StatusReport.Problem()
        problem.time = text
        problem.database = text
        problem.text = text
        problem.count = number
        report.problems = [problem]
        return report
    }

    @Test("No text from outside is ever markup")
    func hostileText() {
        let page = page(report(Self.hostile, number: 7, duration: 1))
        let harmless = self.page(report("harmless", number: 7, duration: 1))
        // The same elements, whatever the texts are.
        #expect(page.split(separator: "<").count == harmless.split(separator: "<").count)
        #expect(!page.contains("<script>alert"))
        #expect(!page.unicodeScalars.contains("\u{202e}"))
        #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;..."))
    }

    @Test(
        "Any number can be shown",
        arguments: [(0, 0.0), (-1, -1.0), (.max, .infinity), (.min, -.infinity), (.max, .nan), (.max, 1e300)])
    func extremes(number: Int, duration: Double) {
        let page = page(report("2026-11-21T00:00:00Z", number: number, duration: duration))
        #expect(page.hasSuffix("</html>\n"))
    }

    @Test("Deltas are told apart from full snapshots")
    func deltas() {
        var report = report("2026-11-21T00:00:00Z", number: 2, duration: 1)
        #expect(page(report).contains(#"snapshots, <data value="2">2</data> deltas"#))
        #expect(page(report).contains(#"<span class="quiet">delta</span>"#))
        report.databases[0].storage?.deltas = 0
        report.databases[0].activities[0].isDelta = false
        #expect(!page(report).contains("delta"))
        #expect(page(report).contains(#"<span class="quiet">full snapshot</span>"#))
        // A daemon of an earlier version says nothing of them.
        report.databases[0].storage?.deltas = nil
        report.databases[0].activities[0].isDelta = nil
        #expect(!page(report).contains("delta") && !page(report).contains("full snapshot"))
    }

    @Test("A zone is shown with who has it")
    func zone() {
        var report = StatusReport()
        report.zones = StatusReport.Zones()
        var zone = StatusReport.Zone()
        (zone.name, zone.serial, zone.rrsets, zone.hasMoreRRsets) = (Self.hostile, 7, 3, true)
        zone.instances = [true, false, nil].map { hasIt in
            var holder = StatusReport.ZoneHolder()
            (holder.name, holder.hasIt) = (Self.hostile, hasIt)
            return holder
        }
        let page = String(decoding: StatusPage(report, zone: zone).bytes, as: UTF8.self)
        #expect(!page.contains("<script>alert") && page.contains("not yet: ") && page.contains("unknown: "))
        #expect(page.contains("more than <data value=\"3\">"))
    }

    @Test("The zone that is asked for is in the query")
    func query() {
        let names: [(String, String?)] = [
            ("/zone?name=example.org", "example.org"), ("/?a=b&zone=+ex%61mple.org%20", "example.org"),
            ("/?zone=", nil), ("/", nil), ("/?zone", nil), ("/?zone=%", nil), ("/?zone=%f", nil), ("/?zone=%ff", nil),
            ("/?zone=a=b", "a=b"), ("/?zone=%2B", "+"),
        ]
        for (path, name) in names { #expect(ZoneQuery.name(in: path) == name, "\(path)") }
    }

    @Test("An empty report is a page too")
    func empty() {
        let page = page(StatusReport())
        #expect(page.contains("No database is open yet."))
    }

    @Test(
        "Numbers have their thousands apart",
        arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"), (-100, "-100")])
    func grouping(number: Int, text: String) {
        #expect(Figures.grouped(number) == text)
    }

    @Test("The whole is told by the worst")
    func standing() {
        var report = StatusReport()
        #expect(Standing(report) == .starting)
        report.databases = [StatusReport.Database()]
        #expect(Standing(report) == .ok)
        report.databases[0].startupComplete = false
        #expect(Standing(report) == .starting)
        report.health.status = "Warning"
        #expect(Standing(report) == .warning)
        report.health.status = "Unavailable"
        #expect(Standing(report) == .failing)
    }
}

/// The page as it is served.
@Suite struct PageLiveTests {
    @Test("Nothing hostile is left on the page, nor in its JSON")
    func hostileCharacters() async throws {
        let tests = PageTests()
        let report = tests.report(HostileText.name, number: 7, duration: 1)
        #expect(HostileText.found(in: tests.page(report), lines: true).isEmpty)
        let source = Source()
        source.contents.withLock {
            $0.report = report
            $0.objects = .success([(HostileText.name, 1)])
        }
        try await withServer(source) { server async throws in
            for path in ["/", "/status.json"] {
                let reply = try await exchange(server.port, path)
                #expect(reply.status == 200)
                #expect(HostileText.found(in: reply.body, lines: true).isEmpty, "\(path)")
            }
            let listing = try await exchange(server.port, "/storage").body
            #expect(listing.split(separator: "\n").contains { $0.hasPrefix("x.[31m.") })
        }
    }
}
