import DaemonTestSupport
import TestSupport
import Testing

/// What `sync` tells the service manager.
@Suite struct ServiceManagerTests {
    private let directory: TemporaryDirectory
    private let listener: NotifyListener

    init() throws {
        directory = try TemporaryDirectory()
        listener = try NotifyListener(directory.file("notify"))
    }

    @Test func aRealRunTellsAll() async throws {
        let file = try directory.write(
            "once.yaml",
            "lmdbs: {main: {path: \(directory.file("main")), schema_tracks_changes: true, "
                + "options: {no_subdir: true, create: true}}}\n"
                + "storage: {type: fs, options: {root_path: \(directory.file("bucket"))}}")
        let result = await runCommand(
            ["sync", "--only-once", "-c", file], environment: ["NOTIFY_SOCKET": listener.address])
        #expect(result.exitCode == 0, "\(result.errors)")
        let told = listener.all()
        #expect(told.filter { !$0.hasPrefix("STATUS=") && !$0.hasPrefix("EXTEND") } == ["READY=1", "STOPPING=1"])
        #expect(told.last == "STATUS=Done")
    }

    @Test func anAddressThatCannotBeUsedIsAWarning() async throws {
        let file = try directory.write(
            "once.yaml",
            "lmdbs: {main: {path: \(directory.file("main")), schema_tracks_changes: true, "
                + "options: {no_subdir: true, create: true}}}\n"
                + "storage: {type: fs, options: {root_path: \(directory.file("bucket"))}}")
        let result = await runCommand(["sync", "--only-once", "-c", file], environment: ["NOTIFY_SOCKET": "relative"])
        #expect(result.exitCode == 0)
        #expect(result.errors.contains("NOTIFY_SOCKET=relative is neither"))
    }
}
