import DaemonTestSupport
import Foundation
import LMDB
import Logging
import Observability
import Replication
import Support
import Synchronization
import TestSupport
import Testing

@testable import Daemon

/// A loop that turns only when the test lets it.
private final class FakeLoop: WatchedLoop {
    private let state = Mutex((turns: 1, isStuck: false))

    var turns: Int { state.withLock(\.turns) }
    var isStuck: Bool {
        get { state.withLock(\.isStuck) }
        set { state.withLock { $0.isStuck = newValue } }
    }

    func probe() {
        state.withLock { state in
            if !state.isStuck { state.turns += 1 }
        }
    }
}

@Suite struct NotifySocketTests {
    @Test func messagesReachAPathAndAnAbstractName() throws {
        let directory = try TemporaryDirectory()
        for address in [directory.file("notify"), "@lightningstream-test-\(getpid())"] {
            let listener = try NotifyListener(address)
            let socket = try NotifySocket(address)
            try socket.send(["READY=1", "STATUS=all well"])
            #expect(try listener.next() == ["READY=1", "STATUS=all well"])
        }
    }

    @Test(arguments: ["/", "@", "notify", "vsock:2:1234", "", "/" + String(repeating: "x", count: 107)])
    func badAddresses(_ address: String) {
        #expect(throws: NotifySocket.BadAddress(address: address)) { _ = try NotifySocket(address) }
    }

    @Test func theLongestAddressWorks() throws {
        let address = "@" + String(repeating: "y", count: NotifySocket.longestAddress - 1)
        let listener = try NotifyListener(address)
        try NotifySocket(address).send(["READY=1"])
        #expect(try listener.next() == ["READY=1"])
    }

    @Test func nobodyListens() throws {
        let directory = try TemporaryDirectory()
        let socket = try NotifySocket(directory.file("nobody"))
        let error = #expect(throws: SystemError.self) { try socket.send(["READY=1"]) }
        #expect(error?.code == ENOENT)
    }

    // Whoever sends must not hang with a service manager that does.
    @Test func aFullQueueIsAnErrorAndNoWait() throws {
        let directory = try TemporaryDirectory()
        let listener = try NotifyListener(directory.file("notify"))
        let socket = try NotifySocket(listener.address)
        let error = #expect(throws: SystemError.self) {
            for _ in 0..<100_000 { try socket.send(["WATCHDOG=1"]) }
        }
        #expect(error?.code == EAGAIN)
    }
}

@Suite struct ServiceSettingsTests {
    private typealias Settings = ServiceNotifier.Settings

    private func settings(_ variables: [String: String]) -> Settings? { Settings(environment: variables, pid: 42) }

    @Test func withoutASocketThereIsNobodyToTell() {
        #expect(settings([:]) == nil)
        #expect(settings(["NOTIFY_SOCKET": "", "WATCHDOG_USEC": "1000"]) == nil)
    }

    @Test(
        arguments: [
            (nil, "42"), ("0", nil), ("-5", nil), ("soon", nil), ("1000000", "43"), ("1000000", ""),
            ("99999999999999999999", nil),
        ] as [(String?, String?)])
    func noWatchdog(_ limit: String?, _ pid: String?) {
        var variables = ["NOTIFY_SOCKET": "/n"]
        variables["WATCHDOG_USEC"] = limit
        variables["WATCHDOG_PID"] = pid
        #expect(settings(variables) == Settings(address: "/n", limit: Settings.startExtension, hasWatchdog: false))
    }

    @Test(arguments: [nil, "42"])
    func aWatchdog(_ pid: String?) {
        var variables = ["NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "300000000"]
        variables["WATCHDOG_PID"] = pid
        #expect(settings(variables) == Settings(address: "@n", limit: 300_000_000, hasWatchdog: true))
    }
}

@Suite struct ServiceStatusTests {
    @Test func itIsReadyWhenEveryDatabaseHasStarted() {
        var status = ServiceStatus(databases: ["main", "shard"], receiveOnly: false)
        #expect(status.text == "Starting up, not done yet: main, shard")
        status.handle(.started, of: "shard", at: sampleTime)
        status.handle(.started, of: "shard", at: sampleTime)
        #expect(!status.isReady)
        #expect(status.text == "Starting up, not done yet: main")
        status.handle(.started, of: "main", at: sampleTime)
        #expect(status.isReady)
        #expect(status.text == "Syncing main, shard")
    }

    @Test func receiversSaySo() {
        var status = ServiceStatus(databases: ["main"], receiveOnly: true)
        status.handle(.started, of: "main", at: sampleTime)
        status.problem = "main_storage_list_failed_duration: down"
        status.obstacle = "no activity of main"
        #expect(status.text == "Receiving main; no activity of main; main_storage_list_failed_duration: down")
    }

    // A line break would let a text from outside tell the service manager something.
    @Test func theTextIsOneShortLine() {
        var status = ServiceStatus(databases: ["main"], receiveOnly: false)
        status.problem = "bad\nREADY=1\r\u{7f}" + String(repeating: "é", count: 500)
        #expect(status.text.hasPrefix("Starting up, not done yet: main; bad.READY=1..éé"))
        #expect(status.text.utf8.count <= ServiceStatus.longestText)
    }
}

@Suite struct ServiceNotifierTests {
    private let directory: TemporaryDirectory
    private let listener: NotifyListener
    private let lines = CapturedLines()

    init() throws {
        directory = try TemporaryDirectory()
        listener = try NotifyListener(directory.file("notify"))
    }

    private func notifier(_ databases: [String], watchdog: Bool = true) throws -> ServiceNotifier {
        try ServiceNotifier(
            .init(address: listener.address, limit: 8_000_000, hasWatchdog: watchdog),
            status: ServiceStatus(databases: databases, receiveOnly: false),
            logger: Logger(label: "test") { [lines] _ in
                LineLogHandler(
                    settings: LogSettings(format: .logfmt, timestamp: .disable, level: .info, usesColour: false),
                    clock: { sampleTime }, output: lines)
            }, clock: { sampleTime }, problem: { nil })
    }

    private func open(_ name: String) throws -> Environment {
        try Environment(
            EnvironmentOptions(path: directory.file(name), noSubdirectory: true, create: true, mapSize: 1 << 20))
    }

    @Test func readyComesOnceAndAtOnce() throws {
        let notifier = try notifier(["a", "b"])
        notifier.observe(.started, of: "a")
        #expect(listener.all() == [])
        notifier.observe(.started, of: "b")
        #expect(listener.all() == ["READY=1", "STATUS=Syncing a, b"])
        notifier.observe(.started, of: "b")
        #expect(listener.all() == [])
    }

    @Test func theStartUpIsExtendedWhileAllLive() throws {
        for (watchdog, expected) in [(true, ["WATCHDOG=1"]), (false, [])] {
            let notifier = try notifier(["a"], watchdog: watchdog)
            notifier.check()
            #expect(listener.all() == expected + ["EXTEND_TIMEOUT_USEC=8000000"])
            notifier.observe(.started, of: "a")
            _ = listener.all()
            notifier.check()
            #expect(listener.all() == expected)
        }
    }

    @Test func aStuckLoopStopsThePings() throws {
        let notifier = try notifier(["a", "b"])
        let (a, b) = (FakeLoop(), FakeLoop())
        notifier.watch(a, of: "a")
        notifier.watch(b, of: "b")
        notifier.observe(.opened(try open("a")), of: "a")
        notifier.observe(.opened(try open("b")), of: "b")
        notifier.observe(.started, of: "a")
        notifier.observe(.started, of: "b")
        _ = listener.all()
        for _ in 0..<3 {
            notifier.check()
            #expect(listener.all() == ["WATCHDOG=1"])
        }
        b.isStuck = true
        // It answered the last time.
        notifier.check()
        #expect(listener.all() == ["WATCHDOG=1"])
        for _ in 0..<4 { notifier.check() }
        #expect(listener.all() == [])
        #expect(lines.all.filter { $0.contains("level=error") && $0.contains("a sync loop hangs") }.count == 1)
        #expect(lines.text.contains("db=b"))

        b.isStuck = false
        notifier.check()
        notifier.check()
        #expect(listener.all() == ["WATCHDOG=1"])
        // One that has ended is not missed.
        b.isStuck = true
        notifier.observe(.ended, of: "b")
        for _ in 0..<3 { notifier.check() }
        #expect(listener.all() == ["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"])
    }

    @Test func nothingFollowsTheEnd() throws {
        let notifier = try notifier(["a"])
        notifier.stopping("Failed: two\nlines")
        notifier.stopping("Done")
        notifier.check()
        #expect(listener.all() == ["STOPPING=1", "STATUS=Failed: two.lines"])
    }

    // Nothing is lost when the service manager is busy.
    @Test func readyIsToldAgainUntilItArrives() async throws {
        let notifier = try notifier(["a"])
        // Each sender has a buffer of its own, until nobody can send any more.
        var others: [NotifySocket] = []
        while others.isEmpty || (try? others[others.count - 1].send(["X=1"])) != nil {
            let other = try NotifySocket(listener.address)
            while (try? other.send(["X=1"])) != nil {}
            others.append(try NotifySocket(listener.address))
        }
        notifier.observe(.started, of: "a")
        let before = listener.all()
        #expect(!before.contains("READY=1"))
        let running = Task { await notifier.run() }
        defer { running.cancel() }
        try await eventually { listener.all().contains("READY=1") }
    }
}
