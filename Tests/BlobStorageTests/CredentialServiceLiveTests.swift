import Foundation
import HTTP
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// What is sent to the services that hand out credentials, and what is made of their answers.
@Suite struct CredentialServiceLiveTests {
    private let directory: TemporaryDirectory
    private let clock = TestClock()

    init() throws { directory = try TemporaryDirectory() }

    // MARK: Instances

    private func instance(_ server: FaultServer, _ more: [String: String] = [:]) throws -> S3CredentialSource {
        try source(["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.endpoint].merging(more) { $1 }, clock: clock)
    }

    @Test func anInstanceIsAskedWithASessionToken() throws {
        let server = try metadataService { _ in
            .answer(200, [:], credentialDocument("A1", expires: TestClock.text(3600)))
        }
        defer { server.stop() }
        let source = try instance(server)
        #expect(try source.credentials() == keys("A1"))
        #expect(
            source.current
                == CredentialState(
                    origin: .instance(service: server.endpoint), isObtained: true,
                    expires: WallTime(seconds: TestClock.start.seconds + 3600)))
        #expect(server.requests.map(\.method) == ["PUT", "GET", "GET"])
        #expect(server.requests.first?.body.isEmpty == true)
        #expect(server.requests.first?.headers["content-length"] == "0")
    }

    @Test(
        arguments: [
            (FaultServer.Reply.answer(404), "HTTP 404 to the request for a session token (IMDSv2)"),
            (.answer(405), "HTTP 405 to the request for a session token (IMDSv2)"),
            (.answer(403), "HTTP 403 to the request for a session token (IMDSv2)"), (.answer(400), "HTTP 400"),
            (.answer(200, [:], "<html>login</html>"), "the answer is not a session token"),
            (.answer(200, [:], "a b"), "the answer is not a session token"),
            (.answer(200), "the answer is not a session token"), (.reset, ""),
            (.silence, "not complete after 0.3 seconds"),
        ])
    func withoutASessionTokenNothingElseIsAsked(_ reply: FaultServer.Reply, _ expected: String) throws {
        let server = try FaultServer { _, _ in reply }
        defer { server.stop() }
        let text = errorLine { _ = try instance(server, ["AWS_METADATA_SERVICE_TIMEOUT": "0.3"]) }
        #expect(text.hasPrefix("no S3 keys are set, and neither the environment nor a profile of the AWS tools ("))
        #expect(text.contains("no credentials from \(server.endpoint), the metadata service of EC2 instances: "))
        #expect(text.hasSuffix(expected))
        #expect(Set(server.requests.map(\.method)) == ["PUT"])
    }

    @Test(
        arguments: [
            (FaultServer.Reply.answer(404), "HTTP 404"), (.answer(200, [:], "garbage"), "not a JSON document"),
            (.answer(200, [:], "{\"AccessKeyId\": 5}"), "not a JSON document"),
            (
                .answer(200, [:], "{\"AccessKeyId\": \"a\", \"SecretAccessKey\": \"\"}"),
                "the answer has no SecretAccessKey"
            ), (.answer(200, [:], "{\"Code\": \"Success\"}"), "the answer has no AccessKeyId"),
            (
                .answer(200, [:], "{\"Code\": \"AssumeRoleUnauthorizedAccess\", \"Message\": \"no\\nsuch role\"}"),
                "HTTP 200 AssumeRoleUnauthorizedAccess: no such role"
            ),
            (
                .answer(200, [:], credentialDocument("A", expires: TestClock.text(-1))),
                "those in the answer have expired at 2027-01-15T07:59:59Z"
            ),
            (
                .answer(200, [:], credentialDocument("A", expires: "tomorrow")),
                "the Expiration in the answer is not a time"
            ),
            (.answer(400, [:], "{\"message\": \"token session-token== is bad\"}"), "HTTP 400: token *** is bad"),
        ])
    func answersThatAreNoCredentials(_ reply: FaultServer.Reply, _ expected: String) throws {
        let server = try metadataService { _ in reply }
        defer { server.stop() }
        let text = errorLine { _ = try instance(server) }
        #expect(text.contains(expected))
        #expect(!text.contains("A-secret") && !text.contains("A-token") && !text.contains { $0.isNewline })
    }

    @Test func anInstanceMayHaveNoRole() throws {
        let server = try FaultServer { request, _ in
            request.method == "PUT" ? .answer(200, [:], "t") : .answer(404)
        }
        defer { server.stop() }
        #expect(errorLine { _ = try instance(server) }.hasSuffix("the instance has no role"))
    }

    /// A service that is there, but does not answer yet, is not the same as no service.
    @Test func aServiceInTroubleIsAskedAgain() throws {
        let server = try FaultServer { _, _ in .answer(503) }
        defer { server.stop() }
        let error = #expect(throws: BlobStoreError.self) { try instance(server) }
        #expect(error?.code == BlobStoreError.credentialsUnavailable)
        #expect(server.requests.count == 1)
        _ = try? instance(server, ["AWS_METADATA_SERVICE_NUM_ATTEMPTS": "3"])
        #expect(server.requests.count == 4)
    }

    /// The limits apply even if nobody answers at all.
    @Test func aNetworkWithoutServiceIsLeftSoon() throws {
        let deaf = try DeafServer(acceptsConnections: false)
        let environment = [
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:\(deaf.port)",
            "AWS_METADATA_SERVICE_TIMEOUT": "0.2",
        ]
        let error = #expect(throws: BlobStoreError.self) { try source(environment) }
        guard case .noKeys(_, let failure) = error?.cause, case .unanswered(let transfer) = failure?.problem else {
            Issue.record("another error: \(String(describing: error))")
            return
        }
        #expect(transfer.reason == .timeout)
    }

    // MARK: Containers

    private func container(_ server: FaultServer, _ more: [String: String] = [:]) throws -> S3CredentialSource {
        let url = "\(server.endpoint)/v1/credentials?a=secret-query"
        return try source(["AWS_CONTAINER_CREDENTIALS_FULL_URI": url].merging(more) { $1 }, clock: clock)
    }

    @Test func aTokenFileIsReadForEachRequest() throws {
        let server = try FaultServer { request, number in
            .answer(
                200, [:],
                credentialDocument("C-\(request.headers["authorization"] ?? "")", expires: TestClock.text(100), ""))
        }
        defer { server.stop() }
        try directory.write("token", "first\n")
        let source = try container(
            server,
            [
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": directory.file("token"),
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": "not used",
            ])
        // Nothing is requested before it is needed.
        #expect(server.requests.isEmpty && !source.current.isObtained)
        #expect(try source.credentials() == keys("C-first"))
        try directory.write("token", "second")
        clock.pass(.seconds(60))
        #expect(try source.credentials() == keys("C-second"))
        #expect(Set(server.requests.map(\.target)) == ["/v1/credentials?a=secret-query"])
        #expect(Set(server.requests.map(\.method)) == ["GET"])
    }

    @Test func aTokenMayBeInTheEnvironmentOrMissing() throws {
        let server = try FaultServer { _, _ in .answer(200, [:], credentialDocument("C", expires: nil, "")) }
        defer { server.stop() }
        #expect(try container(server, ["AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abcd"]).credentials() == keys("C"))
        #expect(try container(server).credentials() == keys("C"))
        #expect(server.requests.map { $0.headers["authorization"] } == ["Basic abcd", nil])
    }

    @Test func aContainerWithAWrongTokenIsRefused() throws {
        let server = try FaultServer { request, _ in
            let echo = request.headers["authorization"] ?? ""
            return .answer(403, [:], "{\"code\": \"AccessDenied\", \"message\": \"bad token \(echo)\"}")
        }
        defer { server.stop() }
        try directory.write("token", "wrong-token-value")
        let source = try container(
            server, ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": directory.file("token")])
        #expect(
            errorLine { _ = try source.credentials() }
                == "no credentials from \(server.endpoint), the service for roles of containers: "
                + "HTTP 403 AccessDenied: bad token ***")
        try directory.write("token", "")
        #expect(errorLine { _ = try source.credentials() }.hasSuffix("token has no key in its first line"))
        #expect(server.requests.count == 1)
    }

    // MARK: STS

    private func form(_ request: FaultServer.Request?) -> [String: String] {
        let pairs = String(decoding: request?.body ?? [], as: UTF8.self).split(separator: "&").map {
            $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { percentDecoded($0) ?? "?" }
        }
        return Dictionary(pairs.map { ($0[0], $0.count > 1 ? $0[1] : "") }) { $1 }
    }

    @Test func aWebIdentityIsExchangedForARole() throws {
        let server = try FaultServer { _, number in
            .answer(200, [:], stsAnswer("AssumeRoleWithWebIdentity", "W\(number)", expires: TestClock.text(3600)))
        }
        defer { server.stop() }
        try directory.write("token", "eyJ.a+b/c.d==\n")
        let environment = [
            "AWS_WEB_IDENTITY_TOKEN_FILE": directory.file("token"), "AWS_ROLE_ARN": "arn:aws:iam::1:role/zo nes",
            "AWS_ENDPOINT_URL_STS": server.endpoint, "AWS_ROLE_SESSION_NAME": "ns1",
        ]
        let source = try source(environment, clock: clock)
        #expect(server.requests.isEmpty)
        #expect(try source.credentials() == keys("W0"))
        let request = server.requests.first
        #expect(request?.method == "POST" && request?.target == "/")
        #expect(request?.headers["content-type"]?.hasPrefix("application/x-www-form-urlencoded") == true)
        #expect(request?.headers["authorization"] == nil)
        #expect(
            form(request) == [
                "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15",
                "RoleArn": "arn:aws:iam::1:role/zo nes", "RoleSessionName": "ns1", "WebIdentityToken": "eyJ.a+b/c.d==",
            ])
        // Kubernetes replaces the file.
        try directory.write("token", "next")
        clock.pass(.seconds(3500))
        #expect(try source.credentials() == keys("W1"))
        #expect(form(server.requests.last)["WebIdentityToken"] == "next")
        #expect(
            try BlobStorageTests.source(environment.merging(["AWS_ROLE_SESSION_NAME": ""]) { $1 }, clock: clock)
                .credentials() == keys("W2"))
        #expect(form(server.requests.last)["RoleSessionName"] == "lightningstream")
    }

    @Test(
        arguments: [
            (
                FaultServer.Reply.answer(
                    403, [:],
                    """
                    <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>\
                    <Code>AccessDenied</Code><Message>not with web-token</Message></Error></ErrorResponse>
                    """), "HTTP 403 AccessDenied: not with ***", false
            ), (.answer(500), "HTTP 500", true),
            (
                .answer(400, [:], "<ErrorResponse><Error><Code>IDPCommunicationError</Code></Error></ErrorResponse>"),
                "HTTP 400 IDPCommunicationError", true
            ), (.answer(200, [:], "<html></html>"), "the answer has no AccessKeyId", false),
            (.answer(200, [:], "geheim"), "the answer is not that of an STS", false), (.reset, "no credentials", true),
            (
                .answer(
                    200, [:], stsAnswer("AssumeRoleWithWebIdentity", "W", expires: "2020-01-01T00:00:00.000+00:00")),
                "those in the answer have expired at", false
            ),
        ])
    func refusalsOfAnSTS(_ reply: FaultServer.Reply, _ expected: String, _ isTransient: Bool) throws {
        let server = try FaultServer { _, _ in reply }
        defer { server.stop() }
        try directory.write("token", "web-token")
        let source = try source(
            [
                "AWS_WEB_IDENTITY_TOKEN_FILE": directory.file("token"), "AWS_ROLE_ARN": "arn:r",
                "AWS_ENDPOINT_URL_STS": server.endpoint,
            ], clock: clock)
        let failure = #expect(throws: CredentialFailure.self) { try source.credentials() }
        #expect(failure?.text.contains(expected) == true)
        #expect(failure?.text.contains("web-token") == false && failure?.text.contains("geheim") == false)
        #expect(failure?.problem.isTransient == isTransient)
    }

    /// The signature is that of the keys of the source profile; they come from a real file each time.
    @Test func aRoleIsAssumedWithOtherKeys() throws {
        let server = try FaultServer { _, _ in
            .answer(200, [:], stsAnswer("AssumeRole", "R", expires: TestClock.text(3600)))
        }
        defer { server.stop() }
        try directory.write(
            "config",
            """
            [profile zones]
            role_arn = arn:zones
            source_profile = base
            role_session_name = s1
            external_id = e/1
            duration_seconds = 900
            region = eu-west-3
            [profile base]
            aws_access_key_id = BASE
            aws_secret_access_key = base-secret
            aws_session_token = base-token
            """)
        let source = try source(
            [
                "AWS_CONFIG_FILE": directory.file("config"), "AWS_PROFILE": "zones",
                "AWS_ENDPOINT_URL_STS": server.endpoint,
            ], clock: clock)
        #expect(try source.credentials() == keys("R"))
        let request = try #require(server.requests.first)
        #expect(
            form(request) == [
                "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": "arn:zones", "RoleSessionName": "s1",
                "DurationSeconds": "900", "ExternalId": "e/1",
            ])
        #expect(request.headers["x-amz-security-token"] == "base-token")
        let signed = ["content-type", "host", "x-amz-date", "x-amz-security-token"]
        let base = S3Credentials(accessKey: "BASE", secretKey: "base-secret", sessionToken: "base-token")
        let expected = try SigV4(credentials: base, region: "eu-west-3", service: "sts").authorization(
            method: "POST", path: "/", query: "", headers: signed.map { ($0, request.headers[$0] ?? "") },
            payloadHash: hexadecimal(try Digest.sha256(request.body)), time: clock.now.wall)
        #expect(request.headers["authorization"] == expected)
    }
}
