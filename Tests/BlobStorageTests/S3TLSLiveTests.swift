import Foundation
import HTTP
import Support
import TestSupport
import Testing

@testable import BlobStorage

/// Over TLS, with a certificate of an authority that only the tests know.
@Suite(.s3ServerWithTLS, .timeLimit(.minutes(5)))
struct S3TLSLiveTests {
    private let server: S3TestServer
    private let directory: TemporaryDirectory

    init() throws {
        server = try #require(S3TestServer.current)
        directory = try TemporaryDirectory()
    }

    private func options(_ change: (inout TLSOptions) -> Void) -> S3Options {
        var options = server.options(bucket: "tls-\(UUID().uuidString.lowercased())")
        options.tls = TLSOptions()
        change(&options.tls)
        return options
    }

    private func roundTrip(_ options: S3Options) async throws {
        let store = try await S3Store.open(options)
        try await store.store("x", Spool("x"))
        #expect(try await store.load("x").bytes == Array("x".utf8))
    }

    @Test func theAuthorityFromAFileOrInlineIsAccepted() async throws {
        let pem = try String(contentsOfFile: server.caFile, encoding: .utf8)
        try await roundTrip(options { $0.caFile = server.caFile })
        try await roundTrip(options { $0.ca = pem })
        try await roundTrip(
            options {
                $0.ca = pem
                $0.addSystemCAPool = true
            })
        try await roundTrip(options { $0.insecureSkipVerify = true })
    }

    @Test func anUnknownAuthorityIsRefusedAtOnce() async throws {
        let error = await storageError { try await roundTrip(options { _ in }) }
        #expect(error?.description.contains("SSL certificate problem") == true)
    }

    @Test func aCertificateForAnotherHostIsRefused() async throws {
        var options = options { $0.caFile = server.caFile }
        // libcurl takes it for this machine, but the certificate doesn't name it.
        options.endpointURL = server.endpoint.replacingOccurrences(of: "127.0.0.1", with: "other.localhost")
        let error = await storageError { try await roundTrip(options) }
        #expect(error?.description.contains("no alternative certificate subject name matches") == true)
    }

    @Test func httpAgainstAPortThatSpeaksHTTPSIsSaid() async throws {
        var options = options { _ in }
        options.endpointURL = server.endpoint.replacingOccurrences(of: "https://", with: "http://")
        let error = await storageError { _ = try await S3Store.open(options).list(prefix: "") }
        #expect(error?.description.hasSuffix("; this port requires https") == true)
    }

    @Test func watchedFilesAreReadAgain() async throws {
        let file = directory.file("ca.pem")
        try FileManager.default.copyItem(atPath: server.caFile, toPath: file)
        let options = options {
            $0.caFile = file
            $0.watchCerts = true
            $0.watchCertsPollInterval = .zero
        }
        let store = try await S3Store.open(options)
        try await store.store("x", Spool("x"))
        // Another authority: the server isn't trusted any more.
        try anotherAuthority.write(toFile: file, atomically: true, encoding: .utf8)
        #expect(await storageError { _ = try await store.load("x") } != nil)
        // Being replaced: what was good last stays.
        try FileManager.default.removeItem(atPath: file)
        try FileManager.default.copyItem(atPath: server.caFile, toPath: file)
        #expect(try await store.load("x").bytes == Array("x".utf8))
        try FileManager.default.removeItem(atPath: file)
        #expect(try await store.load("x").bytes == Array("x".utf8))
    }

    /// OpenSSL's test server, asked to insist on a certificate of the client's.
    @Test func aCertificateOfOurOwnIsShownToServersThatAsk() async throws {
        let files = (server.caFile as NSString).deletingLastPathComponent
        let port = try closedPort()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "timeout", "-s", "KILL", "60", "openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-www", "-quiet",
            "-cert", "\(files)/server.pem", "-key", "\(files)/server.key", "-CAfile", server.caFile, "-Verify", "1",
            "-verify_return_error",
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        // timeout leads a process group; SIGTERM may be blocked in it, as in the thread that starts it.
        defer { kill(-process.processIdentifier, SIGKILL) }
        var options = S3Options(
            bucket: "b", accessKey: "x", secretKey: "y", endpointURL: "https://127.0.0.1:\(port)",
            tls: TLSOptions(
                caFile: server.caFile, certFile: "\(files)/server.pem",
                key: try String(contentsOfFile: "\(files)/server.key", encoding: .utf8)))
        // Until the server has started.
        options.retry = RetryPolicy(attempts: 100, longestPause: .milliseconds(100))
        #expect(try await S3Store.open(options).load("x").count > 0)
        options.retry.attempts = 1
        (options.tls.certFile, options.tls.key) = ("", "")
        let without = try await S3Store.open(options)
        #expect(await storageError { _ = try await without.load("x") } != nil)
    }

    // libcurl opens the file once per process, so this takes one of its own.
    @Test func sessionKeysAreWrittenToTheKeyLogFile() async throws {
        let file = directory.file("keys")
        setenv("KEY_LOG_TEST_FILE", file, 1)
        setenv("KEY_LOG_TEST_ENDPOINT", server.endpoint, 1)
        await #expect(processExitsWith: .success) {
            var options = S3Options(
                bucket: "b", accessKey: "x", secretKey: "y",
                endpointURL: ProcessInfo.processInfo.environment["KEY_LOG_TEST_ENDPOINT"] ?? "")
            options.tls.insecureSkipVerify = true
            options.tls.insecureKeyLogFile = ProcessInfo.processInfo.environment["KEY_LOG_TEST_FILE"] ?? ""
            // Refused, but over TLS.
            _ = try? await S3Store.open(options).list(prefix: "")
        }
        #expect(try String(contentsOfFile: file, encoding: .utf8).contains("CLIENT_"))
    }

    @Test func whatIsMissingIsSaidBeforeAnyRequest() async throws {
        try directory.write("file", "not PEM")
        for (options, part) in [
            (options { $0.caFile = directory.file("none") }, "CA certificates: cannot open \(directory.file("none"))"),
            (options { $0.caFile = directory.file("file") }, "CA certificates: \(directory.file("file")) is not PEM"),
            (
                options { $0.cert = "-----BEGIN CERTIFICATE-----" },
                "needs both a certificate and a key"
            ),
            (options { $0.keyFile = server.caFile }, "needs both a certificate and a key"),
        ] {
            let error = await storageError { _ = try await S3Store.open(options) }
            #expect(error?.description.contains(part) == true)
        }
    }
}

/// A certificate that has signed nothing.
private let anotherAuthority = """
    -----BEGIN CERTIFICATE-----
    MIIBiTCCAS+gAwIBAgIUM6SrbtmDCurTVAOAx2/0x3cVhtkwCgYIKoZIzj0EAwIw
    GjEYMBYGA1UEAwwPYW5vdGhlciB0ZXN0IENBMB4XDTI2MTEyMTAzMTk1M1oXDTM2
    MTExODAzMTk1M1owGjEYMBYGA1UEAwwPYW5vdGhlciB0ZXN0IENBMFkwEwYHKoZI
    zj0CAQYIKoZIzj0DAQcDQgAEc5BN6/ygbMDWrR0mCj9AkOd+J1ulf6ee04yXuuJp
    9AjR9dRuTpBINrePVyT/z/9aUmZuAU7ZOY+6Klu++UYqbKNTMFEwHQYDVR0OBBYE
    FLvkiX660qOHCmcPpo36b42l6Yh9MB8GA1UdIwQYMBaAFLvkiX660qOHCmcPpo36
    b42l6Yh9MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAOOp3Cn9
    vQces8R26Y8JoAjg/6QGywim/bxekEzuGIgXAiAj1yPDXVHcq12uNFE5/ln4HTNs
    U6vem3QFZKRiJ4EAmg==
    -----END CERTIFICATE-----
    """
