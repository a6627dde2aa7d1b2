import ArgumentParser
import Config
import Daemon

/// Reorders the words of a command line for the parser.
///
/// The parser accepts flags only after the name of their command; users and unit files also write
/// them before it. They are moved to directly after the name, before the flags already there, so that of two equal
/// flags the later one still wins. The parser itself provides the flags and whether they take a value.
enum ArgumentOrder {
    static func arranged(_ words: [String], for root: any ParsableCommand.Type) throws(CommandFault) -> [String] {
        if let usual = usual(words, for: root) { return usual }
        return try arrangedAsDescribed(words, for: root)
    }

    /// A fast path for most command lines, without a description of all commands, which would dominate the running
    /// time: names of commands, global flags before or between them, and words after
    /// them that need no change.
    ///
    /// - Returns: nil if the description is needed.
    private static func usual(_ words: [String], for root: any ParsableCommand.Type) -> [String]? {
        let end = words.firstIndex(of: "--") ?? words.endIndex
        var command = root
        var path: [String] = []
        var moved: [String] = []
        var position = 0
        while position < end, !command.configuration.subcommands.isEmpty {
            let word = words[position]
            position += 1
            if let takesValue = GlobalOptions.takesValue[word] {
                moved.append(word)
                guard takesValue else { continue }
                guard position < end else { return nil }
                moved.append(words[position])
                position += 1
            } else if let child = command.configuration.subcommands.first(where: { name(of: $0) == word }) {
                command = child
                path.append(word)
            } else {
                return nil
            }
        }
        guard words[position..<end].allSatisfy(isKept) else { return nil }
        return path + moved + words[position...]
    }

    /// Whether a word after the name of a command is unchanged, whatever the flags of that command are: neither a truth
    /// value nor several flags in one.
    private static func isKept(_ word: String) -> Bool {
        !word.hasPrefix("-") || !word.contains("=") && (word.hasPrefix("--") || word.count <= 2)
    }

    /// Reorders the words with the parser's description of commands and flags.
    static func arrangedAsDescribed(
        _ words: [String], for root: any ParsableCommand.Type
    ) throws(CommandFault) -> [String] {
        guard var command = CommandDescription.describe(root) else { return words }
        var shapes = FlagShapes(command)
        let end = words.firstIndex(of: "--") ?? words.endIndex
        var path: [String] = []
        var moved: [String] = []
        var rest: [String] = []
        var position = 0
        while position < end {
            let word = words[position]
            position += 1
            if word.hasPrefix("-"), word != "-" {
                guard let named = withoutTruthValue(word, shapes) else { continue }
                var pieces = split(named, shapes)
                let next = position < end ? words[position] : nil
                let isCommand = command.children.contains { $0.commandName == next }
                if let next, let last = pieces.last, wantsValue(last, shapes, unless: isCommand) {
                    pieces.append(next)
                    position += 1
                }
                if command.children.isEmpty { rest += pieces } else { moved += pieces }
            } else if command.children.isEmpty {
                rest.append(word)
            } else if word == "help" {
                // The same as --help after the command's name, so that an unknown command is detected.
                moved.append("--help")
            } else if let child = command.children.first(where: { $0.commandName == word }) {
                command = child
                shapes = FlagShapes(child)
                path.append(word)
            } else {
                throw unknown(word, below: path, among: command.children.map(\.commandName))
            }
        }
        return path + moved + rest + words[end...]
    }

    static func name(of command: any ParsableCommand.Type) -> String { command._commandName }

    /// `--only-once=true` becomes `--only-once`, and `--only-once=false` is removed.
    private static func withoutTruthValue(_ word: String, _ shapes: FlagShapes) -> String? {
        guard let sign = word.firstIndex(of: "="), shapes.isSwitch(String(word[..<sign])) else { return word }
        switch word[word.index(after: sign)...] {
        case "true": return String(word[..<sign])
        case "false": return nil
        default: return word
        }
    }

    /// `-cFILE` becomes `-c FILE`, and `-HnDB` becomes `-Hn DB`.
    private static func split(_ word: String, _ shapes: FlagShapes) -> [String] {
        guard !word.hasPrefix("--") else { return [word] }
        for position in word.indices.dropFirst() {
            let letter = "-\(word[position])"
            let value = word[word.index(after: position)...]
            if shapes.isOption(letter, ifUnsure: false), !value.isEmpty, !value.hasPrefix("=") {
                return [String(word[...position]), String(value)]
            }
            guard shapes.isSwitch(letter) else { break }
        }
        return [word]
    }

    /// Whether the next word is the value of this one: for `-c`, `--config`, and `-Hn`.
    private static func wantsValue(_ word: String, _ shapes: FlagShapes, unless isCommand: Bool) -> Bool {
        // The word is itself a value, as the `n` of `-in`.
        guard word.hasPrefix("-") else { return false }
        guard !word.hasPrefix("--") else { return shapes.isOption(word, ifUnsure: !isCommand) }
        guard let last = word.last, word.dropFirst().dropLast().allSatisfy({ shapes.isSwitch("-\($0)") }) else {
            return false
        }
        return shapes.isOption("-\(last)", ifUnsure: !isCommand)
    }

    private static func unknown(_ word: String, below path: [String], among names: [String]) -> CommandFault {
        let best = names.map { (name: $0, distance: Suggestion.distance(Array($0), Array(word))) }.min {
            $0.distance < $1.distance
        }
        let full = { (name: String) in (path + [name]).joined(separator: " ") }
        let isNear = word.count <= 64 && best.map { $0.distance <= 2 } ?? false
        return .unknownCommand(
            full(word), meant: isNear ? best.map { full($0.name) } : nil, known: names + ["help"])
    }
}
