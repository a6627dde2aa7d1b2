import Support

extension DatabaseMonitor {
    /// How far a change has spread, by what is known at once.
    ///
    /// - Parameters:
    ///   - publishers: the instances with a state object of any database that the answer is about.
    ///   - except: the instances that need not have it.
    /// - Returns: the result, or the reason why nothing can be said.
    func spread(
        of need: Need, publishers: Set<String>, except: Set<String>
    ) -> Result<ChangeSpread, InSyncUnknown> {
        let ((states, senseless), objects, found) = (states.latest, states.objects, listing.instances)
        return state.withLock { state in
            let (record, log) = (state.record, state.log)
            if let problem = Self.problem(record, log) { return .failure(InSyncUnknown(problem)) }
            let facts = ChangeSpread.Facts(
                database: record.name, own: record.own,
                instances: Set(record.instances.keys).union(states.keys).union(record.stateTimes.keys).union(found),
                states: states, stateTimes: record.stateTimes, objects: objects.union(record.stateTimes.keys),
                senseless: senseless, publishers: publishers, silent: Set(record.silent.keys), except: except)
            return .success(ChangeSpread(of: need, log, facts))
        }
    }

    /// The instances with a state object.
    var publishers: Set<String> { states.objects }

    private static func problem(_ record: DatabaseRecord, _ log: TransactionLog) -> String? {
        if record.receiveOnly { return "this instance only receives" }
        if !record.isStarted { return "start-up is not complete" }
        if !log.isListed { return "the storage cannot be listed" }
        return nil
    }

    /// See ``TransactionLog/need(_:readIn:)``.
    func need(_ transactions: Set<UInt64>?, readIn last: UInt64) -> Need? {
        state.withLock { $0.log.need(transactions, readIn: last) }
    }

    /// Why our changes are not stored, as far as known.
    var unsentReason: String? { state.withLock { $0.record.sendProblem ?? $0.record.fence ?? $0.record.blocked } }
}

/// Why it is not known whether a change is everywhere.
struct InSyncUnknown: Error {
    var text: String

    init(_ text: String) { self.text = text }
}
