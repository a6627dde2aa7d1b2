import HTTP
import Support
import Synchronization

/// Provides the credentials for requests, and renews them before they end.
final class CredentialSource<Credentials: Hashable & Sendable>: Sendable {
    /// Gets credentials on the calling thread; may send requests.
    typealias Fetch = @Sendable (_ now: @Sendable () -> WallTime, CancellationSignal) throws -> Issued<Credentials>

    private struct State {
        var lease: CredentialLease<Credentials>?
        /// How many attempts have ended, and the failure of the last one.
        var attempts = 0
        var failure: (any Error)?
        /// Whether the failures of renewals were reported.
        var hasReported = false
        /// When credentials were replaced because the server refused them.
        var replacedAt: Duration?
    }

    private let origin: CredentialOrigin
    private let interval: Duration
    private let fetch: Fetch
    private let clock: @Sendable () -> Moment
    private let random: @Sendable () -> Double
    private let notice: @Sendable (CredentialNotice) -> Void
    private let state = Mutex(State())
    /// Held while credentials are requested: concurrent users share the result.
    private let renewal = Mutex<Void>(())

    /// The time in which the server's refusals replace credentials once.
    private var replacementPause: Duration { .seconds(30) }

    /// Does nothing yet.
    ///
    /// - Parameters:
    ///   - origin: where they come from.
    ///   - interval: the time after which credentials that do not expire are read again.
    ///   - notice: called on the thread of a request when credentials are renewed, or cannot be.
    ///   - random: 0..<1, a new value for each call.
    ///   - fetch: gets them; throws ``CredentialFailure``, ``BlobStoreError`` or `CancellationError`.
    init(
        _ origin: CredentialOrigin, interval: Duration, notice: @escaping @Sendable (CredentialNotice) -> Void,
        clock: @escaping @Sendable () -> Moment, random: @escaping @Sendable () -> Double, fetch: @escaping Fetch
    ) {
        self.origin = origin
        self.interval = interval
        self.notice = notice
        self.clock = clock
        self.random = random
        self.fetch = fetch
    }

    /// Gets the first credentials, unless that needs a request that may be repeated: those of a service that is meant are
    /// requested with the first request to the storage.
    ///
    /// May block: reads files, and asks the metadata service if there is nothing else.
    ///
    /// - Parameters:
    ///   - isLastResort: whether the origin is asked only because there is nothing else.
    ///   - noKeys: the error if there is no such service.
    func begin(
        isLastResort: Bool, noKeys: (CredentialFailure) -> BlobStoreError
    ) throws(BlobStoreError) {
        guard origin.isLocal || isLastResort else { return }
        do {
            _ = try obtain(since: 0, CancellationSignal())
        } catch let failure as CredentialFailure where isLastResort {
            // Without such a service the reason is that there are no keys.
            let isThere = if case .refused = failure.problem { failure.problem.isTransient } else { false }
            throw isThere ? BlobStoreError(failure) : noKeys(failure)
        } catch let failure as CredentialFailure {
            throw BlobStoreError(failure)
        } catch let error as BlobStoreError {
            throw error
        } catch {
            throw BlobStoreError(.other, "\(error)")
        }
    }

    /// What is in use, without secrets.
    var current: CredentialState {
        let lease = state.withLock { $0.lease }
        return CredentialState(origin: origin, isObtained: lease != nil, expires: lease?.expires)
    }

    /// The credentials for a request. May block: reads files, sends requests.
    ///
    /// While valid credentials are renewed, others go on with them.
    ///
    /// - Throws: ``CredentialFailure``, or `CancellationError`.
    func credentials(_ cancellation: CancellationSignal = CancellationSignal()) throws -> Credentials {
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
        for refused: Credentials, _ cancellation: CancellationSignal
    ) throws -> Credentials? {
        try renewal.withLock { _ in
            let now = clock()
            let (lease, replacedAt) = state.withLock { ($0.lease, $0.replacedAt) }
            // Another request has been faster.
            if let lease, lease.credentials != refused { return lease.credentials }
            if let replacedAt, now.uptime - replacedAt < replacementPause { return nil }
            state.withLock { $0.replacedAt = now.uptime }
            guard let renewed = try? attempt(cancellation) else {
                try cancellation.check()
                return nil
            }
            return renewed == refused ? nil : renewed
        }
    }

    /// Sends a request, and once more if the server takes the credentials for expired and there are others.
    ///
    /// - Parameters:
    ///   - expiredCodes: the codes of errors about credentials that have to be renewed.
    ///   - failed: converts a failure to get credentials.
    func use<Result>(
        _ cancellation: CancellationSignal, expiredCodes: Set<String>,
        _ failed: (CredentialFailure) -> RequestFailure, _ send: (Credentials) throws -> Result
    ) throws -> Result {
        let credentials: Credentials
        do {
            credentials = try self.credentials(cancellation)
        } catch let failure as CredentialFailure {
            throw failed(failure)
        }
        do {
            return try send(credentials)
        } catch let failure as RequestFailure where expiredCodes.contains(failure.error.code) {
            guard let others = try replacement(for: credentials, cancellation) else { throw failure }
            return try send(others)
        }
    }

    // MARK: With the lock of renewals

    /// Gets credentials where there are none, unless another user has just tried that.
    private func obtain(since attempts: Int, _ cancellation: CancellationSignal) throws -> Credentials {
        try cancellation.check()
        let known = state.withLock { $0 }
        if known.attempts != attempts {
            if let lease = known.lease, lease.isUsable(at: clock()) { return lease.credentials }
            if let failure = known.failure { throw failure }
        }
        return try attempt(cancellation)
    }

    /// Renews credentials that are valid, unless another user has just done that.
    private func refresh(
        _ known: CredentialLease<Credentials>, _ cancellation: CancellationSignal
    ) throws -> Credentials {
        let lease = state.withLock { $0.lease } ?? known
        guard lease.isDue(at: clock()) else { return lease.credentials }
        let renewed = try? attempt(cancellation)
        try cancellation.check()
        return renewed ?? lease.credentials
    }

    private func attempt(_ cancellation: CancellationSignal) throws -> Credentials {
        do {
            let issued = try fetch({ [clock] in clock().wall }, cancellation)
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
        let failure = error as? BlobStoreError ?? (error as? CredentialFailure).map { BlobStoreError($0) }
        if let failure { notice(.kept(current, failure)) }
    }
}
