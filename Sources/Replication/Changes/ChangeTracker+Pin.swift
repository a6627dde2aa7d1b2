import LMDB
import Support
import Synchronization

extension ChangeTracker {
    /// What readings and the functions beside them share.
    struct Shared: ~Copyable, Sendable {
        /// Nil during a reading.
        var pin: Pin?
        /// The pinned transaction, during a reading as well.
        var state = State()
        var isReading = false
        /// Why the reading has to give up what it pins.
        var mustRelease: Fallback?
        /// Why nothing is pinned.
        var reason = Fallback.start
        /// The size of the last full snapshot in bytes.
        var lastFull = 0
        /// When something was read of which nothing is stored.
        var unstoredSince: Duration?

        var proof: PendingProof?
        /// The earlier transaction of the proof, while it runs as well.
        var proving: UInt64?
        var isProofAbandoned = false
        var comparisonsUntilProof = 0

        mutating func note(_ transaction: UInt64?, _ position: UInt64?, _ size: Int) {
            (state.transaction, state.position, state.size) = (transaction, position, size)
        }
    }

    /// What is pinned. Never blocks.
    package var state: State {
        let last = environment.info.lastTransactionID
        return shared.withLock { shared in
            var state = shared.state
            if let transaction = state.transaction, last > transaction { state.age = last - transaction }
            return state
        }
    }

    /// Reports that the last reading is stored.
    package func stored() { shared.withLock { $0.unstoredSince = nil } }

    /// Gives up everything: the next delta is replaced by a full snapshot. A reading in progress gives up what it pins at its end.
    package func release() {
        giveUp(.released)
        dropProof()
    }

    /// Reads no more deltas: another comparison of pages was wrong.
    package func distrust() {
        shared.withLock { $0.state.isBroken = true }
        giveUp(.broken)
    }

    /// Gives up what costs too much by now; see ``PinRules``. To be called once a second.
    package func check() {
        let info = environment.info
        let (state, isReading, isUnstored, proving) = shared.withLock { shared in
            let isLarge = PinRules.isLarge(shared.state.size, lastFull: shared.lastFull)
            let time = shared.unstoredSince.map { clock.uptime() - $0 } ?? .zero
            return (
                shared.state, shared.isReading, isLarge && time > PinRules.longestUnstored, shared.proving
            )
        }
        if let proving, PinRules.isOld(proving, info) || PinRules.isMapNearlyFull(environment, pinned: proving) {
            dropProof()
        }
        // The transaction of a reading cannot end before the reading; then the pin moves on.
        guard let pinned = state.transaction, !isReading else { return }
        if PinRules.isOld(pinned, info) {
            giveUp(.tooManyTransactions, of: pinned)
        } else if isUnstored {
            giveUp(.notStored, of: pinned)
        } else if PinRules.isMapNearlyFull(environment, pinned: pinned) {
            giveUp(.mapNearlyFull, of: pinned)
        }
    }

    /// - Parameter transaction: the pinned transaction that costs too much; nothing is given up if it is not pinned any more, or
    ///   read. Nil for any.
    private func giveUp(_ reason: Fallback, of transaction: UInt64? = nil) {
        // Ends after the lock is released.
        _ = shared.withLock { shared -> Pin? in
            if let transaction, shared.isReading || shared.state.transaction != transaction { return nil }
            if shared.isReading {
                shared.mustRelease = reason
                return nil
            }
            guard shared.pin != nil else { return nil }
            shared.reason = reason
            shared.note(nil, nil, 0)
            return shared.pin.take()
        }
    }

    // MARK: For a reading

    /// Takes what is pinned, at the begin of a reading.
    func takePin() -> Pin? {
        shared.withLock { shared in
            shared.isReading = true
            return shared.pin.take()
        }
    }

    /// Ends a reading.
    ///
    /// - Parameter reading: the result; nil if it failed.
    func putBack(_ pin: inout Pin?, _ reading: Reading?) {
        let now = clock.uptime()
        let noted = pin.withValue { ($0.base.reader.id, $0.position, $0.open?.body.count ?? 0) }
        shared.withLock { shared in
            shared.isReading = false
            if let snapshot = reading?.snapshot {
                if reading?.from == nil { shared.lastFull = snapshot.body.count }
                shared.unstoredSince = shared.unstoredSince ?? now
            }
            if let reason = shared.mustRelease {
                (shared.mustRelease, shared.reason) = (nil, reason)
                return shared.note(nil, nil, 0)
            }
            shared.note(noted?.0, noted?.1, noted?.2 ?? 0)
            shared.pin = pin.take()
        }
    }

    /// Gives up what is pinned during a reading.
    func drop(_ pin: inout Pin?, _ reason: Fallback) {
        pin = nil
        shared.withLock { $0.reason = reason }
    }

    // MARK: Proof

    /// Whether ``prove(signal:)`` is to be called.
    package var needsProof: Bool { shared.withLock { $0.proof != nil } }

    /// Whether the next comparison of pages is to be proved.
    var wantsProof: Bool { shared.withLock { $0.comparisonsUntilProof <= 0 && $0.proving == nil } }

    /// Keeps what is needed to prove a comparison.
    func keep(_ proof: consuming PendingProof) {
        var kept: PendingProof? = consume proof
        shared.withLock { shared in
            shared.proving = kept.withValue { $0.earlier.reader.id }
            shared.proof = kept.take()
            shared.comparisonsUntilProof = PinRules.comparisonsBetweenProofs
        }
    }

    private func dropProof() {
        _ = shared.withLock { shared -> PendingProof? in
            guard shared.proving != nil else { return nil }
            guard let proof = shared.proof.take() else {
                shared.isProofAbandoned = true
                return nil
            }
            shared.endProof(isInconclusive: true)
            return proof
        }
    }

    /// Compares the result of a comparison of pages with that of a comparison of all entries. Blocks; to be called beside
    /// readings, outside of any transaction, if ``needsProof``.
    ///
    /// If they differ, there are no more comparisons of pages.
    ///
    /// - Returns: nil if it was given up, or nothing is to be proved: a later comparison is proved instead.
    /// - Throws: `CancellationError`; ``LMDBError``.
    package func prove(signal: CancellationSignal = CancellationSignal()) throws -> Proof? {
        guard var proof = shared.withLock({ $0.proof.take() }) else { return nil }
        let (earlier, later, found) = (proof.earlier.reader.id, proof.later.id, proof.expected)
        let expected: DifferenceDigest
        do {
            expected = try proof.compare {
                try signal.check()
                if shared.withLock({ $0.isProofAbandoned }) { throw ProofIsAbandoned() }
            }
        } catch {
            shared.withLock { $0.endProof(isInconclusive: true) }
            if error is ProofIsAbandoned || error is PinnedReader.Loss { return nil }
            throw error
        }
        let isSound = found.isSame(as: expected)
        shared.withLock { shared in
            shared.endProof(isInconclusive: false)
            if !isSound { shared.state.isBroken = true }
        }
        if !isSound { giveUp(.broken) }
        return Proof(
            earlier: earlier, later: later, found: found.count, expected: expected.count, isSound: isSound)
    }
}

extension ChangeTracker.Shared {
    fileprivate mutating func endProof(isInconclusive: Bool) {
        (proving, isProofAbandoned) = (nil, false)
        if isInconclusive { comparisonsUntilProof = 0 }
    }
}

/// The proof costs too much, or its owner does not want it any more.
private struct ProofIsAbandoned: Error {}
