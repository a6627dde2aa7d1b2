import BlobStorage
import LMDB
import Snapshots
import Support
import Testing

@testable import Doctor

/// The pure half of `doctor`: facts in, findings out.
@Suite struct DoctorCheckTests {
    // MARK: LMDB

    private func lmdbFindings(_ change: (inout LMDBFacts) -> Void = { _ in }) -> [Finding] {
        var facts = LMDBFacts(
            mapSize: 1000, usedBytes: 100, pageSize: 4096, databaseNames: ["pdns", "records_v5"], schemaVersion: 5,
            configuredMapSize: 0, schemaTracksChanges: true)
        change(&facts)
        return findings { LMDBChecks.check(facts, &$0) }
    }

    @Test func mapSizes() {
        #expect(lmdbFindings().map(\.status) == [.pass, .pass, .pass])
        #expect(status("map size", lmdbFindings { $0.usedBytes = 799 }) == .pass)
        #expect(status("map size", lmdbFindings { $0.usedBytes = 800 }) == .warn)
        #expect(status("map size", lmdbFindings { $0.usedBytes = 950 }) == .fail)
        #expect(status("map size", lmdbFindings { $0.mapSize = 0 }) == .fail)
        #expect(
            status(
                "map size",
                lmdbFindings {
                    $0.usedBytes = 950
                    $0.configuredMapSize = 4000
                }) == .pass)
        #expect(status("map size", lmdbFindings { $0.configuredMapSize = 100 }) == .fail)
        #expect(status("map size in the file", lmdbFindings { $0.configuredMapSize = 1000 }) == nil)
        #expect(status("map size in the file", lmdbFindings { $0.configuredMapSize = 2000 }) == .warn)
    }

    @Test func schemas() {
        #expect(status("schema", lmdbFindings { $0.schemaVersion = 6 }) == .pass)
        #expect(status("schema", lmdbFindings { $0.schemaVersion = 7 }) == .warn)
        #expect(status("schema", lmdbFindings { $0.schemaTracksChanges = false }) == .fail)
        #expect(status("schema", lmdbFindings { $0.schemaVersion = 4 }) == .fail)
        #expect(
            status(
                "schema",
                lmdbFindings {
                    $0.schemaVersion = 4
                    $0.schemaTracksChanges = false
                }) == .pass)
        #expect(status("DBIs", lmdbFindings { $0.unsuitable = ["x"] }) == .fail)
        #expect(status("DBIs", lmdbFindings { _ in }) == nil)
        #expect(status("max_dbs", lmdbFindings { $0.maximumDatabases = 3 }) == nil)
        #expect(status("max_dbs", lmdbFindings { $0.maximumDatabases = 2 }) == .fail)
        #expect(
            status(
                "max_dbs",
                lmdbFindings {
                    $0.schemaTracksChanges = false
                    $0.databaseNames = ["a", "b", "_sync_shadow_a"]
                    $0.maximumDatabases = 4
                }) == .fail)
        #expect(
            status(
                "schema",
                lmdbFindings {
                    $0.databaseNames = ["x"]
                    $0.schemaTracksChanges = false
                }) == nil)
    }

    // MARK: readers

    private func readerFindings(_ slots: [ReaderSlot], taken: Bool = false, maximum: Int = 126) -> [Finding] {
        findings {
            ReaderChecks.check(
                ReaderFacts(
                    table: ReaderTable(slots: slots, isOwnIDTaken: taken), maximumReaders: maximum,
                    lastTransactionID: 1000, processID: 7, programs: [17: "pdns_server"]), &$0)
        }
    }

    private func slot(_ id: Int, _ transaction: UInt64? = nil, _ owner: ReaderSlot.Owner = .alive) -> ReaderSlot {
        ReaderSlot(processID: id, transactionID: transaction, owner: owner)
    }

    @Test func readers() {
        #expect(readerFindings([]).map(\.status) == [.pass, .pass, .pass])
        #expect(status("oldest reader", readerFindings([slot(17, 901), slot(18, 950)])) == .pass)
        let old = readerFindings([slot(18, 999), slot(17, 900), slot(19, 1, .gone), slot(20)])
        #expect(status("oldest reader", old) == .warn)
        #expect(old.contains { $0.text.contains("PID 17 (pdns_server) reads transaction 900, 100 before") })
        #expect(status("reader slots", readerFindings((1...8).map { slot($0) }, maximum: 10)) == .warn)
        #expect(status("reader slots", readerFindings((1...9).map { slot($0) }, maximum: 10)) == .fail)
        #expect(
            status("reader slots", readerFindings((1...9).map { slot($0, nil, .gone) }, maximum: 10)) == .pass)
    }

    @Test func processIDsThatCollide() {
        let taken = readerFindings([slot(7, 1000, .elsewhere(here: nil))], taken: true)
        #expect(taken.map(\.status) == [.fail])
        #expect(taken[0].text.contains("PID 7") && taken[0].cure?.contains("--minimum-pid") == true)
        let other = readerFindings([slot(8, 1000, .elsewhere(here: 17))])
        #expect(status("process IDs", other) == .warn)
        #expect(other[0].text.contains("PID 8 of another PID namespace (here PID 17, pdns_server)"))
        #expect(status("process IDs", readerFindings([slot(8, nil, .elsewhere(here: nil)), slot(8)])) == .fail)
        #expect(status("process IDs", readerFindings([slot(8), slot(8), slot(9, nil, .gone)])) == .pass)
    }

    // MARK: storage

    private func storageFindings(_ change: (inout StorageFacts) -> Void = { _ in }) -> [Finding] {
        var facts = StorageFacts(cleans: false, clockTolerance: .seconds(5))
        (facts.list, facts.get, facts.put, facts.delete) = (.works, .works, .works, .works)
        facts.clockOffset = .zero
        change(&facts)
        return findings { StorageChecks.check(facts, &$0) }
    }

    @Test func permissions() {
        #expect(storageFindings().map(\.status) == [.pass, .pass, .pass, .pass, .pass])
        let away = storageFindings {
            $0.list = .failed("away")
            ($0.get, $0.put, $0.delete) = (.notTried, .notTried, .notTried)
        }
        #expect(away.map(\.status).prefix(4) == [.fail, .skip, .skip, .skip])
        #expect(storageFindings { $0.list = .denied("no") }.map(\.status) == [.fail, .pass, .pass, .pass, .pass])
        #expect(status("get", storageFindings { $0.get = .denied("no") }) == .fail)
        let reader = storageFindings {
            $0.put = .denied("no")
            $0.delete = .denied("no")
        }
        #expect(reader.map(\.status) == [.pass, .pass, .fail, .warn, .pass])
        #expect(reader[2].text == "no: sync will send nothing")
        // A key for hosts that only receive.
        let receiver = storageFindings {
            $0.put = .denied("no")
            $0.delete = .denied("no")
            ($0.receives, $0.cleans) = (true, true)
        }
        #expect(receiver.map(\.status) == [.pass, .pass, .pass, .pass, .pass])
        #expect(status("put", storageFindings { $0.put = .failed("full") }) == .fail)
        #expect(
            status(
                "delete",
                storageFindings {
                    $0.delete = .denied("no")
                    $0.cleans = true
                }) == .fail)
        let left = storageFindings {
            $0.delete = .denied("no")
            $0.leftover = "a-probe"
        }
        #expect(left.contains { $0.check == "delete" && $0.text.contains("a-probe still exists") })
        expectCures(reader + left)
    }

    @Test(
        arguments: [
            (nil, .skip), (.zero, .pass), (.seconds(5), .pass), (.seconds(-5), .pass), (.milliseconds(5001), .warn),
            (.seconds(-60), .warn), (.seconds(61), .fail),
        ] as [(Duration?, Finding.Status)])
    func clocks(offset: Duration?, expected: Finding.Status) {
        #expect(status("clock", storageFindings { $0.clockOffset = offset }) == expected)
    }

    /// Where they come from, and nothing of what they are.
    @Test func credentialsAreNamedByTheirSource() {
        func finding(_ state: CredentialState?) -> Finding? {
            storageFindings { $0.credentials = state }.first { $0.check == "credentials" }
        }
        #expect(finding(nil) == nil)
        let role = CredentialOrigin.instance(service: "http://169.254.169.254")
        let used = finding(
            CredentialState(origin: role, isObtained: true, expires: WallTime(seconds: 1_800_000_000)))
        #expect(used?.status == .pass)
        #expect(
            used?.text == "from http://169.254.169.254, the metadata service of EC2 instances; "
                + "they expire at 2027-01-15T08:00:00Z, and are renewed before")
        let fixed = finding(CredentialState(origin: .configuration, isObtained: true, expires: nil))
        #expect(fixed?.text == "from the configuration")
        let none = finding(CredentialState(origin: role, isObtained: false, expires: nil))
        #expect(none?.status == .skip)
    }

    @Test func aClockThatIsNotKnownSaysWhy() {
        func text(_ list: StorageFacts.Step) -> String? {
            storageFindings {
                $0.clockOffset = nil
                $0.list = list
            }.first { $0.check == "clock" }?.text
        }
        #expect(text(.works)?.contains("this type of storage does not provide its time") == true)
        #expect(text(.failed("away"))?.contains("the storage has not sent its time") == true)
    }

    @Test func clocksSayWhichIsAhead() {
        #expect(
            storageFindings { $0.clockOffset = .seconds(-7) }.last?.text
                == "this host's clock is 7s ahead of the storage's")
        #expect(
            storageFindings { $0.clockOffset = .seconds(7) }.last?.text
                == "this host's clock is 7s behind the storage's")
    }

    @Test func theProbeIsNothingThatAReaderLooksAt() {
        let probe = StorageProbe(store: MemoryStore(), databases: ["main"], instance: "a")
        #expect(SnapshotName(probe.probeName) == nil)
        #expect(StateObjectName(probe.probeName, database: "lightningstream-doctor") == nil)
        #expect(!probe.probeName.hasSuffix(".tmp") && !probe.probeName.contains("__"))
    }

    // MARK: instance names

    private func instanceFindings(_ source: InstanceFacts.Source) -> [Finding] {
        findings { InstanceChecks.check(InstanceFacts(instance: "ns1", hostname: "here", source: source), &$0) }
    }

    @Test func instanceNames() {
        #expect(instanceFindings(.none).map(\.status) == [.pass])
        #expect(instanceFindings(.object(name: "x", hostname: "here", age: .zero)).map(\.status) == [.pass])
        #expect(instanceFindings(.object(name: "x", hostname: "there", age: .seconds(600))).map(\.status) == [.fail])
        #expect(instanceFindings(.object(name: "x", hostname: "there", age: .seconds(601))).map(\.status) == [.warn])
        #expect(instanceFindings(.object(name: "x", hostname: "there", age: nil)).map(\.status) == [.warn])
        #expect(instanceFindings(.unreadable("why")).map(\.status) == [.skip])
    }

    // MARK: report

    @Test func reportAsTextAndJSON() throws {
        var report = DoctorReport()
        var shown: [[String]] = []
        report.show = { shown.append($0) }
        var first = Findings("one")
        first.pass("a", "fine")
        first.warn("b", "odd\u{1b}[31m", cure: "mend it")
        var second = Findings("two")
        second.skip("c", "unknown")
        // Each group is shown at once: what follows may take long.
        try report.add(first)
        #expect(shown == [["one", "  pass  a: fine", "  warn  b: odd.[31m", "        -> mend it", ""]])
        try report.add(second)
        #expect(shown.last == ["two", "  skip  c: unknown", ""])
        #expect(report.summary == "0 failed, 1 warned, 1 passed, 1 not checked")
        #expect(report.exitCode == 0)
        second = Findings("three")
        second.fail("d", "broken", cure: "mend")
        try report.add(second)
        #expect(report.exitCode == 1)
        let json = try report.json()
        #expect(json.contains("\"version\" : 1") && json.contains("\"cure\" : \"mend it\""))
    }
}
