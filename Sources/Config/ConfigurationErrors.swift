/// An error or a warning in a configuration file.
package struct ConfigurationProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file as named by the caller.
    package var file: String
    /// The position in the file, or nil if the problem is the file as a whole (missing, not readable).
    package var position: Position?
    /// Full path of the key, such as `storage.options.bucket`, or empty if no single key is concerned.
    package var keyPath: String
    /// What is wrong.
    package var fault: ConfigurationFault

    /// ``fault`` in words. Never contains a secret.
    package var message: String { fault.text }

    /// `file:line:column: key.path: message`, without inapplicable parts; always one line.
    package var description: String {
        var text = Display.whole(file)
        if let position { text += ":\(position.line):\(position.column)" }
        if !keyPath.isEmpty { text += ": \(keyPath)" }
        return "\(text): \(message)"
    }
}

/// All problems of a configuration file.
package struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
    /// The problems by position in the file; never empty.
    package let problems: [ConfigurationProblem]

    init(_ problems: [ConfigurationProblem]) { self.problems = problems.inOrderOfPosition() }

    /// One line per problem, by position in the file.
    package var description: String { problems.map(\.description).joined(separator: "\n") }
}

extension [ConfigurationProblem] {
    /// By position, those without one first; the sort is stable.
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
