import ArgumentParser
import Config

/// Brings the words of a command line into the order that the parser wants.
///
/// The parser takes flags only behind the name of the command they belong to; users and unit files also write
/// global flags before it. They are moved to right behind the name, ahead of those that stand there, so that of
/// two equal flags the later one still wins.
enum ArgumentOrder {
    // Flags that may stand before a command and whose value is the next word.
    private static let optionsWithValue: Set<String> = [
        "-c", "--config", "-i", "--instance", "--log-level", "--log-format", "--log-timestamp", "--minimum-pid",
        "--timeout", "--generate-completion-script", "--only-db", "--wait-for-marker-file", "-n", "--name",
    ]

    // Letters of flags that take a value, which may follow the letter at once: `-cFILE`.
    private static let lettersWithValue: Set<Character> = ["c", "i", "n"]

    // Flags that are also written with an explicit truth value.
    private static let switches: Set<String> = [
        "--debug", "--log-config", "--only-once", "--hide", "-H", "--help", "-h", "--version",
    ]

    static func arranged(_ words: [String], for root: any ParsableCommand.Type) throws(CommandFailure) -> [String] {
        let words = normalised(words)
        var command = root
        var path: [String] = []
        var moved: [String] = []
        var position = 0
        while position < words.count, !command.configuration.subcommands.isEmpty {
            let word = words[position]
            if word == "--" { break }
            if word == "help", path.isEmpty {
                // The same as --help behind the command's name, so that an unknown one is noticed.
                moved.append("--help")
            } else if word.hasPrefix("-") {
                moved.append(word)
                if optionsWithValue.contains(word), position + 1 < words.count {
                    position += 1
                    moved.append(words[position])
                }
            } else if let found = command.configuration.subcommands.first(where: { name(of: $0) == word }) {
                command = found
                path.append(word)
            } else {
                throw unknown(word, among: command.configuration.subcommands.map(name(of:)))
            }
            position += 1
        }
        return path + moved + words[position...]
    }

    static func name(of command: any ParsableCommand.Type) -> String { command._commandName }

    /// The words in the spelling that the parser knows.
    private static func normalised(_ words: [String]) -> [String] {
        let end = words.firstIndex(of: "--") ?? words.endIndex
        return words[..<end].compactMap(withoutTruthValue).flatMap(split) + words[end...]
    }

    /// `--only-once=true` is `--only-once`, and `--only-once=false` is nothing.
    private static func withoutTruthValue(_ word: String) -> String? {
        for name in switches where word.hasPrefix(name + "=") {
            switch word.dropFirst(name.count + 1) {
            case "true": return name
            case "false": return nil
            default: return word
            }
        }
        return word
    }

    /// `-cFILE` is `-c FILE`, and `-HnDB` is `-Hn DB`.
    private static func split(_ word: String) -> [String] {
        guard word.hasPrefix("-"), !word.hasPrefix("--"),
            let letter = word.firstIndex(where: lettersWithValue.contains)
        else { return [word] }
        let value = word[word.index(after: letter)...]
        return value.isEmpty || value.hasPrefix("=") ? [word] : [String(word[...letter]), String(value)]
    }

    private static func unknown(_ word: String, among names: [String]) -> CommandFailure {
        let best = names.map { (name: $0, distance: Suggestion.distance(Array($0), Array(word))) }.min {
            $0.distance < $1.distance
        }
        let hint: String
        if let best, best.distance <= 2 {
            hint = "did you mean \"\(best.name)\"?"
        } else {
            hint = "there are: " + (names + ["help"]).joined(separator: ", ")
        }
        return .usage("unknown command \"\(word)\"; \(hint)")
    }
}
