import Monitoring
import Snapshots
import Support

/// The text of `lightningstream status`.
struct StatusText {
    var report: StatusReport
    /// Nanoseconds since the UNIX epoch, for ages.
    var now: UInt64

    /// The lines. The report may come from another program on the daemon's port, and from the storage.
    var lines: [String] { rawLines.map { PrintableText.line($0) } }

    private var rawLines: [String] {
        var lines = head
        for database in report.databases { lines += [""] + self.lines(database) }
        if !report.problems.isEmpty {
            lines += ["", "recent problems"]
            for problem in report.problems.prefix(10) {
                let times = problem.count > 1 ? " (\(problem.count) times)" : ""
                let place = problem.database.map { "database \($0): " } ?? ""
                lines.append("  \(problem.time)  \(place)\(problem.text)\(times)")
            }
        }
        return lines
    }

    private var head: [String] {
        var who = "\(report.instance) on \(report.hostname), \(report.software)"
        switch report.mode {
        case .none: who += "; no daemon was queried: this is from storage and LMDB"
        case .sync, .receive: who += ", \(report.mode.rawValue)" + (report.started.map { " since \($0)" } ?? "")
        }
        let health = report.health
        var lines = ["instance  " + who]
        lines.append("health    \(health.status)" + (health.since.map { " since \($0)" } ?? ""))
        for (kind, texts) in [("failure", health.failures), ("warning", health.warnings)] {
            for (name, text) in texts.sorted(by: { $0.key < $1.key }) {
                lines.append("  \(kind)  \(name): \(text)")
            }
        }
        return lines
    }

    private func lines(_ database: StatusReport.Database) -> [String] {
        var lines = ["database \(database.name)"]
        lines.append("  path      \(database.path)")
        if let lmdb = database.lmdb { lines.append("  LMDB      \(Self.text(lmdb))") }
        if let storage = database.storage {
            let deltas = storage.deltas.map { $0 == 0 ? "" : ", \($0) delta\($0 == 1 ? "" : "s")" } ?? ""
            lines.append(
                "  storage   \(storage.snapshots) snapshot\(storage.snapshots == 1 ? "" : "s")\(deltas), "
                    + humanSize(storage.bytes))
        }
        var sent = database.sent.map { "\($0.name)" + (age($0).map { ", \($0) old" } ?? "") } ?? "nothing yet"
        switch database.unsent {
        case true?: sent += "; there are newer changes to send" + (database.unsentReason.map { ": \($0)" } ?? "")
        case false?: sent += "; nothing is left to send"
        case nil: break
        }
        if report.mode != .receive { lines.append("  sent      \(sent)") }
        if let fence = database.fence { lines.append("  fenced    \(fence)") }
        if let blocked = database.blocked, database.unsentReason == nil { lines.append("  blocked   \(blocked)") }
        if let notInSync = database.notInSync { lines.append("  lagging   \(notInSync)") }
        if database.startupComplete == false { lines.append("  start-up  in progress") }
        return lines + (database.instances.isEmpty ? [] : [""] + table(database).lines.map { "  " + $0 })
    }

    private static func text(_ lmdb: StatusReport.LMDBFacts) -> String {
        let percentage = lmdb.mapSize > 0 ? 100 * Double(lmdb.usedBytes) / Double(lmdb.mapSize) : 0
        return "\(humanSize(lmdb.usedBytes)) of \(humanSize(lmdb.mapSize)) used (\(oneDecimal(percentage)) %), "
            + "transaction \(lmdb.lastTransaction), \(lmdb.readers) of \(lmdb.maximumReaders) reader slots"
    }

    private func table(_ database: StatusReport.Database) -> Table {
        let isSealed = database.instances.contains { $0.sealedWith != nil }
        var table = Table(
            [
                ("instance", .left), ("newest snapshot", .left), ("age", .right), ("merged", .left), ("lag", .right),
                ("latency", .right), ("clock", .right), ("has ours", .left), ("heard by", .left),
                ("last heard", .right), ("health", .left),
            ] + (isSealed ? [("sealed with", .left)] : []))
        for instance in database.instances {
            let row = [
                instance.name + (instance.isOwn ? " (this)" : ""),
                instance.newest.map(\.time) ?? "none",
                instance.newest.flatMap(age) ?? "-",
                merged(instance),
                instance.isOwn ? "-" : instance.lag.map(humanDuration) ?? "-",
                instance.latency.map(humanDuration) ?? "-",
                instance.clockSkew.map(clock) ?? "-",
                hasOurs(instance, database.sent),
                instance.heardBy ?? "-",
                instance.lastHeard.flatMap { WallTime(rfc3339: $0) }.map { age(of: UInt64($0)) } ?? "-",
                instance.health ?? "unknown",
            ]
            table.append(row + (isSealed ? [instance.sealedWith ?? "-"] : []))
        }
        return table
    }

    private func clock(_ ahead: Double) -> String {
        ahead == 0 ? "ok" : (ahead > 0 ? "+" : "-") + humanDuration(abs(ahead))
    }

    private func merged(_ instance: StatusReport.Instance) -> String {
        if instance.isOwn { return "-" }
        guard let merged = instance.merged else { return instance.lag == nil ? "unknown" : "no" }
        if merged.name == instance.newest?.name { return "yes" }
        return age(merged).map { "one \($0) old" } ?? "an older one"
    }

    private func hasOurs(_ instance: StatusReport.Instance, _ sent: StatusReport.Snapshot?) -> String {
        if instance.isOwn { return "-" }
        switch instance.standing(sent) {
        case .unpublished, .unknown: return "unknown"
        case .none: return "none"
        case .newest: return "yes"
        case .older: return "an older one"
        }
    }

    private func age(_ snapshot: StatusReport.Snapshot) -> String? {
        SnapshotName(snapshot.name).map { age(of: $0.timestamp) }
    }

    private func age(of time: UInt64) -> String { humanDuration(now > time ? Double(now - time) / 1e9 : 0) }
}
