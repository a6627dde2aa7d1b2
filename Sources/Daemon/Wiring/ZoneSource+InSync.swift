import LMDB
import Monitoring
import PowerDNSDatabase
import PowerDNSFormat
import PowerDNSSync
import Support

extension ZoneSource {
    /// Whether all instances have merged the newest change of a zone that is known here. Waits only briefly.
    ///
    /// - Parameters:
    ///   - ticket: that of an earlier answer, to ask for the change of that one.
    ///   - except: the instances that need not have it.
    func inSync(_ text: String, ticket: UInt64?, except: Set<String>) async -> StatusReport.InSync {
        guard text.utf8.count <= 1100, let zone = try? ZoneName(text) else {
            return StatusReport.InSync(text, .noZone, problem: "this is not the name of a zone")
        }
        let question: InSyncTickets.Question
        if let ticket, let known = tickets[ticket, of: zone] {
            question = known
        } else {
            switch await newestChange(of: zone) {
            case .failure(let answer): return answer.answer
            case .success(let found): question = found
            }
        }
        var answer = StatusReport.InSync()
        answer.zone = "\(zone)"
        answer.deleted = question.isDeleted ? true : nil
        answer.changed = WallTime(nanosecondsSinceEpoch: question.changed).rfc3339(digits: 3)
        answer = await monitor.complete(answer, question.needs, except: except)
        if !answer.inSync { answer.ticket = tickets.number(of: question) }
        return answer
    }

    /// Ends a question early.
    private struct Unanswered: Error {
        var answer: StatusReport.InSync
    }

    private func newestChange(of zone: ZoneName) async -> Result<InSyncTickets.Question, Unanswered> {
        let unknown = { (problem: String) -> Result<InSyncTickets.Question, Unanswered> in
            .failure(Unanswered(answer: StatusReport.InSync("\(zone)", problem: problem)))
        }
        let impossible = { (problem: String) -> Result<InSyncTickets.Question, Unanswered> in
            .failure(Unanswered(answer: StatusReport.InSync("\(zone)", .impossible, problem: problem)))
        }
        // Before the first merge or send of a database it may not be known what it is.
        let hasStarted = monitor.hasStarted
        if databases.hasUnknown, await read({ [databases] in try databases.detect() }) == nil {
            return unknown("the database is busy; try again")
        }
        guard let main = databases.environment(.main), let mainName = databases.name(.main) else {
            return hasStarted
                ? impossible("no database with zones of PowerDNS 4.8 or later is synced")
                : unknown("the daemon is starting")
        }
        guard let shard = databases.environment(.shard), let shardName = databases.name(.shard) else {
            return hasStarted
                ? impossible("no database with records of PowerDNS 4.8 or later is synced")
                : unknown("the daemon is starting")
        }
        guard databases.isOnlyOne(.shard) else {
            return impossible("there are several databases with records of PowerDNS; set powerdns.shard to select one")
        }
        guard !databases.isShadowed(mainName), !databases.isShadowed(shardName) else {
            return impossible("this needs databases with schema_tracks_changes")
        }
        switch await read({ try ZoneFootprint(zone, main: main, shard: shard) }) {
        case nil: return unknown("the database is busy; try again")
        case .failure(let error): return unknown("it cannot be read: \(error)")
        case .success(nil):
            return .failure(
                Unanswered(answer: StatusReport.InSync("\(zone)", .noZone, problem: "there is no such zone")))
        case .success(let found?):
            var needs: [String: Need] = [:]
            for (name, part) in [(mainName, found.main), (shardName, found.shard)] {
                guard let need = monitor.need(part.transactions, readIn: part.readIn, of: name) else {
                    return unknown("database \(name): a merge is in progress; try again")
                }
                needs[name] = need
            }
            return .success(
                InSyncTickets.Question(zone: zone, needs: needs, changed: found.changed, isDeleted: found.isDeleted))
        }
    }
}
