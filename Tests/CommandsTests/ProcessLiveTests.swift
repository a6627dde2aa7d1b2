import Foundation
import TestSupport
import Testing

@testable import Commands
@testable import Daemon

/// What only a process of its own shows: signals, time limits, closed outputs.
@Suite struct ProcessLiveTests {
    private let directory: TemporaryDirectory
    private var configuration: String { directory.file("lightningstream.yaml") }

    init() throws {
        directory = try TemporaryDirectory()
        try fill(
            directory.file("main"),
            [("zones", [], (0..<300).map { Entry("key \($0)", String(repeating: "v", count: 1500), timestamp: 5) })])
        try configure("storage: {type: fs, options: {root_path: \(directory.file("bucket"))}}")
    }

    private func configure(_ storage: String) throws {
        try directory.write(
            "lightningstream.yaml",
            "instance: a\nlmdbs: {main: {path: \(directory.file("main")), schema_tracks_changes: true, "
                + "options: {no_subdir: true}}}\n\(storage)\nlog: {format: logfmt, timestamp: disable}\n")
    }

    private func configureBucket(_ bucket: SlowBucket) throws {
        try configure(
            "storage: {type: s3, options: {bucket: b, access_key: a, secret_key: s, "
                + "endpoint_url: 'http://127.0.0.1:\(bucket.port)'}}")
    }

    @Test(arguments: [SIGTERM, SIGINT], ["sync", "receive"])
    func signalsEndItCleanly(signal: Int32, command: String) async throws {
        let child = try ChildProcess(["-c", configuration, command])
        #expect(try await child.logs("opened the LMDB"))
        child.signal(signal)
        #expect(try await child.exitCode() == 0, "\(child.errors)")
        #expect(child.errors.contains(" instance=a signal=\(signal == SIGTERM ? "SIGTERM" : "SIGINT")\n"))
        #expect(child.errors.hasSuffix("level=info msg=ended instance=a\n"))
    }

    @Test func anUploadUnderWayIsFinished() async throws {
        let bucket = try SlowBucket()
        try configureBucket(bucket)
        let child = try ChildProcess(["sync", "-c", configuration])
        #expect(try await eventually { bucket.uploads == 1 })
        child.signal(SIGTERM)
        #expect(try await child.logs("shutting down"))
        bucket.answerUploads()
        #expect(try await child.exitCode() == 0, "\(child.errors)")
        #expect(child.errors.contains("stored a snapshot"))
    }

    @Test(
        arguments: [(SIGTERM, SIGTERM, 143), (SIGTERM, SIGINT, 130), (SIGINT, SIGTERM, 143)] as [(Int32, Int32, Int32)])
    func aSecondSignalEndsItAtOnce(first: Int32, second: Int32, exitCode: Int32) async throws {
        let bucket = try SlowBucket()
        try configureBucket(bucket)
        let child = try ChildProcess(["sync", "-c", configuration])
        #expect(try await eventually { bucket.uploads == 1 })
        child.signal(first)
        #expect(try await child.logs("shutting down"))
        // As part of the first one it does not count, so it is repeated until it does.
        #expect(
            try await eventually {
                child.signal(second)
                return child.errors.contains("ended at once by a second signal")
            })
        #expect(try await child.exitCode() == exitCode, "\(child.errors)")
        #expect(!child.errors.contains("stored a snapshot"))
    }

    /// What is done once may be half done then, and a script must not go on.
    @Test(arguments: [(SIGTERM, 143), (SIGINT, 130)] as [(Int32, Int32)])
    func onlyOnceEndedByASignalIsNoSuccess(signal: Int32, exitCode: Int32) async throws {
        let bucket = try SlowBucket()
        try configureBucket(bucket)
        let child = try ChildProcess(["sync", "--only-once", "-c", configuration])
        #expect(try await eventually { bucket.uploads == 1 })
        child.signal(signal)
        #expect(try await child.logs("shutting down"))
        bucket.answerUploads()
        #expect(try await child.exitCode() == exitCode, "\(child.errors)")
        #expect(child.errors.contains("ended before everything was merged and sent; run it again to complete it"))
    }

    /// GNU timeout sends two.
    @Test func aSignalAndItsEchoAreOne() {
        let ending = Ending()
        let start = ContinuousClock.now
        #expect(!ending.isInsistent(at: start))
        #expect(ending.request(.signal(SIGTERM), at: start) {})
        #expect(!ending.request(.signal(SIGTERM), at: start + .milliseconds(1)) {})
        #expect(!ending.isInsistent(at: start + .milliseconds(999)))
        #expect(ending.isInsistent(at: start + .seconds(1)))
    }

    @Test func timeoutOfSync() async throws {
        let child = try ChildProcess(
            ["sync", "--timeout", "2s", "-c", configuration, "--wait-for-marker-file", "never"])
        #expect(try await child.exitCode() == 75)
        #expect(child.errors.contains("level=fatal msg=\"timeout: not done after 2s (--timeout)\" instance=a\n"))
    }

    @Test func timeoutOfCommandsThatHang() async throws {
        // Nobody ever writes to it, so reading the configuration hangs.
        #expect(mkfifo(directory.file("fifo"), 0o600) == 0)
        let child = try ChildProcess(["stats", "--timeout", "100ms", "-c", directory.file("fifo")])
        #expect(try await child.exitCode() == 75)
        #expect(child.errors == "lightningstream: timeout: not done after 100ms (--timeout)\n")
    }

    @Test func aReaderThatHasSeenEnoughIsNoFailure() async throws {
        let pipe = Pipe()
        // More than a pipe holds.
        let child = try ChildProcess(["dump", "-c", configuration], output: pipe.fileHandleForWriting)
        _ = pipe.fileHandleForReading.readData(ofLength: 10)
        try pipe.fileHandleForReading.close()
        #expect(try await child.exitCode() == 0)
        #expect(child.errors.isEmpty)
    }

    @Test func aFullDiskIsAFailure() async throws {
        let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
        let child = try ChildProcess(["dump", "-c", configuration], output: full)
        #expect(try await child.exitCode() == 1)
        #expect(child.errors == "lightningstream: cannot write to standard output: No space left on device\n")
    }

    @Test func nothingIsStartedWithAnIDThatIsHighEnough() async throws {
        let child = try ChildProcess(["stats", "-c", configuration, "--minimum-pid", "0"])
        #expect(try await child.exitCode() == 0)
        #expect(child.errors.isEmpty)
    }
}
