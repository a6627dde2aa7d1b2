import ArgumentParser
import FoundationEssentials

/// A command as the parser describes it: its name, what it takes, and the commands below it.
///
/// This is what the parser prints for `--experimental-dump-help`, the one way to ask it what it knows.
struct CommandDescription: Decodable, Sendable {
    /// A flag with or without a value, or an argument without a name.
    struct Argument: Decodable, Sendable {
        enum Kind: String, Decodable { case positional, option, flag }

        struct Name: Decodable, Sendable {
            enum Kind: String, Decodable { case long, short, longWithSingleDash }

            var kind: Kind
            var name: String

            /// With its dashes.
            var text: String { (kind == .long ? "--" : "-") + name }
        }

        var kind: Kind
        var shouldDisplay: Bool
        var sectionTitle: String?
        var isOptional: Bool
        var isRepeating: Bool
        var names: [Name]?
        var valueName: String?
        var defaultValue: String?
        var abstract: String?
        var discussion: String?

        /// Its names with their dashes; none for an argument without a name.
        var spellings: [String] { (names ?? []).map(\.text) }

        /// The same with the short ones first, as in usage texts.
        var orderedSpellings: [String] {
            spellings.filter { !$0.hasPrefix("--") } + spellings.filter { $0.hasPrefix("--") }
        }

        /// What stands for its value in usage texts.
        var placeholder: String { (valueName ?? (kind == .positional ? "argument" : "value")).uppercased() }

        /// All that is said about it, in one line.
        var help: String {
            [abstract, discussion].compactMap(\.self).filter { !$0.isEmpty }.joined(separator: " ")
                .replacing("\n", with: " ")
        }

        /// Whether every command takes it: the global flags, and what the parser adds.
        var isGlobal: Bool {
            sectionTitle == GlobalOptions.title || !Set(spellings).isDisjoint(with: ["--help", "--version"])
        }
    }

    var commandName: String
    var shouldDisplay: Bool?
    var abstract: String?
    var discussion: String?
    var subcommands: [CommandDescription]?
    var arguments: [Argument]?

    /// The parser's description of a command and all below it; nil when it can't be read, which a test excludes.
    static func describe(_ root: any ParsableCommand.Type) -> CommandDescription? {
        struct Tool: Decodable { var command: CommandDescription }
        return try? JSONDecoder().decode(Tool.self, from: Data(root._dumpHelp().utf8)).command
    }

    /// The commands below it, without the parser's own `help`.
    var children: [CommandDescription] { (subcommands ?? []).filter { $0.commandName != "help" } }

    /// The commands below it that are no secret.
    var shownChildren: [CommandDescription] { children.filter { $0.shouldDisplay != false } }

    /// What all commands take.
    var globalArguments: [Argument] { (arguments ?? []).filter { $0.shouldDisplay && $0.isGlobal } }

    /// What it takes besides what all commands take.
    var ownArguments: [Argument] { (arguments ?? []).filter { $0.shouldDisplay && !$0.isGlobal } }

    /// How it is called, below the commands of `path`: a line for itself, or one for each command below it.
    func usages(below path: [String]) -> [String] {
        let path = path + [commandName]
        guard children.isEmpty else { return shownChildren.map { (path + [$0.commandName]).joined(separator: " ") } }
        let flags = ownArguments.contains { $0.kind != .positional } ? ["[flags]"] : []
        let positional = ownArguments.filter { $0.kind == .positional }.map { argument in
            let name = argument.placeholder + (argument.isRepeating ? "..." : "")
            return argument.isOptional ? "[\(name)]" : name
        }
        return [(path + flags + positional).joined(separator: " ")]
    }
}

/// What the flags of a command, or of all commands below a group, look like.
struct FlagShapes {
    // Whether it takes a value; several answers when commands differ.
    private var takesValue: [String: Set<Bool>] = [:]

    init(_ command: CommandDescription) { add(command) }

    private mutating func add(_ command: CommandDescription) {
        for argument in command.arguments ?? [] where argument.kind != .positional {
            for name in argument.spellings { takesValue[name, default: []].insert(argument.kind == .option) }
        }
        for child in command.children { add(child) }
    }

    /// Whether the flag may stand without a value.
    func isSwitch(_ name: String) -> Bool { takesValue[name]?.contains(false) == true }

    /// Whether the flag takes a value; where commands differ, `ifUnsure` decides.
    func isOption(_ name: String, ifUnsure: @autoclosure () -> Bool) -> Bool {
        switch takesValue[name] {
        case [true]: true
        case [true, false]: ifUnsure()
        default: false
        }
    }
}
