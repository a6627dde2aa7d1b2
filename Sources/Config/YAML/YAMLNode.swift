/// A place in the configuration file, as editors count: lines and columns from 1, a column is one Unicode scalar.
package struct Position: Sendable, Hashable, Comparable {
    /// Line, from 1.
    package var line: Int
    /// Column, from 1.
    package var column: Int

    /// The place at this line and column, both from 1.
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

/// One node of a YAML document with its place. Aliases share the node they stand for.
struct YAMLNode: Sendable, Equatable {
    enum Content: Sendable, Equatable {
        case scalar(YAMLScalar)
        case sequence([YAMLNode])
        case mapping([YAMLEntry])
        /// A node that has been reported already; nothing more is said about it.
        case invalid
    }

    var content: Content
    var position: Position
    /// Levels of nodes below this one, aliases included. Bounded, because a tree is released recursively.
    var height = 0

    static func scalar(_ scalar: YAMLScalar, at position: Position) -> YAMLNode {
        YAMLNode(content: .scalar(scalar), position: position)
    }

    /// The bare nothing of `log:` without a value, `~` or `null`.
    var isNull: Bool {
        if case .scalar(let scalar) = content { scalar.isNull } else { false }
    }

    /// What the node is, in words for an error message. Never the contents.
    var kind: String {
        switch content {
        case .scalar(let scalar): scalar.isNull ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a section"
        case .invalid: "an invalid value"
        }
    }
}

/// One `key: value` of a mapping. Keys are always scalars; merged entries keep the place they were written at.
struct YAMLEntry: Sendable, Equatable {
    var name: String
    var keyPosition: Position
    var value: YAMLNode
}

/// A scalar as written, before environment expansion and typing.
struct YAMLScalar: Sendable, Equatable {
    enum Style: Sendable {
        case plain
        case singleQuoted
        case doubleQuoted
        case block
    }

    /// Tags that have a meaning for a scalar here. Others are errors.
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

    /// Text by its form, that is neither a number nor a bool: quoted, a block, or tagged so.
    var isText: Bool {
        switch tag {
        case .none: style != .plain
        case .text: true
        case .number, .bool, .null: false
        }
    }

    /// YAML 1.1 spellings of nothing.
    var isNull: Bool {
        switch tag {
        case .null: true
        case .none: style == .plain && ["", "~", "null", "Null", "NULL"].contains(text)
        case .text, .number, .bool: false
        }
    }
}

/// A problem of the YAML itself.
struct YAMLProblem: Error, Equatable {
    var position: Position
    /// Path of the key concerned, for display, or empty.
    var path: [String] = []
    var message: String
}
