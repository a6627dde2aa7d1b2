import LMDB
import Snapshots
import Support

/// Merging.
extension SyncedDatabase {
    /// Compares a downloaded snapshot with the LMDB: the first half of a merge, and the last if there is nothing to
    /// write.
    package func compare(_ order: MergeOrder, signal: CancellationSignal = CancellationSignal(), _ post: Post) {
        let inspection = inspector?.inspectMerge(of: order.name, into: settings.identity.database)
        let cutoff = order.leavesOutOldDeletions ? settings.deletedCutoff.timestamp(at: clock.wall()) : 0
        // What comes before matters to inspections; last writer wins whatever the order.
        let behind = inspection == nil ? [] : order.behind
        var order = order
        order.behind = []
        var merge = MergeInHand(
            order: order, inspection: inspection, mapSize: environment.info.mapSize,
            rules: MergePlanner.Rules(
                deletedCutoff: cutoff, creationFlags: settings.creationFlags, schema: settings.schema,
                inspection: inspection),
            begin: clock.uptime())
        do {
            do {
                merge.result = try merge.compare(environment, behind: versions(of: behind))
            } catch is ShadowIsMissing {
                // The application has just created a DBI.
                try captureNow(signal, post)
                merge.result = try merge.compare(environment, behind: versions(of: behind))
            }
            if merge.name.isDelta, SnapshotHorizon(now: clock.wall()).isFarAhead(merge.name.at(merge.position)) {
                throw RefusedSnapshot("the time at its end is in the far future: the clock of its sender was wrong")
            }
            merge.compareTime = clock.uptime() - merge.begin
            if let result = merge.result, !result.plan.isEmpty { return post(.compared(merge)) }
            finish(merge, Merge.Outcome(), post)
        } catch {
            fail(merge, error, post)
        }
    }

    /// Writes the results of comparisons in one transaction: the second half of a merge.
    ///
    /// Each merge is reported by itself. One whose inspection looks at more than its changes is compared again after those before it are
    /// written, and then written with those behind it. If they cannot be written together, each is written alone.
    ///
    /// - Parameters:
    ///   - isOutdated: whether to compare again first.
    ///   - positions: recorded in the last transaction if everything was merged as it was compared first; nil for none.
    package func apply(
        _ merges: [MergeInHand], isOutdated: Bool, positions: RecordedPositions? = nil, _ post: Post
    ) {
        var (rest, isOutdated, positions, isAlone) = (merges, isOutdated, positions, false)
        while !rest.isEmpty {
            if isOutdated { rest = compareAgain(rest, &positions, post) }
            guard let first = rest.first else { return }
            let others = isAlone ? [] : rest.dropFirst().prefix { $0.inspection?.isSelfContained ?? true }
            let group = [first] + others
            rest.removeFirst(group.count)
            isOutdated = true
            do {
                let outcomes = try write(group, rest.isEmpty ? positions : nil)
                for (merge, outcome) in zip(group, outcomes) { finish(merge, outcome, post) }
            } catch {
                positions = nil
                if group.count == 1 {
                    fail(first, error, post)
                } else {
                    // One of them must not hold up the others.
                    (rest, isAlone) = (group + rest, true)
                }
            }
        }
    }

    /// Compares merges again that are inspected, in the order in which they are written.
    ///
    /// - Returns: those that have something to write. The others are reported.
    private func compareAgain(
        _ merges: [MergeInHand], _ positions: inout RecordedPositions?, _ post: Post
    ) -> [MergeInHand] {
        var compared: [MergeInHand] = []
        for var merge in merges {
            do {
                if merge.inspection != nil {
                    // Positions were determined by the first comparison.
                    let held = merge.result?.plan.held
                    let result = try merge.compare(environment, behind: versions(of: compared))
                    if result.plan.held > 0 || held != 0 { positions = nil }
                    merge.result = result
                }
                compared.append(merge)
            } catch {
                positions = nil
                fail(merge, error, post)
            }
        }
        return compared
    }

    private func versions(of merges: [MergeInHand]) throws -> PlannedVersions? {
        merges.isEmpty ? nil : try PlannedVersions(merges.compactMap(\.result?.plan))
    }

    private func write(_ merges: [MergeInHand], _ positions: RecordedPositions?) throws -> [Merge.Outcome] {
        let plans = try merges.map { merge in
            (plan: try (merge.result ?? merge.compare(environment)).plan, inspection: merge.inspection)
        }
        let through = shadows.withLock { $0?.through }
        // Nobody else sends what another process has stored under our name.
        let isOurs = merges.contains { $0.name.instance == settings.machine.instance }
        let recorded = recorded.withLock(\.self)
        let outcomes = try own.noting(isSentByOthers: !isOurs) { willCommit in
            try Merge.apply(
                plans, to: environment, paddingBlock: settings.paddingBlock, positions: positions,
                recorded: recorded, capturedThrough: through, willCommit: willCommit, clock: clock.wall,
                uptime: clock.uptime)
        }
        if let transaction = outcomes.lazy.compactMap(\.transaction).first {
            ownCommitted(transaction)
            if let positions { self.recorded.withLock { $0 = positions } }
        }
        return outcomes
    }

    private func finish(_ merge: MergeInHand, _ outcome: Merge.Outcome, _ post: Post) {
        let report = MergeReport(
            name: merge.name, position: merge.name.at(merge.position), size: merge.order.body.count,
            written: outcome.written,
            kept: (merge.result?.plan.kept ?? 0) + outcome.lost, held: merge.inspection?.heldBack(),
            transaction: outcome.transaction, ages: outcome.ages, compareTime: merge.compareTime,
            lockTime: outcome.lockTime, totalTime: clock.uptime() - merge.begin)
        post(.merged(merge, report, newestTransaction: environment.info.lastTransactionID))
    }

    private func fail(_ merge: MergeInHand, _ error: any Error, _ post: Post) {
        defer { merge.inspection?.ended(nil) }
        let kind: MergeFailure.Kind =
            switch error {
            case let refusal as RefusedSnapshot: .refused(merge.inspection?.refused(refusal) ?? refusal)
            // The map may grow, and a temporary file may be readable the next time.
            case let error as SnapshotError where error.kind != .unreadable && error.kind != .tooLarge: .damaged(error)
            default: .failed(error)
            }
        post(
            .mergeFailed(
                merge.name,
                MergeFailure(
                    kind: kind, entriesRead: merge.entriesRead, time: clock.uptime() - merge.begin,
                    mapSize: merge.mapSize)))
    }
}
