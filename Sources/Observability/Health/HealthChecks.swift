/// The health checks of the process: problems with their start and severity.
///
/// A pure state machine: times are durations since a fixed moment.
package struct HealthChecks: Sendable {
    /// The severity of a problem.
    package enum Severity: Sendable, Comparable {
        /// Needs attention.
        case warning
        /// The service does not work.
        case failure
    }

    /// The overall status.
    package enum Status: String, Sendable {
        /// No problems.
        case ok = "OK"
        /// Only warnings.
        case warning = "Warning"
        /// A check fails.
        case unavailable = "Unavailable"
    }

    /// The results of the checks at one time.
    package struct Outcome: Sendable, Equatable {
        /// The overall status.
        package var status = Status.ok
        /// Failures: name of the check and one line.
        package var failures: [String: String] = [:]
        /// Warnings: name of the check and one line.
        package var warnings: [String: String] = [:]
    }

    private var troubles: [String: LastingTrouble] = [:]
    private var conditions: [String: (severity: Severity, text: String)] = [:]

    /// No problems.
    package init() {}

    // MARK: Updates

    /// Sets a problem that matters if it lasts, or clears it with nil.
    ///
    /// - Parameter name: the name of the check.
    package mutating func set(_ name: String, _ trouble: LastingTrouble?) { troubles[name] = trouble }

    /// Sets a current problem, or clears it with nil.
    ///
    /// - Parameters:
    ///   - name: the name of the check.
    ///   - text: one line with problem and fix.
    package mutating func set(_ name: String, _ severity: Severity, _ text: String?) {
        conditions[name] = text.map { (severity, $0) }
    }

    // MARK: Results

    /// The results of the checks.
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

    /// The time at which the results change without further updates; nil if they do not.
    package func nextChange(after now: Duration) -> Duration? {
        troubles.values.compactMap { $0.nextChange(after: now) }.min()
    }
}

/// A persistent problem or a long operation: a warning after a while, and a failure after a longer time.
package struct LastingTrouble: Sendable, Equatable {
    /// The limits for a problem's duration.
    package struct Limits: Sendable, Equatable {
        /// Duration until it is a warning.
        package var warning: Duration
        /// Duration until it is a failure.
        package var failure: Duration

        /// See the properties of the same names.
        package init(warning: Duration, failure: Duration) {
            self.warning = warning
            self.failure = failure
        }
    }

    /// The problem, to be followed by "for 3m0s".
    package var what: String
    /// The start of the problem.
    package var since: Duration
    /// The limits.
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

    /// A duration in whole seconds in the format of the configuration file: `45s`, `3m0s`, `2h0m5s`.
    package static func text(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        let (minutes, second) = seconds.quotientAndRemainder(dividingBy: 60)
        if minutes == 0 { return "\(second)s" }
        let (hours, minute) = minutes.quotientAndRemainder(dividingBy: 60)
        return hours == 0 ? "\(minute)m\(second)s" : "\(hours)h\(minute)m\(second)s"
    }
}

/// Tracks consecutive failures of one activity, separately for each object, so that permanent failures
/// are not hidden by successes of others.
package struct FailureTracker: Sendable {
    private let activity: String
    private let limits: LastingTrouble.Limits
    private var failing: [String: (since: Duration, error: String)] = [:]
    /// Maximum number of separately tracked objects; others count as one.
    private static let most = 256

    /// - Parameter activity: the activity, such as "listing the storage".
    package init(_ activity: String, limits: LastingTrouble.Limits) {
        self.activity = activity
        self.limits = limits
    }

    /// Records a failure.
    ///
    /// - Parameters:
    ///   - error: one line.
    ///   - object: the object, if there are several.
    package mutating func failed(_ error: String, of object: String = "", at now: Duration) {
        let object = failing[object] != nil || failing.count < Self.most ? object : ""
        failing[object] = (failing[object]?.since ?? now, error)
    }

    /// Records a success.
    package mutating func succeeded(_ object: String = "") { failing[object] = nil }

    /// Removes objects that no longer exist.
    ///
    /// - Parameter isThere: whether an object exists.
    package mutating func keep(where isThere: (String) -> Bool) { failing = failing.filter { isThere($0.key) } }

    /// The longest failure; nil if there is none.
    package var trouble: LastingTrouble? {
        guard let worst = failing.min(by: { ($0.value.since, $0.key) < ($1.value.since, $1.key) }) else { return nil }
        return LastingTrouble(
            "\(activity) has failed", since: worst.value.since, limits: limits, lastError: worst.value.error)
    }
}
