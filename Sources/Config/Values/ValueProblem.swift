/// Why a text is not a value of the wanted type. Parsers of what may be secret put nothing of the text into it.
package struct ValueProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is allowed, such as `a duration of at least 100ms`.
    package var allowed: String
    /// Why this text is none, where that is not obvious, or empty.
    package var advice: String

    init(allowed: String, advice: String = "") {
        self.allowed = allowed
        self.advice = advice
    }

    /// For a message about a flag: `allowed is …`.
    package var description: String { "allowed is \(allowed)\(advice.isEmpty ? "" : "; \(advice)")" }
}
