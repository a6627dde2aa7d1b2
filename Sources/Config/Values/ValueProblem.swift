/// The reason why a text is not valid for a type. Parsers of possible secrets include nothing of the text.
package struct ValueProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The allowed values, such as `a duration of at least 100ms`.
    package var allowed: String
    /// A hint if the reason is not obvious, or empty.
    package var advice: String

    init(allowed: String, advice: String = "") {
        self.allowed = allowed
        self.advice = advice
    }

    /// For a message about a flag: `expected …`.
    package var description: String { "expected \(allowed)\(advice.isEmpty ? "" : "; \(advice)")" }
}
