import ArgumentParser

/// Brings the words of a command line into the order that the parser wants.
///
/// The parser takes flags only behind the name of the command they belong to; users and unit files also write
/// global flags before it. They are moved to right behind the name, ahead of those that stand there, so that of
/// two equal flags the later one still wins.
enum ArgumentOrder {
    // Flags that may stand before a command and whose value is the next word.
    private static let optionsWithValue: Set<String> = [
        "-c", "--config", "-i", "--instance", "--log-level", "--log-format", "--log-timestamp", "--minimum-pid",
        "--timeout", "--generate-completion-script",
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
        let best = names.map { (name: $0, distance: distance($0, word)) }.min { $0.distance < $1.distance }
        let hint: String
        if let best, best.distance <= 2 {
            hint = "did you mean \"\(best.name)\"?"
        } else {
            hint = "there are: " + (names + ["help"]).joined(separator: ", ")
        }
        return .usage("unknown command \"\(word)\"; \(hint)")
    }

    /// How many letters must be added, removed, replaced or swapped with their neighbour to get from one to the other.
    static func distance(_ first: String, _ second: String) -> Int {
        let (a, b) = (Array(first), Array(second))
        guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
        var rows = [Array(0...b.count)]
        for i in 1...a.count {
            var row = [i]
            for j in 1...b.count {
                var best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { best = min(best, rows[i - 2][j - 2] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
