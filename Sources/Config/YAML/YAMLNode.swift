/// A position in the configuration file, as counted by editors: line and column from 1; a column is a Unicode scalar.
package struct Position: Sendable, Hashable, Comparable {
    /// Line, from 1.
    package var line: Int
    /// Column, from 1.
    package var column: Int

    /// The position at this line and column, both from 1.
    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// The first character of the file.
    package static let start = Position(line: 1, column: 1)

    /// Orders by line, then by column.
    package static func < (left: Position, right: Position) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// One node of a YAML document with its position. Aliases share their node.
struct YAMLNode: Sendable, Equatable {
    enum Content: Sendable, Equatable {
        case scalar(YAMLScalar)
        case sequence([YAMLNode])
        case mapping([YAMLEntry])
        /// A node that has been reported; it causes no further problems.
        case invalid
    }

    var content: Content
    var position: Position
    /// Levels of nodes below this one, including aliases. Bounded, because a tree is released recursively.
    var height = 0

    static func scalar(_ scalar: YAMLScalar, at position: Position) -> YAMLNode {
        YAMLNode(content: .scalar(scalar), position: position)
    }

    /// An empty value: `log:` without a value, `~` or `null`.
    var isNull: Bool {
        if case .scalar(let scalar) = content { scalar.isNull } else { false }
    }

    /// The kind of the node, for an error message. Never the contents.
    var kind: String {
        switch content {
        case .scalar(let scalar): scalar.isNull ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a section"
        case .invalid: "an invalid value"
        }
    }
}

/// One `key: value` of a mapping. Keys are always scalars; merged entries keep their original positions.
struct YAMLEntry: Sendable, Equatable {
    var name: String
    var keyPosition: Position
    var value: YAMLNode
}

/// A scalar in the file, before environment expansion and conversion.
struct YAMLScalar: Sendable, Equatable {
    enum Style: Sendable {
        case plain
        case singleQuoted
        case doubleQuoted
        case block
    }

    /// Tags with a meaning for scalars. Others are errors.
    enum Tag: Sendable {
        case none
        case text
        case number
        case bool
        case null
    }

    var text: String
    var style = Style.plain
    var tag = Tag.none

    /// Text by its form, neither a number nor a bool: quoted, a block, or tagged so.
    var isText: Bool {
        switch tag {
        case .none: style != .plain
        case .text: true
        case .number, .bool, .null: false
        }
    }

    /// The YAML 1.1 spellings of null.
    var isNull: Bool {
        switch tag {
        case .null: true
        case .none: style == .plain && ["", "~", "null", "Null", "NULL"].contains(text)
        case .text, .number, .bool: false
        }
    }
}

/// An error in the YAML itself.
struct YAMLProblem: Error, Equatable {
    var position: Position
    /// Path of the key concerned, for display, or empty.
    var path: [String] = []
    var fault: YAMLFault

    /// ``fault`` in words.
    var message: String { fault.text }
}
