import Daemon
import Monitoring
import Synchronization
import Testing

@testable import Commands

/// `pdns insync --wait`, with a daemon that says what the test wants.
@Suite struct InSyncWaitTests {
    private struct Script: Sendable {
        /// A failure is what the daemon does not answer.
        var answers: [Result<StatusReport.InSync, CommandFailure>]
        var tickets: [UInt64?] = []
        var slept = Duration.zero
    }

    private final class Daemon: Sendable {
        let script: Mutex<Script>

        init(_ answers: [Result<StatusReport.InSync, CommandFailure>]) { script = Mutex(Script(answers: answers)) }
    }

    private func waiting(for instances: [String], ticket: UInt64? = nil) -> StatusReport.InSync {
        var answer = StatusReport.InSync()
        answer.zone = "example.org."
        var part = StatusReport.InSync.Part()
        (part.database, part.sent) = ("main", true)
        answer.databases = [part]
        answer.waitingFor = instances.map {
            var waiting = StatusReport.InSync.Waiting()
            (waiting.instance, waiting.database, waiting.reason) = ($0, "main", "it has none of ours")
            return waiting
        }
        answer.mergedBy = ["ns2"]
        answer.conclude()
        answer.ticket = ticket
        return answer
    }

    /// Asks until the script ends; its last answer is repeated.
    private func run(
        _ answers: [StatusReport.InSync?], within limit: Duration?
    ) async throws -> (result: InSyncWait.Result, tickets: [UInt64?], slept: Duration) {
        try await run(
            outcomes: answers.map { $0.map { .success($0) } ?? .failure(CommandFailure(.noDaemonAnswers("down"))) },
            within: limit)
    }

    private func run(
        outcomes answers: [Result<StatusReport.InSync, CommandFailure>], within limit: Duration?
    ) async throws -> (result: InSyncWait.Result, tickets: [UInt64?], slept: Duration) {
        let daemon = Daemon(answers)
        let start = ContinuousClock.now
        let wait = InSyncWait(
            ask: { ticket in
                let answer = daemon.script.withLock { script in
                    script.tickets.append(ticket)
                    return script.answers.count > 1 ? script.answers.removeFirst() : script.answers[0]
                }
                return try answer.get()
            }, sleep: { time in daemon.script.withLock { $0.slept += time } },
            now: { start + daemon.script.withLock(\.slept) })
        let result = try await wait.run(within: limit)
        return daemon.script.withLock { (result, $0.tickets, $0.slept) }
    }

    @Test func itAsksForTheChangeOfTheFirstAnswer() async throws {
        let found = try await run(
            [nil, waiting(for: ["ns3"], ticket: 7), nil, waiting(for: ["ns3"], ticket: 9), waiting(for: [])],
            within: .seconds(10))
        #expect(found.tickets == [nil, nil, 7, 7, 7])
        guard case .answer(let answer, isDone: true) = found.result else { return #expect(Bool(false)) }
        #expect(answer.lines == ["example.org. is in sync: merged by ns2"])
    }

    @Test func theTimeExpires() async throws {
        let found = try await run([waiting(for: ["ns3", "ns4"], ticket: 1)], within: .seconds(3))
        guard case .answer(let answer, isDone: false) = found.result else { return #expect(Bool(false)) }
        #expect(found.tickets.count > 5 && found.slept < .seconds(3))
        #expect(answer.complaint == "ns3, ns4 have not merged the newest change of example.org.")
        #expect(answer.lines.contains("  missing    ns3: database main: it has none of ours"))
    }

    @Test func onceIsOnce() async throws {
        #expect(try await run([waiting(for: ["ns3"])], within: nil).tickets.count == 1)
        #expect(try await run([waiting(for: ["ns3"])], within: .zero).tickets.count == 1)
        guard case .failure = try await run([nil], within: nil).result else { return #expect(Bool(false)) }
    }

    @Test func whatIsNotSentOrNotKnownIsInSyncWithNobody() async throws {
        var unsent = waiting(for: [])
        unsent.databases[0].sent = false
        unsent.conclude()
        #expect(unsent.complaint == "this instance has not sent the newest change of example.org.")
        for answer in [unsent, StatusReport.InSync("example.org.", problem: "starting")] {
            let result = try await run([answer], within: nil).result
            guard case .answer(_, isDone: false) = result else { return #expect(Bool(false)) }
        }
    }

    @Test func whoIsLeftOutIsNamed() {
        var answer = waiting(for: [])
        (answer.mergedBy, answer.leftOut) = ([], ["ns3"])
        #expect(answer.lines == ["example.org. is in sync: all others are left out", "  left out   ns3"])
        #expect(answer.remark(on: ["ns3"]) == nil)
        #expect(
            answer.remark(on: ["ns3", "ns4", "n s"])
                == "--except: no other instance in the storage is named ns4 or n s")
        #expect(StatusReport.InSync("example.org.", problem: "starting").remark(on: ["ns4"]) == nil)
        answer.unknown = ["old"]
        #expect(answer.lines[0] == "example.org. is in sync: all others are left out or publish no state")
        answer.leftOut = []
        #expect(answer.lines[0] == "example.org. is in sync: no other instance publishes its state")
        answer.unknown = []
        #expect(answer.lines == ["example.org. is in sync: there are no others"])
        (answer.mergedBy, answer.leftOut) = (["ns2"], ["ns3"])
        #expect(answer.lines == ["example.org. is in sync: merged by ns2", "  left out   ns3"])
    }

    @Test func whatCanNeverBeSaidIsNotWaitedFor() async throws {
        let never = StatusReport.InSync("example.org.", .impossible, problem: "this instance only receives")
        await #expect {
            _ = try await run([StatusReport.InSync("example.org.", problem: "starting"), never], within: .seconds(10))
        } throws: { error in
            guard let fault = error as? PowerDNSFault else { return false }
            return fault.exitCode == 1 && "\(fault)" == "the daemon cannot tell: this instance only receives"
        }
    }

    @Test func aDaemonMayComeAndGo() async throws {
        let never = try await run([nil], within: .seconds(2))
        guard case .failure(_, wasReached: false) = never.result else { return #expect(Bool(false)) }
        #expect(never.tickets.count > 5)
        let gone = try await run([waiting(for: ["ns3"]), nil], within: .seconds(2))
        guard case .failure(_, wasReached: true) = gone.result else { return #expect(Bool(false)) }
    }

    /// One such answer may be of a daemon that ends.
    @Test(arguments: [
        CommandFailure.Reason.noDaemon(url: "u", status: 200), .noDaemonRuns(url: "u"), .anotherDaemon(url: "u"),
    ])
    func anotherProgramIsNotWaitedFor(reason: CommandFailure.Reason) async throws {
        let failure = Result<StatusReport.InSync, CommandFailure>.failure(CommandFailure(reason))
        let restart = try await run(
            outcomes: [failure, .success(waiting(for: ["ns3"])), failure, .success(waiting(for: []))],
            within: .seconds(10))
        guard case .answer(_, isDone: true) = restart.result else { return #expect(Bool(false)) }
        await #expect(throws: CommandFailure.self) { _ = try await run(outcomes: [failure], within: .seconds(10)) }
    }

    @Test func aZoneThatDoesNotExistIsNotWaitedFor() async throws {
        let missing = StatusReport.InSync("nowhere.test.", .noZone, problem: "there is no such zone")
        await #expect(throws: PowerDNSFault.self) { _ = try await run([missing], within: .seconds(10)) }
    }
}
