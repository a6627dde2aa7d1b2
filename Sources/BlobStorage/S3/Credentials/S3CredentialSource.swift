import HTTP
import Support
import Synchronization

/// Provides the credentials for requests, and renews them before they end.
///
/// Where they come from is decided once, by ``CredentialChain``.
final class S3CredentialSource: Sendable {
    private struct State {
        var lease: CredentialLease?
        /// How many attempts have ended, and the failure of the last one.
        var attempts = 0
        var failure: (any Error)?
        /// Whether the failures of renewals were reported.
        var hasReported = false
        /// When credentials were replaced because the server refused them.
        var replacedAt: Duration?
    }

    private let provider: CredentialProvider
    private let tls: TLSOptions
    private let interval: Duration
    private let clock: @Sendable () -> Moment
    private let random: @Sendable () -> Double
    private let notice: @Sendable (S3CredentialNotice) -> Void
    private let state = Mutex(State())
    /// Held while credentials are requested: concurrent users share the result.
    private let renewal = Mutex<Void>(())

    /// The time in which the server's refusals replace credentials once.
    private static let replacementPause = Duration.seconds(30)

    /// May block: reads files, and asks the metadata service if there is nothing else.
    ///
    /// - Parameters:
    ///   - environment: returns the value of an environment variable.
    ///   - notice: called on the thread of a request when credentials are renewed, or cannot be.
    ///   - random: 0..<1, a new value for each call.
    /// - Throws: ``BlobStoreError`` if there are no credentials, or a setting or a file is unusable.
    init(
        _ options: S3Options, environment: @escaping @Sendable (String) -> String?,
        notice: @escaping @Sendable (S3CredentialNotice) -> Void = { _ in },
        clock: @escaping @Sendable () -> Moment = Moment.clock(),
        random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
    ) throws(BlobStoreError) {
        let found = try CredentialChain(options, environment: environment).find()
        guard let provider = found.provider else {
            throw BlobStoreError(.other, nil, .noKeys(unreadable: found.unreadable, instance: nil))
        }
        self.provider = provider
        self.notice = notice
        self.clock = clock
        self.random = random
        tls = options.tls.authoritiesOnly
        interval = provider.origin.isLocal ? options.secretsRefreshInterval : CredentialLease.unlimited
        // Roles that are meant are requested with the first request, which may be repeated.
        guard provider.origin.isLocal || found.isLastResort else { return }
        do {
            _ = try obtain(since: 0, CancellationSignal())
        } catch let failure as S3CredentialFailure where found.isLastResort {
            // Without such a service the reason is that there are no keys.
            let isThere = if case .refused = failure.problem { failure.problem.isTransient } else { false }
            throw isThere
                ? BlobStoreError(failure)
                : BlobStoreError(.other, nil, .noKeys(unreadable: found.unreadable, instance: failure))
        } catch let failure as S3CredentialFailure {
            throw BlobStoreError(failure)
        } catch let error as BlobStoreError {
            throw error
        } catch {
            throw BlobStoreError(.other, "\(error)")
        }
    }

    /// What is in use, without secrets.
    var current: S3CredentialState {
        let lease = state.withLock { $0.lease }
        return S3CredentialState(origin: provider.origin, isObtained: lease != nil, expires: lease?.expires)
    }

    /// The credentials for a request. May block: reads files, sends requests.
    ///
    /// While valid credentials are renewed, others go on with them.
    ///
    /// - Throws: ``S3CredentialFailure``, or `CancellationError`.
    func credentials(_ cancellation: CancellationSignal = CancellationSignal()) throws -> S3Credentials {
        let now = clock()
        let (lease, attempts) = state.withLock { ($0.lease, $0.attempts) }
        guard let lease, lease.isUsable(at: now) else {
            return try renewal.withLock { _ in try obtain(since: attempts, cancellation) }
        }
        guard lease.isDue(at: now) else { return lease.credentials }
        return try renewal.withLockIfAvailable { _ in try refresh(lease, cancellation) } ?? lease.credentials
    }

    /// Other credentials than those that the server takes for expired; nil if there are none.
    ///
    /// - Throws: `CancellationError`.
    func replacement(
        for refused: S3Credentials, _ cancellation: CancellationSignal
    ) throws -> S3Credentials? {
        try renewal.withLock { _ in
            let now = clock()
            let (lease, replacedAt) = state.withLock { ($0.lease, $0.replacedAt) }
            // Another request has been faster.
            if let lease, lease.credentials != refused { return lease.credentials }
            if let replacedAt, now.uptime - replacedAt < Self.replacementPause { return nil }
            state.withLock { $0.replacedAt = now.uptime }
            guard let renewed = try? attempt(cancellation) else {
                try cancellation.check()
                return nil
            }
            return renewed == refused ? nil : renewed
        }
    }

    // MARK: With the lock of renewals

    /// Gets credentials where there are none, unless another user has just tried that.
    private func obtain(since attempts: Int, _ cancellation: CancellationSignal) throws -> S3Credentials {
        try cancellation.check()
        let known = state.withLock { $0 }
        if known.attempts != attempts {
            if let lease = known.lease, lease.isUsable(at: clock()) { return lease.credentials }
            if let failure = known.failure { throw failure }
        }
        return try attempt(cancellation)
    }

    /// Renews credentials that are valid, unless another user has just done that.
    private func refresh(_ known: CredentialLease, _ cancellation: CancellationSignal) throws -> S3Credentials {
        let lease = state.withLock { $0.lease } ?? known
        guard lease.isDue(at: clock()) else { return lease.credentials }
        let renewed = try? attempt(cancellation)
        try cancellation.check()
        return renewed ?? lease.credentials
    }

    private func attempt(_ cancellation: CancellationSignal) throws -> S3Credentials {
        do {
            let issued = try provider.fetch(tls, now: { [clock] in clock().wall }, cancellation)
            let lease = CredentialLease(issued, at: clock(), interval: interval, random: random())
            let (wasReported, isNew) = state.withLock { state in
                defer {
                    state.lease = lease
                    state.attempts += 1
                    (state.failure, state.hasReported) = (nil, false)
                }
                return (state.hasReported, state.lease?.credentials != lease.credentials)
            }
            if wasReported || isNew { notice(.renewed(current, afterFailure: wasReported)) }
            return lease.credentials
        } catch let error as CancellationError {
            throw error
        } catch {
            fail(error)
            throw error
        }
    }

    private func fail(_ error: any Error) {
        let now = clock()
        let isFirst = state.withLock { state in
            state.attempts += 1
            state.failure = error
            state.lease?.putOff(at: now, interval: interval, random: random())
            guard let lease = state.lease, lease.isUsable(at: now), !state.hasReported else { return false }
            state.hasReported = true
            return true
        }
        guard isFirst else { return }
        let failure = error as? BlobStoreError ?? (error as? S3CredentialFailure).map { BlobStoreError($0) }
        if let failure { notice(.kept(current, failure)) }
    }
}
