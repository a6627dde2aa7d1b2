import Support

extension Monitor {
    /// Whether this process only receives.
    package var onlyReceives: Bool { databases.contains { $0.state.withLock(\.record.receiveOnly) } }

    /// Whether start-up of all databases is complete.
    package var hasStarted: Bool { databases.allSatisfy { $0.state.withLock(\.record.isStarted) } }

    /// What others must have merged of a database to have what these transactions have written.
    ///
    /// - Parameters:
    ///   - transactions: those in the headers of the entries; nil for all.
    ///   - last: the transaction that read them.
    /// - Returns: nil while that cannot be said.
    package func need(_ transactions: Set<UInt64>?, readIn last: UInt64, of database: String) -> Need? {
        databases.first { $0.settings.name == database }?.need(transactions, readIn: last)
    }

    /// Completes an answer: whether all instances have merged what is needed, by database.
    ///
    /// States of those that lack it are read again. A positive answer rests on a current listing of the storage, so that it includes
    /// those that have joined since the syncers' last one.
    ///
    /// - Parameter except: the instances that need not have it.
    package func complete(
        _ answer: StatusReport.InSync, _ needs: [String: Need], except: Set<String> = []
    ) async -> StatusReport.InSync {
        var parts: [Part] = []
        for (name, need) in needs.sorted(by: { $0.key < $1.key }) {
            guard let database = databases.first(where: { $0.settings.name == name }) else {
                return StatusReport.InSync(answer.zone, problem: "database \(name) is not synced")
            }
            parts.append(Part(database: database, need: need))
        }
        do {
            var spreads = try await Self.spreads(parts, except)
            if spreads.allSatisfy(\.isComplete) {
                try await Self.makeCurrent(parts, hasUnknown: !spreads.allSatisfy(\.unknown.isEmpty))
                spreads = try await Self.spreads(parts, except)
            }
            var answer = answer
            for (part, spread) in zip(parts, spreads) {
                answer.add(spread, of: part.database.settings.name, unsentReason: part.database.unsentReason)
            }
            answer.conclude()
            return answer
        } catch {
            return StatusReport.InSync(answer.zone, problem: error.text)
        }
    }

    /// What is needed of one database.
    private struct Part {
        var database: DatabaseMonitor
        var need: Need
    }

    /// How far the change has spread. If not everywhere, the states of those that lack it are read again.
    private static func spreads(
        _ parts: [Part], _ except: Set<String>
    ) async throws(InSyncUnknown) -> [ChangeSpread] {
        let first = try known(parts, except)
        var isNews = false
        for (part, spread) in zip(parts, first) where spread.isSent && !spread.isComplete {
            await part.database.states.refresh(Set(spread.waiting.map(\.instance) + spread.unread))
            isNews = true
        }
        return isNews ? try known(parts, except) : first
    }

    private static func known(_ parts: [Part], _ except: Set<String>) throws(InSyncUnknown) -> [ChangeSpread] {
        let publishers = parts.reduce(into: Set<String>()) { $0.formUnion($1.database.publishers) }
        var spreads: [ChangeSpread] = []
        for part in parts {
            switch part.database.spread(of: part.need, publishers: publishers, except: except) {
            case .success(let spread): spreads.append(spread)
            case .failure(let unknown):
                throw InSyncUnknown("database \(part.database.settings.name): \(unknown.text)")
            }
        }
        return spreads
    }

    /// Lists the storage where the last listing is too old.
    private static func makeCurrent(_ parts: [Part], hasUnknown: Bool) async throws(InSyncUnknown) {
        let databases = parts.map(\.database)
        let problems = await withTaskGroup(of: String?.self) { group in
            for database in databases {
                group.addTask {
                    await database.listing.problem(excludesSyncers: hasUnknown).map {
                        "database \(database.settings.name): \($0.text)"
                    }
                }
            }
            return await group.reduce(into: [String]()) { if let problem = $1 { $0.append(problem) } }
        }
        if let problem = problems.min() { throw InSyncUnknown(problem) }
    }
}
