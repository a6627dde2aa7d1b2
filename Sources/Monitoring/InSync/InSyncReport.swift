import Snapshots
import Support

extension StatusReport {
    /// The answer to `/insync?zone=`: whether the newest change of a zone that this host knows is merged by all instances that publish a
    /// state. Described in docs/pdns-commands.md.
    package struct InSync: Codable, Sendable, Equatable {
        /// The result.
        package enum State: String, Codable, Sendable {
            /// Every instance that publishes a state has merged it.
            case inSync = "in_sync"
            /// Some have not, or it is not sent yet.
            case waiting
            /// It is not known, for the reason in ``InSync/problem``.
            case unknown
            /// There is no such zone.
            case noZone = "no_zone"
            /// This daemon can never tell, for the reason in ``InSync/problem``.
            case impossible
        }

        /// The requested name, or the zone's name with a final dot.
        package var zone = ""
        /// The result.
        package var state = State.unknown
        /// Whether ``state`` is ``State/inSync``.
        package var inSync = false
        /// One line, if it is not known, cannot be, or there is no such zone.
        package var problem: String?
        /// Whether the newest change is the zone's deletion.
        package var deleted: Bool?
        /// The greatest timestamp of the zone's entries.
        package var changed: String?
        /// Stands for the change: with it, later requests ask for this change instead of the newest one.
        package var ticket: UInt64?
        /// Each database with entries of the zone.
        package var databases: [Part] = []
        /// Instances that have merged it in every database.
        package var mergedBy: [String] = []
        /// Instances that have not.
        package var waitingFor: [Waiting] = []
        /// Instances that publish no state.
        package var unknown: [String] = []
        /// Instances that need not have it, as requested.
        package var leftOut: [String] = []

        /// Nothing is known.
        package init() {}

        /// Of this zone nothing is known.
        package init(_ zone: String, _ state: State = .unknown, problem: String) {
            (self.zone, self.state, self.problem) = (zone, state, problem)
        }
    }
}

extension StatusReport.InSync {
    /// One database.
    package struct Part: Codable, Sendable, Equatable {
        /// Its name.
        package var database = ""
        /// Whether what this host has to send of the change is stored.
        package var sent = false
        /// The position of this instance at which it is stored; nil if another instance has made the change.
        package var position: String?
        /// Why it is not stored, as far as known.
        package var unsentReason: String?

        /// Nothing is known.
        package init() {}
    }

    /// An instance that has not merged the change.
    package struct Waiting: Codable, Sendable, Equatable {
        /// The instance.
        package var instance = ""
        /// The database.
        package var database = ""
        /// The newest position that it has merged of the instance with the change.
        package var has: String?
        /// The time of its state.
        package var time = ""
        /// One line.
        package var reason = ""

        /// An instance without a name.
        package init() {}
    }

    /// Adds how far the change of one database has spread.
    mutating func add(_ spread: ChangeSpread, of database: String, unsentReason: String?) {
        var part = Part()
        part.database = database
        part.sent = spread.isSent
        part.position = spread.position?.description
        if !spread.isSent { part.unsentReason = spread.obstacle ?? unsentReason }
        databases.append(part)
        for missing in spread.waiting {
            var waiting = Waiting()
            (waiting.instance, waiting.database) = (missing.instance, database)
            (waiting.has, waiting.time, waiting.reason) = (missing.has?.description, missing.time, missing.reason)
            waitingFor.append(waiting)
        }
        for instance in spread.unread {
            var waiting = Waiting()
            (waiting.instance, waiting.database) = (instance, database)
            waiting.reason = "its state has not been read yet"
            waitingFor.append(waiting)
        }
        mergedBy += spread.merged.filter { !mergedBy.contains($0) }
        unknown += spread.unknown.filter { !unknown.contains($0) }
        leftOut += spread.leftOut.filter { !leftOut.contains($0) }
    }

    /// Draws the conclusion, after all databases were added.
    package mutating func conclude() {
        let missing = Set(waitingFor.map(\.instance))
        mergedBy = mergedBy.filter { !missing.contains($0) && !unknown.contains($0) }.sorted()
        unknown = unknown.filter { !missing.contains($0) }.sorted()
        leftOut.sort()
        inSync = !databases.isEmpty && databases.allSatisfy(\.sent) && missing.isEmpty
        state = inSync ? .inSync : .waiting
    }
}
