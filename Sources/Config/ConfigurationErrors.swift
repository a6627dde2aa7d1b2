/// One thing that is wrong, or worth knowing, in a configuration file.
package struct ConfigurationProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file as it was named by the caller.
    package var file: String
    /// The place in the file, or nil when the problem is the file as a whole (missing, not readable).
    package var position: Position?
    /// Full path of the key, such as `storage.options.bucket`, or empty when the problem is no single key's.
    package var keyPath: String
    /// What was found and what is allowed. Never contains a secret.
    package var message: String

    /// `file:line:column: key.path: message`, without the parts that do not apply; always one line.
    package var description: String {
        var text = Display.whole(file)
        if let position { text += ":\(position.line):\(position.column)" }
        if !keyPath.isEmpty { text += ": \(keyPath)" }
        return "\(text): \(message)"
    }
}

/// Everything that is wrong with a configuration file, found in one go.
package struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
    /// The problems, in the order of their places in the file; never empty.
    package let problems: [ConfigurationProblem]

    init(_ problems: [ConfigurationProblem]) { self.problems = problems.inOrderOfPosition() }

    /// One line per problem, in the order of their places in the file.
    package var description: String { problems.map(\.description).joined(separator: "\n") }
}

extension [ConfigurationProblem] {
    /// By place, those without a place first; the order of finding where places are the same.
    func inOrderOfPosition() -> [ConfigurationProblem] {
        enumerated().sorted { left, right in
            let places = (left.element.position ?? .beforeStart, right.element.position ?? .beforeStart)
            return places.0 == places.1 ? left.offset < right.offset : places.0 < places.1
        }
        .map(\.element)
    }
}

extension Position {
    fileprivate static let beforeStart = Position(line: 0, column: 0)
}
