import DaemonTestSupport
import Foundation
import LMDB
import Monitoring
import Observability
import Snapshots
import Support
import TestSupport
import Testing

@testable import Commands

/// `status` where something listens at `http.address`.
@Suite struct StatusCommandLiveTests {
    private let host: StatusCommandTests

    init() throws { host = try StatusCommandTests() }

    /// Some other process of this host listens at http.address and tells a fine story.
    @Test func aStrangerIsNotTheDaemon() async throws {
        var story = StatusReport()
        story.mode = .sync
        let text = String(decoding: try JSON.encode(story), as: UTF8.self)
        let server = try FaultServer { _, _ in .answer(200, ["Lightningstream-Proof": "0000"], text) }
        defer { server.stop() }
        try host.configure(address: "127.0.0.1:\(server.port)")
        // An LMDB without a lock: of an older daemon, or one that could not make it.
        var (code, found) = try await host.report()
        #expect(code == 0 && found.health.status == "Warning" && found.health.warnings["daemon"] != nil)
        let file = host.directory.path + "/main.lmdb"
        if case .locked(let lock) = DaemonLock.take(dataFile: file, hostname: "h", token: "t") {
            (code, found) = try await host.report()
            #expect(code == 1)
            #expect(found.health.failures["daemon"]?.contains("is not from the daemon that syncs this LMDB") == true)
            withExtendedLifetime(lock) {}
        }
        (code, found) = try await host.report()
        #expect(code == 1)
        #expect(found.health.failures["daemon"]?.contains("no daemon is running") == true)
    }
}
