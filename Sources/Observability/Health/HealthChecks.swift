/// The health checks of the process: what is wrong, since when, and how bad that is.
///
/// A pure machine: times are passed in as durations since a fixed moment.
package struct HealthChecks: Sendable {
    /// How bad something is.
    package enum Severity: Sendable, Comparable {
        /// Worth a look.
        case warning
        /// The service does not do what it is there for.
        case failure
    }

    /// How it is with everything together.
    package enum Status: String, Sendable {
        /// No check has anything to say.
        case ok = "OK"
        /// Only warnings.
        case warning = "Warning"
        /// A check fails.
        case unavailable = "Unavailable"
    }

    /// What the checks say at some time.
    package struct Outcome: Sendable, Equatable {
        /// The sum of it.
        package var status = Status.ok
        /// What fails: name of the check and one line.
        package var failures: [String: String] = [:]
        /// What is worth a look: name of the check and one line.
        package var warnings: [String: String] = [:]
    }

    private var troubles: [String: LastingTrouble] = [:]
    private var conditions: [String: (severity: Severity, text: String)] = [:]

    /// Nothing is wrong.
    package init() {}

    // MARK: What happened

    /// Something goes wrong, or is not done yet, which matters when it lasts; nil when that is over.
    ///
    /// - Parameter name: of the check.
    package mutating func set(_ name: String, _ trouble: LastingTrouble?) { troubles[name] = trouble }

    /// Something is wrong right now; nil when it is not any more.
    ///
    /// - Parameters:
    ///   - name: of the check.
    ///   - text: one line that says what, and what to do.
    package mutating func set(_ name: String, _ severity: Severity, _ text: String?) {
        conditions[name] = text.map { (severity, $0) }
    }

    // MARK: Where things stand

    /// What the checks say.
    package func outcome(at now: Duration) -> Outcome {
        var outcome = Outcome()
        func add(_ name: String, _ severity: Severity, _ text: String) {
            switch severity {
            case .warning: outcome.warnings[name] = text
            case .failure: outcome.failures[name] = text
            }
        }
        for (name, trouble) in troubles {
            if let severity = trouble.severity(at: now) { add(name, severity, trouble.text(at: now)) }
        }
        for (name, condition) in conditions { add(name, condition.severity, condition.text) }
        outcome.status = !outcome.failures.isEmpty ? .unavailable : !outcome.warnings.isEmpty ? .warning : .ok
        return outcome
    }

    /// When the checks will say something else, should nothing happen until then; nil when they won't.
    package func nextChange(after now: Duration) -> Duration? {
        troubles.values.compactMap { $0.nextChange(after: now) }.min()
    }
}

/// Something that goes wrong again and again, or takes long: a warning after a while, and a failure after a longer one.
package struct LastingTrouble: Sendable, Equatable {
    /// How long it may last.
    package struct Limits: Sendable, Equatable {
        /// Until it is a warning.
        package var warning: Duration
        /// Until it is a failure.
        package var failure: Duration

        /// See the properties of the same names.
        package init(warning: Duration, failure: Duration) {
            self.warning = warning
            self.failure = failure
        }
    }

    /// What is going on, to be followed by "for 3m0s".
    package var what: String
    /// When it began.
    package var since: Duration
    /// What may last how long.
    package var limits: Limits
    /// The last error, one line.
    package var lastError: String?

    /// See the properties of the same names.
    package init(_ what: String, since: Duration, limits: Limits, lastError: String? = nil) {
        self.what = what
        self.since = since
        self.limits = limits
        self.lastError = lastError
    }

    func severity(at now: Duration) -> HealthChecks.Severity? {
        if now >= since + limits.failure { return .failure }
        return now >= since + limits.warning ? .warning : nil
    }

    func text(at now: Duration) -> String {
        "\(what) for \(Self.text(now - since))" + (lastError.map { ": \($0)" } ?? "")
    }

    func nextChange(after now: Duration) -> Duration? {
        [since + limits.warning, since + limits.failure].filter { $0 > now }.min()
    }

    /// A duration in whole seconds as the configuration file has them: `45s`, `3m0s`, `2h0m5s`.
    package static func text(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        let (minutes, second) = seconds.quotientAndRemainder(dividingBy: 60)
        if minutes == 0 { return "\(second)s" }
        let (hours, minute) = minutes.quotientAndRemainder(dividingBy: 60)
        return hours == 0 ? "\(minute)m\(second)s" : "\(hours)h\(minute)m\(second)s"
    }
}

/// Counts consecutive failures of one activity, separately for each object that it is about, so that what fails for
/// ever is not hidden by what works.
package struct FailureTracker: Sendable {
    private let activity: String
    private let limits: LastingTrouble.Limits
    private var failing: [String: (since: Duration, error: String)] = [:]
    /// How many failing objects are told apart; others count as one.
    private static let most = 256

    /// - Parameter activity: what is being done, such as "listing the storage".
    package init(_ activity: String, limits: LastingTrouble.Limits) {
        self.activity = activity
        self.limits = limits
    }

    /// It failed.
    ///
    /// - Parameters:
    ///   - error: one line.
    ///   - object: what it was about, where there are several.
    package mutating func failed(_ error: String, of object: String = "", at now: Duration) {
        let object = failing[object] != nil || failing.count < Self.most ? object : ""
        failing[object] = (failing[object]?.since ?? now, error)
    }

    /// It succeeded.
    package mutating func succeeded(_ object: String = "") { failing[object] = nil }

    /// Forgets what is not there any more.
    ///
    /// - Parameter isThere: whether an object is.
    package mutating func keep(where isThere: (String) -> Bool) { failing = failing.filter { isThere($0.key) } }

    /// What fails for the longest time; nil when nothing does.
    package var trouble: LastingTrouble? {
        guard let worst = failing.min(by: { ($0.value.since, $0.key) < ($1.value.since, $1.key) }) else { return nil }
        return LastingTrouble(
            "\(activity) has failed", since: worst.value.since, limits: limits, lastError: worst.value.error)
    }
}
