import ArgumentParser
import FoundationEssentials

/// The parser's description of a command: its name, arguments, and subcommands.
///
/// The parser prints it for `--experimental-dump-help`, which is the only way to obtain it.
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

        /// The placeholder for its value in usage texts.
        var placeholder: String { (valueName ?? (kind == .positional ? "argument" : "value")).uppercased() }

        /// Its whole help text in one line.
        var help: String {
            [abstract, discussion].compactMap(\.self).filter { !$0.isEmpty }.joined(separator: " ")
                .replacing("\n", with: " ")
        }

        /// Whether every command accepts it: the global flags, and those added by the parser.
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

    /// The parser's description of a command and its subcommands; nil if it cannot be decoded, which a test excludes.
    static func describe(_ root: any ParsableCommand.Type) -> CommandDescription? {
        struct Tool: Decodable { var command: CommandDescription }
        return try? JSONDecoder().decode(Tool.self, from: Data(root._dumpHelp().utf8)).command
    }

    /// Its subcommands, without the parser's own `help`.
    var children: [CommandDescription] { (subcommands ?? []).filter { $0.commandName != "help" } }

    /// Its visible subcommands.
    var shownChildren: [CommandDescription] { children.filter { $0.shouldDisplay != false } }

    /// The arguments of all commands.
    var globalArguments: [Argument] { (arguments ?? []).filter { $0.shouldDisplay && $0.isGlobal } }

    /// Its own arguments.
    var ownArguments: [Argument] { (arguments ?? []).filter { $0.shouldDisplay && !$0.isGlobal } }

    /// Its usage lines, below the commands of `path`: one for itself, or one for each subcommand.
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

/// The forms of the flags of a command, or of all commands in a group.
struct FlagShapes {
    // Whether it takes a value; several answers if commands differ.
    private var takesValue: [String: Set<Bool>] = [:]

    init(_ command: CommandDescription) { add(command) }

    private mutating func add(_ command: CommandDescription) {
        for argument in command.arguments ?? [] where argument.kind != .positional {
            for name in argument.spellings { takesValue[name, default: []].insert(argument.kind == .option) }
        }
        for child in command.children { add(child) }
    }

    /// Whether the flag may be used without a value.
    func isSwitch(_ name: String) -> Bool { takesValue[name]?.contains(false) == true }

    /// Whether the flag takes a value; if commands differ, `ifUnsure` decides.
    func isOption(_ name: String, ifUnsure: @autoclosure () -> Bool) -> Bool {
        switch takesValue[name] {
        case [true]: true
        case [true, false]: ifUnsure()
        default: false
        }
    }
}
