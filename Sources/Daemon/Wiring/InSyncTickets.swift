import Monitoring
import PowerDNSFormat
import Synchronization

/// Changes that were asked for and are not everywhere yet, so that who waits for one can ask for the same again, even if the zone
/// changes all the time. The oldest are forgotten; who waits for one of them then waits for the newest change.
final class InSyncTickets: Sendable {
    /// A change.
    struct Question: Sendable, Equatable {
        /// The zone.
        var zone: ZoneName
        /// What is needed, by database.
        var needs: [String: Need]
        /// The greatest timestamp of the zone's entries.
        var changed: UInt64
        /// Whether the zone is deleted.
        var isDeleted: Bool
    }

    /// Maximum number of changes.
    static let most = 1024

    private struct State {
        var questions: [UInt64: Question] = [:]
        /// The oldest number that may be known.
        var first: UInt64 = 1
        var next: UInt64 = 1
    }

    private let state = Mutex(State())

    /// The change of a number; nil if there is none of that zone.
    subscript(number: UInt64, of zone: ZoneName) -> Question? {
        state.withLock { $0.questions[number] }.flatMap { $0.zone == zone ? $0 : nil }
    }

    /// The number of a change: the same for the same one.
    func number(of question: Question) -> UInt64 {
        state.withLock { state in
            if let known = state.questions.first(where: { $0.value == question })?.key { return known }
            let number = state.next
            state.next += 1
            state.questions[number] = question
            while state.questions.count > Self.most {
                state.questions[state.first] = nil
                state.first += 1
            }
            return number
        }
    }
}
