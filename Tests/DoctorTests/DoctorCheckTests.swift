import BlobStorage
import LMDB
import Snapshots
import Testing

@testable import Doctor

/// The pure half of `doctor`: facts in, findings out.
@Suite struct DoctorCheckTests {
    private func findings(_ body: (inout Findings) -> Void) -> [Finding] {
        var findings = Findings("group")
        body(&findings)
        return findings.all
    }

    private func status(_ check: String, _ all: [Finding]) -> Finding.Status? {
        all.first { $0.check == check }?.status
    }

    /// Whatever is not right has a cure, in the finding or in the words of the error that it shows.
    private func expectCures(_ all: [Finding]) {
        for finding in all where finding.status == .warn { #expect(finding.cure?.isEmpty == false, "\(finding)") }
    }

    // MARK: files

    private let good = FileStatus(owner: 100, group: 100, mode: 0o600, isReadable: true, isWritable: true)

    private func files(_ change: (inout FileFacts) -> Void = { _ in }) -> FileFacts {
        var facts = FileFacts(
            dataFile: "/db", lockFile: "/db-lock", data: good, lock: good, directory: good,
            fileSystem: FileSystemKind(name: "ext4"), creates: false, user: 100)
        change(&facts)
        return facts
    }

    private func fileFindings(_ change: (inout FileFacts) -> Void = { _ in }) -> [Finding] {
        findings { FileChecks.check(files(change), &$0) }
    }

    @Test func filesAsTheyShouldBe() {
        #expect(fileFindings().map(\.status) == [.pass, .pass, .pass])
        #expect(fileFindings { $0.lock = nil }.map(\.status) == [.pass, .pass, .pass])
        #expect(fileFindings { $0.user = 0 }[1].text.contains("uid 100"))
    }

    @Test(
        arguments: [
            ("nfs4", .fail), ("9p", .fail), ("cifs", .fail), ("fuse.sshfs", .fail), ("fuse", .warn), ("fuse.x", .warn),
            ("xfs", .pass), ("overlay", .pass),
        ] as [(String, Finding.Status)])
    func fileSystems(name: String, expected: Finding.Status) {
        let all = fileFindings { $0.fileSystem = FileSystemKind(name: name) }
        #expect(status("file system", all) == expected)
        #expect(all.allSatisfy { $0.status == .pass || $0.cure != nil })
    }

    @Test func mountsAreFoundByTheirLongestPath() {
        let mounts = """
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
            30 22 0:40 / /var/lib rw - xfs /dev/sdb rw
            31 30 0:41 / /var/lib/power\\040dns rw shared:2 master:1 - nfs4 server:/x rw
            32 22 0:42 / /var/library rw - 9p x rw
            33 22 0:43 / /over rw - ext4 x rw
            34 33 0:44 / /over rw - fuse.sshfs x rw
            nonsense
            """
        let find = { FileSystemKind.find($0, in: mounts)?.name }
        #expect(find("/etc/x") == "ext4")
        #expect(find("/var/lib/x") == "xfs")
        #expect(find("/var/lib/power dns/db") == "nfs4")
        #expect(find("/var/library/x") == "9p")
        #expect(find("/over/x") == "fuse.sshfs")
        #expect(FileSystemKind.find("/x", in: "") == nil)
    }

    @Test func missingDataFile() {
        #expect(status("data file", fileFindings { $0.data = nil }) == .fail)
        #expect(
            status(
                "data file",
                fileFindings {
                    $0.data = nil
                    $0.creates = true
                }) == .pass)
        #expect(
            status(
                "data file",
                fileFindings {
                    $0.data = nil
                    $0.creates = true
                    $0.directory?.isWritable = false
                }) == .fail)
    }

    @Test func ownersAndModes() {
        #expect(status("owner and mode", fileFindings { $0.data?.isWritable = false }) == .fail)
        #expect(status("owner and mode", fileFindings { $0.data?.isReadable = false }) == .fail)
        #expect(status("owner and mode", fileFindings { $0.data?.mode = 0o666 }) == .fail)
        #expect(status("owner and mode", fileFindings { $0.data?.mode = 0o640 }) == .warn)
        #expect(status("lock file", fileFindings { $0.lock?.mode = 0o666 }) == .fail)
        #expect(status("lock file", fileFindings { $0.lock?.isWritable = false }) == .fail)
        // Made by root: the application can't use it.
        #expect(
            status(
                "lock file",
                fileFindings {
                    $0.lock?.owner = 0
                    $0.lock?.group = 0
                }) == .fail)
        #expect(
            status(
                "lock file",
                fileFindings {
                    $0.lock?.owner = 0
                    $0.lock?.mode = 0o660
                }) == .warn)
        #expect(status("lock file", fileFindings { $0.lock?.group = 7 }) == .warn)
        #expect(
            status(
                "lock file",
                fileFindings {
                    $0.lock = nil
                    $0.directory?.isWritable = false
                }) == .fail)
    }

    private func file(_ owner: UInt32, _ mode: UInt32 = 0o600, shut: UInt32 = 0) -> FileStatus {
        FileStatus(owner: owner, group: owner, mode: mode, isReadable: true, isWritable: true, shut: shut)
    }

    private func facts(_ name: String, data: UInt32, lock: UInt32, directory: UInt32 = 0) -> FileFacts {
        files {
            $0.dataFile = "/lib/\(name)"
            $0.lockFile = "/lib/\(name)-lock"
            ($0.data, $0.lock, $0.directory) = (file(data), file(lock), file(directory, 0o755))
            $0.user = 0
        }
    }

    /// What `doctor` as root advises for all files, and the statuses of owner and lock.
    private func judged(_ all: [FileFacts], powerDNS: Account? = nil) -> (statuses: [Finding.Status], cures: [String]) {
        let assigned = ApplicationUser.assign(all, powerDNS: powerDNS) { _ in powerDNS != nil }
        let all = assigned.flatMap { facts in findings { FileChecks.check(facts, &$0) } }
        let shown = all.filter { ["owner and mode", "lock file"].contains($0.check) }
        return (shown.map(\.status), shown.compactMap(\.cure))
    }

    @Test func whatRootHasMadeGoesToTheApplication() {
        // Its own data file beside PowerDNS's lock file: never the other way round.
        let data = judged([facts("db", data: 0, lock: 12345)])
        #expect(data.statuses == [.fail, .pass] && data.cures == ["chown 12345:12345 /lib/db"])
        let lock = judged([facts("db", data: 12345, lock: 0)])
        #expect(lock.statuses == [.pass, .fail] && lock.cures == ["chown 12345:12345 /lib/db-lock"])
        let both = judged([facts("db", data: 0, lock: 0, directory: 12345)])
        #expect(both.statuses == [.fail, .fail])
        #expect(both.cures == ["chown 12345:12345 /lib/db", "chown 12345:12345 /lib/db-lock"])
        let pair = judged([facts("db", data: 12345, lock: 12345), facts("db-0", data: 0, lock: 0)])
        #expect(pair.statuses == [.pass, .pass, .fail, .fail])
        #expect(pair.cures == ["chown 12345:12345 /lib/db-0", "chown 12345:12345 /lib/db-0-lock"])
        #expect(judged([facts("db", data: 0, lock: 0)]).statuses == [.pass, .pass], "all is root's")
    }

    @Test func severalOwnersAndWhoIsRight() {
        let two = [facts("db", data: 12345, lock: 12345), facts("db-0", data: 12346, lock: 12346)]
        let open = judged(two)
        #expect(open.statuses == [.fail, .pass, .fail, .pass])
        #expect(open.cures.allSatisfy { $0.hasPrefix("find out which user") })
        var placed = two
        for index in placed.indices { placed[index].directory = file(12346, 0o755) }
        #expect(judged(placed).cures == ["chown 12346:12346 /lib/db", "chown 12346:12346 /lib/db-lock"])
        let named = judged(two, powerDNS: Account(id: 12347, groups: [12348], name: "pdns"))
        #expect(named.statuses == [.fail, .fail, .fail, .fail] && named.cures[0] == "chown 12347:12348 /lib/db")
        // A group that both are in does as well.
        var shared = [facts("db", data: 12345, lock: 12345)]
        shared[0].data?.mode = 0o660
        shared[0].lock?.mode = 0o660
        let member = judged(shared, powerDNS: Account(id: 12347, groups: [12347, 12345], name: nil))
        #expect(member.statuses == [.pass, .warn])
    }

    @Test func directoriesAboveCount() {
        func exposure(_ mode: UInt32, shut: UInt32 = 0, to user: Account? = nil) -> FileStatus.Exposure {
            file(100, mode, shut: shut).exposure(to: user)
        }
        #expect(exposure(0o600) == .nobody && exposure(0o640) == .group && exposure(0o604) == .everybody)
        #expect(exposure(0o602) == .everybody && exposure(0o601) == .nobody)
        #expect(exposure(0o644, shut: 0o007) == .group && exposure(0o644, shut: 0o077) == .nobody)
        // How a daemon reads what root owns.
        let daemon = Account(id: 7, groups: [100], name: nil)
        #expect(exposure(0o640, to: daemon) == .nobody && exposure(0o644, to: daemon) == .everybody)
        #expect(exposure(0o2750) == .nobody && exposure(0o2755) == .everybody)
    }

    @Test func room() throws {
        func status(_ space: FreeSpace, wanted: Int = 1 << 30) -> Finding.Status? {
            findings { SpaceChecks.check("room", "/x", space, wanted: wanted, &$0) }.first?.status
        }
        #expect(status(FreeSpace(available: 0)) == .fail && status(FreeSpace(available: 1 << 20)) == .warn)
        #expect(status(FreeSpace(available: 1 << 30)) == .pass)
        #expect(status(FreeSpace(available: 1 << 40, lacksInodes: true)) == .fail)
        #expect(FreeSpace.read("/no/such/place") != nil, "that of the nearest directory above")
        let bad = findings { SpaceChecks.checkTemporaryFiles("/no/such/place", wanted: 0, &$0) }
        #expect(bad.map(\.status) == [.fail] && bad[0].text.contains("/no/such/place"))
        #expect(findings { SpaceChecks.checkTemporaryFiles("/dev", wanted: 0, &$0) }.count == 1)
    }

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
        #expect(old.contains { $0.text.contains("PID 17 (pdns_server) reads transaction 900, 100 behind") })
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
        #expect(left.contains { $0.check == "delete" && $0.text.contains("a-probe is still there") })
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

    @Test func aClockThatIsNotKnownSaysWhy() {
        func text(_ list: StorageFacts.Step) -> String? {
            storageFindings {
                $0.clockOffset = nil
                $0.list = list
            }.first { $0.check == "clock" }?.text
        }
        #expect(text(.works)?.contains("this kind of storage does not tell the time") == true)
        #expect(text(.failed("away"))?.contains("the storage has not told the time") == true)
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
        #expect(report.summary == "0 failed, 1 to look at, 1 passed, 1 not checked")
        #expect(report.exitCode == 0)
        second = Findings("three")
        second.fail("d", "broken", cure: "mend")
        try report.add(second)
        #expect(report.exitCode == 1)
        let json = try report.json()
        #expect(json.contains("\"version\" : 1") && json.contains("\"cure\" : \"mend it\""))
    }
}
