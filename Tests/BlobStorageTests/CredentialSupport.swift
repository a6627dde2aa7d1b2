import Foundation
import Support
import Synchronization
import TestSupport

@testable import BlobStorage

/// A clock that only a test moves.
final class TestClock: Sendable {
    private let passed = Mutex(Duration.zero)
    static let start = WallTime(seconds: 1_800_000_000)

    var now: Moment {
        passed.withLock {
            Moment(uptime: $0, wall: WallTime(seconds: Self.start.seconds + $0.components.seconds))
        }
    }

    func pass(_ duration: Duration) { passed.withLock { $0 += duration } }

    /// The text of a time so many seconds after the start.
    static func text(_ seconds: Int64) -> String {
        WallTime(seconds: start.seconds + seconds).rfc3339(digits: 0)
    }
}

/// Counts across threads.
final class Counter: Sendable {
    private let state = Mutex(0)
    var count: Int { state.withLock { $0 } }

    func add() { state.withLock { $0 += 1 } }
}

/// The document of the services for instances and containers.
func credentialDocument(_ access: String, expires: String?, _ more: String = "\"Code\": \"Success\",") -> String {
    let end = expires.map { ", \"Expiration\": \"\($0)\"" } ?? ""
    return "{\(more) \"AccessKeyId\": \"\(access)\", \"SecretAccessKey\": \"\(access)-secret\", "
        + "\"Token\": \"\(access)-token\"\(end)}"
}

/// What ``credentialDocument(_:expires:_:)`` contains.
func keys(_ access: String) -> S3Credentials {
    S3Credentials(accessKey: access, secretKey: "\(access)-secret", sessionToken: "\(access)-token")
}

/// The answer of an STS.
func stsAnswer(_ action: String, _ access: String, expires: String) -> String {
    """
    <\(action)Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><\(action)Result>
    <Credentials><AccessKeyId>\(access)</AccessKeyId><SecretAccessKey>\(access)-secret</SecretAccessKey>
    <SessionToken>\(access)-token</SessionToken><Expiration>\(expires)</Expiration></Credentials>
    </\(action)Result></\(action)Response>
    """
}

/// A metadata service that checks the session token.
func metadataService(
    role: String = "zones-role", _ document: @escaping @Sendable (Int) -> FaultServer.Reply
) throws -> FaultServer {
    let count = Mutex(0)
    return try FaultServer { request, _ in
        let list = "/latest/meta-data/iam/security-credentials/"
        switch (request.method, request.target) {
        case ("PUT", "/latest/api/token"):
            let lifetime = request.headers["x-aws-ec2-metadata-token-ttl-seconds"].flatMap { Int($0) } ?? 0
            return (1...21_600).contains(lifetime) ? .answer(200, [:], "session-token==") : .answer(400)
        case ("GET", _) where request.headers["x-aws-ec2-metadata-token"] != "session-token==": return .answer(401)
        case ("GET", list): return .answer(200, [:], "\(role)\n")
        case ("GET", "\(list)\(role)"):
            return document(
                count.withLock { count in
                    defer { count += 1 }
                    return count
                })
        default: return .answer(404)
        }
    }
}

/// A source with the environment of a test.
func source(
    _ environment: [String: String], clock: TestClock = TestClock(), region: String = "us-east-1",
    notice: @escaping @Sendable (CredentialNotice) -> Void = { _ in }
) throws -> S3CredentialSource {
    let environment = ["HOME": "/nonexistent"].merging(environment) { $1 }
    return try S3CredentialSource(
        S3Options(bucket: "b", region: region), environment: { environment[$0] }, notice: notice,
        clock: { clock.now }, random: { 0 })
}

/// The line of the error that `body` throws; empty if it throws none.
func errorLine(_ body: () throws -> Void) -> String {
    do {
        try body()
        return ""
    } catch let failure as CredentialFailure {
        return failure.text
    } catch {
        return "\(error)"
    }
}
