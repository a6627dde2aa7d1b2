import Replication
import Support

/// The daemon's state for a service manager: whether it has started, and one line. A pure state machine.
struct ServiceStatus: Sendable {
    private let databases: [String]
    private let receiveOnly: Bool
    private var started: Set<String> = []
    private var sent: String?
    private var merged: String?
    /// The obstacle for the loops; nil if there is none.
    var obstacle: String?
    /// The first failing health check.
    var problem: String?

    init(databases: [String], receiveOnly: Bool) {
        self.databases = databases
        self.receiveOnly = receiveOnly
    }

    /// Whether start-up of every database is complete.
    var isReady: Bool { started.count == databases.count }

    mutating func handle(_ event: SyncEvent, of database: String, at time: WallTime) {
        switch event {
        case .started: started.insert(database)
        case .stored: sent = "last sent \(database) \(time.rfc3339(digits: 0))"
        case .merged(let report):
            merged = "last merged \(database) of \(report.name.instance) \(time.rfc3339(digits: 0))"
        case .opened, .listStarted, .listed, .listFailed, .downloadStarted, .downloaded, .downloadVanished,
            .downloadFailed, .downloadsWaiting, .mergesWaiting, .mergeStarted, .progressed, .mergeFailed, .refused,
            .storing, .compared, .hinted, .hintMerged, .hearing, .proved, .pinned, .sendFailed, .sendingGivenUp,
            .settled, .swept, .fenced,
            .sendBlocked, .notInSync, .namesake,
            .clockSkew, .ownClock, .cleanerListed, .cleanerListFailed, .cleanerDeleted, .cleanerDeleteFailed, .ended:
            break
        }
    }

    /// One line of at most ``longestText`` bytes.
    var text: String {
        var parts: [String] = []
        if isReady {
            parts.append("\(receiveOnly ? "Receiving" : "Syncing") \(databases.joined(separator: ", "))")
        } else {
            let waiting = databases.filter { !started.contains($0) }
            parts.append("Starting up, not done yet: \(waiting.joined(separator: ", "))")
        }
        // The most important parts come first, so that they are not truncated.
        parts += [obstacle, problem, sent, merged].compactMap(\.self)
        return Self.line(parts.joined(separator: "; "))
    }

    static let longestText = 400

    /// The text as one line: a line break would begin another assignment.
    static func line(_ text: String) -> String {
        PrintableText.cut(PrintableText.line(text), longest: longestText, ending: "")
    }
}
