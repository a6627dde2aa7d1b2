import Glibc

/// What is wrong in a configuration file. All texts about it are in this file, and those about keys in KeyFault.swift and
/// ValueProblem.swift.
package enum ConfigurationFault: Sendable, Equatable {
    /// The file as a whole.
    case file(FileFault)
    /// The YAML.
    case yaml(YAMLFault)
    /// A reference to the environment.
    case reference(ReferenceFault)
    /// A key or its value.
    case key(KeyFault)
    /// A key beside the others.
    case check(CheckFault)

    /// One line without the place. Never contains a secret.
    package var text: String {
        switch self {
        case .file(let fault): fault.text
        case .yaml(let fault): fault.text
        case .reference(let fault): fault.text
        case .key(let fault): fault.text
        case .check(let fault): fault.text
        }
    }
}

/// What is wrong with a file as a whole.
package enum FileFault: Sendable, Equatable {
    /// The name contains a NUL.
    case badName
    /// A system call failed with this `errno`.
    case unreadable(Int32)
    /// More bytes than a configuration file can have.
    case tooLong(limit: Int)
    /// The bytes are not UTF-8.
    case notUTF8
    /// There are no keys.
    case empty

    var text: String {
        switch self {
        case .badName: "not a file name: it has a NUL character in it"
        case .unreadable(ENOENT), .unreadable(ENOTDIR):
            "there is no such file; name the configuration file with --config"
        case .unreadable(EISDIR): "is a directory; name the file in it with --config"
        case .unreadable(EACCES), .unreadable(EPERM):
            "permission denied; make it readable for the user that this program runs as"
        case .unreadable(let code): "cannot be read: \(String(cString: strerror(code)))"
        case .tooLong(let limit): "longer than \(limit) bytes, so it is not a configuration file"
        case .notUTF8: "not UTF-8: save the file as UTF-8"
        case .empty: "the file is empty; it needs at least lmdbs and storage"
        }
    }
}

/// What is wrong with the YAML.
package enum YAMLFault: Sendable, Equatable {
    /// A likely cause of a syntax error.
    package enum Hint: Sendable, Equatable {
        /// A tab in the indentation.
        case tab
        /// A character that cannot start a plain value.
        case quotes
    }

    /// The parser has no memory.
    case noMemory
    /// The parser's text, with what it was reading.
    case syntax(String, context: String, Hint?)
    /// A file has one document.
    case secondDocument
    /// An alias without its anchor.
    case noAnchor
    /// A key is given twice.
    case duplicateKey(first: Position)
    /// A key is not a name but this.
    case oddKey(kind: String)
    /// Merge keys add too many entries.
    case tooManyMerged(limit: Int)
    /// A merge key names this.
    case merged(kind: String)
    /// The list of a merge key contains this.
    case mergedItem(kind: String)
    /// The tag of a single value is unknown.
    case unknownTag
    /// The tag of a list or of a section is unknown; with the known one.
    case otherTag(known: String)
    /// Too many levels.
    case tooDeep(limit: Int)

    var text: String {
        switch self {
        case .noMemory: "out of memory while reading YAML"
        case .syntax(let problem, let context, let hint):
            "YAML syntax: \(problem)\(context.isEmpty ? "" : " (\(context))")\(hint?.text ?? "")"
        case .secondDocument: "a second YAML document starts here; expected one per file"
        case .noAnchor: "alias (`*`) of an anchor that is not defined above it"
        case .duplicateKey(let first): "duplicate key; first given at \(first.line):\(first.column)"
        case .oddKey(let kind): "found \(kind) as a key; expected a name"
        case .tooManyMerged(let limit):
            "the merge keys (`<<`) of this file add too many entries; the maximum is \(limit)"
        case .merged(let kind): "found \(kind), but a merge key accepts a section or a list of sections"
        case .mergedItem(let kind): "found \(kind), but a merge key accepts sections only"
        case .unknownTag:
            "unknown YAML tag (`!`); expected !!str, !!int, !!float, !!bool, !!null;"
                + " put a value that starts with `!` into quotes"
        case .otherTag(let known): "unknown YAML tag (`!`); expected none, or !!\(known)"
        case .tooDeep(let limit): "nested more than \(limit) levels deep"
        }
    }
}

extension YAMLFault.Hint {
    fileprivate var text: String {
        switch self {
        case .tab: "; this is a tab: indent with blanks"
        case .quotes: "; put a value that starts with this character into quotes"
        }
    }
}

/// What is wrong with a reference to the environment. A name is nil if it may be part of a secret.
package enum ReferenceFault: Sendable, Equatable {
    /// Defaults in defaults.
    case tooDeep(limit: Int)
    /// A brace is not closed.
    case noEnd
    /// A digit or a special character follows the dollar.
    case oddName
    /// No name follows the brace.
    case noName
    /// A required variable is not set; with the text of the file.
    case required(String?, message: String)
    /// The form of the reference is unknown.
    case invalid(String?)
    /// A variable is not set; whether the dollar is certainly a reference.
    case unset(String?, isReference: Bool)
    /// The values are too long.
    case tooLong(limit: Int)

    var text: String {
        func shown(_ name: String?) -> String { name.map { " \(Display.oneLine($0))" } ?? "" }
        return switch self {
        case .tooDeep(let limit): "references to environment variables nested more than \(limit) levels deep"
        case .noEnd: "`${` without its `}`; write `$$` for a literal dollar"
        case .oddName: "`$` before a digit or one of *#@!?- does not name a variable; write `$$` for a literal dollar"
        case .noName: "`${` is not followed by a name; write `$$` for a literal dollar"
        case .required(let name, let message):
            "environment variable\(shown(name)) is not set or empty"
                + (message.isEmpty || name == nil ? "" : ": \(message)")
        case .invalid(let name):
            "invalid reference\(shown(name)); expected ${NAME}, ${NAME:-default}, ${NAME:?message} and `$$` for a "
                + "literal dollar"
        case .unset(let name, true):
            "environment variable\(shown(name)) is not set; set it, or give a default: ${\(name ?? "NAME"):-default}"
        case .unset(let name, false):
            "environment variable\(shown(name)) is not set; write `$$` for a dollar that is part of the value, or set "
                + "the variable"
        case .tooLong(let limit): "longer than \(limit) bytes after replacing environment variables"
        }
    }
}
