import Foundation
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// Renewal in simulated time, and what requests to a storage have of it.
@Suite struct CredentialRenewalLiveTests {
    private let clock = TestClock()

    /// The notices as text.
    private final class Notices: Sendable {
        let all = Mutex<[String]>([])

        func take(_ notice: CredentialNotice) {
            let text =
                switch notice {
                case .renewed(_, let afterFailure): afterFailure ? "renewed after failure" : "renewed"
                case .kept(_, let error): "kept: \(error)"
                }
            all.withLock { $0.append(text) }
        }
    }

    private func container(
        _ notices: Notices = Notices(), _ reply: @escaping @Sendable (Int) -> FaultServer.Reply
    ) throws -> (FaultServer, S3CredentialSource) {
        let server = try FaultServer { _, number in reply(number) }
        let source = try source(
            ["AWS_CONTAINER_CREDENTIALS_FULL_URI": server.endpoint], clock: clock, notice: notices.take)
        return (server, source)
    }

    @Test func theyAreRenewedBeforeTheyEnd() throws {
        let (server, source) = try container { number in
            .answer(200, [:], credentialDocument("K\(number)", expires: TestClock.text(3600 * Int64(number + 1))))
        }
        defer { server.stop() }
        #expect(try source.credentials() == keys("K0"))
        clock.pass(.seconds(3299))
        #expect(try source.credentials() == keys("K0"))
        clock.pass(.seconds(1))
        #expect(try source.credentials() == keys("K1"))
        #expect(server.requests.count == 2)
    }

    @Test func whatIsValidStaysInUseIfTheRenewalFails() throws {
        let notices = Notices()
        let isBroken = Mutex(false)
        let (server, source) = try container(notices) { number in
            isBroken.withLock(\.self)
                ? .answer(500) : .answer(200, [:], credentialDocument("K\(number)", expires: TestClock.text(3600)))
        }
        defer { server.stop() }
        #expect(try source.credentials() == keys("K0"))
        isBroken.withLock { $0 = true }
        clock.pass(.seconds(3310))
        for _ in 0..<3 { #expect(try source.credentials() == keys("K0")) }
        // Not with each request, but twice a minute.
        #expect(server.requests.count == 2)
        clock.pass(.seconds(30))
        #expect(try source.credentials() == keys("K0"))
        #expect(server.requests.count == 3)
        // One warning for all of it.
        let warning = "kept: no credentials from \(server.endpoint), the service for roles of containers: HTTP 500"
        #expect(notices.all.withLock(\.self) == ["renewed", warning])
        clock.pass(.seconds(300))
        #expect(throws: CredentialFailure.self) { try source.credentials() }
        isBroken.withLock { $0 = false }
        let error = #expect(throws: CredentialFailure.self) { try source.credentials() }
        guard case .expired = error?.problem else {
            Issue.record("another problem: \(String(describing: error))")
            return
        }
    }

    @Test func afterAFailureTheNextSuccessIsTold() throws {
        let notices = Notices()
        let (server, source) = try container(notices) { number in
            number == 1 ? .reset : .answer(200, [:], credentialDocument("K\(number)", expires: TestClock.text(3600)))
        }
        defer { server.stop() }
        _ = try source.credentials()
        clock.pass(.seconds(3300))
        #expect(try source.credentials() == keys("K0"))
        clock.pass(.seconds(60))
        #expect(try source.credentials() == keys("K2"))
        #expect(notices.all.withLock(\.self).map { $0.prefix(7) } == ["renewed", "kept: n", "renewed"])
        #expect(notices.all.withLock(\.self).last == "renewed after failure")
    }

    /// Many users wait for one request, and share its failure as well.
    @Test(arguments: [true, false])
    func concurrentUsersShareARenewal(_ succeeds: Bool) async throws {
        let gate = DispatchSemaphore(value: 0)
        let (server, source) = try container { number in
            gate.wait()
            return succeeds
                ? .answer(200, [:], credentialDocument("K\(number)", expires: TestClock.text(3600))) : .answer(500)
        }
        defer { server.stop() }
        let started = Counter()
        let pool = BlockingPool(label: "users", width: 20)
        let results = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    try await pool.run { _ in
                        started.add()
                        return (try? source.credentials()) == keys("K0")
                    }
                }
            }
            try await eventually { started.count == 20 }
            try await Task.sleep(for: .milliseconds(100))
            for _ in 0..<20 { gate.signal() }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results == [Bool](repeating: succeeds, count: 20))
        // A user who comes when a failure is over tries again.
        #expect(succeeds ? server.requests.count == 1 : server.requests.count < 20)
    }

    /// While one user renews what is still valid, the others go on.
    @Test func aSlowRenewalHoldsUpNobody() async throws {
        let gate = DispatchSemaphore(value: 0)
        let (server, source) = try container { number in
            if number == 1 { gate.wait() }
            return .answer(200, [:], credentialDocument("K\(number)", expires: TestClock.text(3600)))
        }
        defer { server.stop() }
        _ = try source.credentials()
        clock.pass(.seconds(3300))
        let pool = BlockingPool(label: "users", width: 2)
        let renewing = Task { try await pool.run { _ in try source.credentials() } }
        try await eventually { server.requests.count == 2 }
        #expect(try await pool.run { _ in try source.credentials() } == keys("K0"))
        gate.signal()
        #expect(try await renewing.value == keys("K1"))
    }

    @Test func aCancelledRequestEndsAtOnceAndFailsNobody() async throws {
        let (server, source) = try container { number in
            number == 0 ? .silence : .answer(200, [:], credentialDocument("K1", expires: nil))
        }
        defer { server.stop() }
        let pool = BlockingPool(label: "users", width: 2)
        let task = Task { try await pool.run { try source.credentials($0) } }
        try await eventually { !server.requests.isEmpty }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try source.credentials() == keys("K1"))
    }

    // MARK: Requests to a storage

    /// A storage with stubs of its bucket and of its service for credentials.
    private struct Stubs {
        let store: S3Store
        let bucket: FaultServer
        let service: FaultServer

        /// - Parameters:
        ///   - token: the session token that the bucket accepts; nil for any.
        ///   - credentials: answers the request of this number.
        init(accepting token: String?, credentials: @escaping @Sendable (Int) -> FaultServer.Reply) async throws {
            bucket = try FaultServer { request, _ in
                token == nil || request.headers["x-amz-security-token"] == token
                    ? .page(["a"], token: nil, truncated: false) : .answer(400, [:], expired)
            }
            service = try FaultServer { _, number in credentials(number) }
            var options = S3Options(bucket: "b", endpointURL: bucket.endpoint)
            options.retry.firstPause = .milliseconds(1)
            let environment = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": service.endpoint, "HOME": "/nonexistent"]
            store = try await S3Store.open(options, environment: { environment[$0] })
        }

        func stop() {
            bucket.stop()
            service.stop()
        }
    }

    private static func fresh(_ number: Int) -> FaultServer.Reply {
        .answer(200, [:], credentialDocument("K\(number)", expires: nil))
    }

    @Test func anExpiredTokenIsRenewedOnce() async throws {
        let stubs = try await Stubs(accepting: "K1-token", credentials: Self.fresh)
        defer { stubs.stop() }
        #expect(try await stubs.store.list(prefix: "").map(\.name) == ["a"])
        #expect(stubs.bucket.requests.map { $0.headers["x-amz-security-token"] } == ["K0-token", "K1-token"])
        #expect(stubs.service.requests.count == 2)
        #expect(stubs.store.credentials?.isObtained == true)
    }

    @Test func aServerThatAcceptsNothingGetsTwoRequests() async throws {
        let stubs = try await Stubs(accepting: "", credentials: Self.fresh)
        defer { stubs.stop() }
        #expect(await storageError { _ = try await stubs.store.list(prefix: "") }?.code == "ExpiredToken")
        #expect(stubs.service.requests.count == 2)
        #expect(stubs.bucket.requests.count == 2)
    }

    /// A server that takes everything for expired does not cause a renewal for each request.
    @Test func replacementsAreRare() throws {
        let (server, source) = try container(Notices(), Self.fresh)
        defer { server.stop() }
        let cancellation = CancellationSignal()
        #expect(try source.credentials() == keys("K0"))
        #expect(try source.replacement(for: keys("K0"), cancellation) == keys("K1"))
        #expect(try source.replacement(for: keys("K0"), cancellation) == keys("K1"))
        clock.pass(.seconds(29))
        #expect(try source.replacement(for: keys("K1"), cancellation) == nil)
        #expect(server.requests.count == 2)
        clock.pass(.seconds(1))
        #expect(try source.replacement(for: keys("K1"), cancellation) == keys("K2"))
    }

    @Test func theSameTokenAgainIsNotTried() async throws {
        let stubs = try await Stubs(accepting: "", credentials: { _ in Self.fresh(0) })
        defer { stubs.stop() }
        #expect(await storageError { _ = try await stubs.store.list(prefix: "") }?.code == "ExpiredToken")
        #expect(stubs.bucket.requests.count == 1)
    }

    /// What fails on the way to credentials is an error of the request.
    @Test func anOperationSaysThatItHasNoCredentials() async throws {
        let stubs = try await Stubs(
            accepting: nil, credentials: { $0 == 0 ? .answer(200, [:], "garbage") : Self.fresh($0) })
        defer { stubs.stop() }
        let error = await storageError { _ = try await stubs.store.list(prefix: "") }
        #expect(
            error?.description
                == "cannot list bucket b: no credentials from \(stubs.service.endpoint), the service for roles of containers: "
                + "the answer is not a JSON document with credentials")
        #expect(error?.code == "NoCredentials" && stubs.bucket.requests.isEmpty)
        #expect(try await stubs.store.list(prefix: "").count == 1)
    }

    @Test func aServiceThatComesLaterIsWaitedFor() async throws {
        let stubs = try await Stubs(accepting: nil, credentials: { $0 < 2 ? .answer(503) : Self.fresh($0) })
        defer { stubs.stop() }
        #expect(try await stubs.store.list(prefix: "").count == 1)
        #expect(stubs.service.requests.count == 3)
    }

    /// A single renewal is enough for the parts of an upload and listings that are refused together.
    @Test func concurrentRequestsShareTheReplacement() async throws {
        let stubs = try await Stubs(accepting: "K1-token", credentials: Self.fresh)
        defer { stubs.stop() }
        let counts = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<8 { group.addTask { try await stubs.store.list(prefix: "").count } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(counts == [Int](repeating: 1, count: 8))
        #expect(stubs.service.requests.count == 2)
    }
}

private let expired = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
