import BlobStorage
import LMDB
import Snapshots
import Testing

@testable import Doctor

/// What `doctor` says of files, their owners and the room for them.
@Suite struct DoctorFileTests {
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
        #expect(open.cures.allSatisfy { $0.hasPrefix("chown all of them to") })
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
}
