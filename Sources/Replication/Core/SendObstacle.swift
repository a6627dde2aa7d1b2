/// A temporary reason why local changes are not sent.
///
/// A database that must be rebuilt first is not among them: see ``RejoinFence/Reason``.
package enum SendObstacle: Sendable, Equatable {
    /// The storage has not been listed yet.
    case notListed
    /// The application's changes could not be captured yet.
    case notCaptured
    /// The snapshot under the own name from an earlier run is not loaded, and must not be replaced before.
    case ownNotLoaded
    /// After an absence everything in the storage is merged first: the number of instances whose newest snapshot is not
    /// merged yet, and the names of those for which that has failed.
    case catchingUp(waiting: Int, failing: [String])
    /// The last listing is too old.
    case listingIsOld
    /// The last send has failed.
    case sendFails

    /// How long an obstacle must last before it is reported.
    package static let reportedAfter = Duration.seconds(3)

    /// Identifies the obstacle: an obstacle with the same key is not reported again.
    var key: String {
        switch self {
        case .notListed: "listing"
        case .notCaptured: "capture"
        case .ownNotLoaded: "own"
        case .catchingUp(_, let failing): "catching up " + failing.joined(separator: " ")
        case .listingIsOld: "old"
        case .sendFails: "failing"
        }
    }

    /// One line: the cause, and the remedy if there is one.
    ///
    /// - Parameters:
    ///   - own: this instance's name.
    ///   - errors: the last error of loading, by instance.
    ///   - sendError: why the last send failed.
    func text(own: String, patience: Duration?, errors: [String: String], sendError: String) -> String {
        func because(_ instance: String) -> String { errors[instance].map { ": \($0)" } ?? "" }
        switch self {
        case .notListed: return "changes wait to be sent: the storage has not been listed yet"
        case .listingIsOld: return "changes wait to be sent: the last listing of the storage is too old"
        case .sendFails: return "changes wait to be sent: sending fails and is retried: \(sendError)"
        case .notCaptured: return "changes wait to be sent: they are not copied to the shadows yet"
        case .ownNotLoaded:
            return
                "changes wait to be sent: the earlier snapshot of this instance (\(own)) must be loaded first, "
                + "otherwise its contents would be lost\(because(own))"
        case .catchingUp(let waiting, let failing):
            guard let first = failing.first else {
                return
                    "changes wait to be sent: after an absence the newest snapshots of all instances are merged first, "
                    + "\(waiting) remaining"
            }
            let more = failing.count > 1 ? " (and of \(failing.count - 1) more)" : ""
            let limit = patience.map { " (for at most \(logText($0)))" } ?? ""
            return "changes wait to be sent: after an absence the newest snapshot of \(first)\(more) is merged "
                + "first\(limit)\(because(first))"
        }
    }
}
