import Daemon

/// The reference of the command line as a manual page for man(1), made from the parser's own description.
struct ManualPage {
    private let root: CommandDescription

    init(_ root: CommandDescription) { self.root = root }

    /// The page without a date, which packagers may put into the empty argument of `.TH`.
    var roff: String {
        let name = root.commandName
        let title = [name.uppercased(), "1", "", "\(name) \(programVersion)", "User Commands"]
        var lines = [
            ".TH " + title.map { "\"\(Self.escaped($0))\"" }.joined(separator: " "),
            ".SH NAME", "\(Self.escaped(name)) \\- \(Self.escaped(Self.nameLine(root.abstract ?? "")))",
            ".SH SYNOPSIS", ".nf",
        ]
        lines += root.shownChildren.flatMap { $0.usages(below: [name]) }.map { Self.line($0) }
        lines += [
            ".fi", ".SH DESCRIPTION",
            Self.line(
                """
                Each host has its own LMDB and writes snapshots of it to the bucket; it merges those of the others, and of two \
                versions of an entry the newer one wins. The daemon is the command sync, or receive on hosts that must never \
                write to the bucket.
                """),
            ".SH GLOBAL OPTIONS", "Every command accepts these, before or after its name.",
        ]
        lines += root.globalArguments.flatMap(Self.entry)
        lines.append(".SH COMMANDS")
        for command in root.shownChildren { append(command, below: [name], to: &lines) }
        lines += Self.exitStatus + Self.files
        return lines.joined(separator: "\n") + "\n"
    }

    private func append(_ command: CommandDescription, below path: [String], to lines: inout [String]) {
        let usages = command.usages(below: path)
        let path = path + [command.commandName]
        lines.append(".SS \"\(Self.escaped(path.dropFirst().joined(separator: " ")))\"")
        lines += [Self.line(command.abstract ?? ""), ".PP", ".nf"] + usages.map { Self.line($0) } + [".fi"]
        if let discussion = command.discussion, !discussion.isEmpty {
            lines += [".PP"] + discussion.split(separator: "\n").map { Self.line(String($0)) }
        }
        lines += command.ownArguments.flatMap(Self.entry)
        for child in command.shownChildren { append(child, below: path, to: &lines) }
    }

    /// An argument with its help, as an entry of a list.
    private static func entry(_ argument: CommandDescription.Argument) -> [String] {
        let value = "\\fI\(escaped(argument.placeholder))\\fR"
        var names = argument.orderedSpellings.map { "\\fB\(escaped($0))\\fR" }.joined(separator: ", ")
        switch argument.kind {
        case .positional: names = value
        case .option: names += " " + value
        case .flag: break
        }
        let defaultValue = argument.defaultValue.map { " Default: \($0)." } ?? ""
        return [".TP", names, line(argument.help + defaultValue)]
    }

    private static let exitStatus =
        [".SH EXIT STATUS"]
        + [
            (ExitCode.success, "Done."),
            (ExitCode.failure, "Failure; a line on standard error describes it. pdns diff: there are differences."),
            (2, "pdns diff failed."),
            (ExitCode.usage, "Wrong usage of the command line."),
            (ExitCode.timeout, "The time given with --timeout has expired."),
        ].flatMap { [".TP", "\($0)", line($1)] }

    private static let files =
        [".SH FILES"]
        + [
            ("/etc/lightningstream/lightningstream.yaml", "Configuration of lightningstream.service."),
            ("/etc/default/lightningstream", "Environment of lightningstream.service."),
        ].flatMap { [".TP", "\\fI\(escaped($0))\\fR", line($1)] }

    /// For the index of manual pages: no capital at the start and no full stop at the end.
    private static func nameLine(_ abstract: String) -> String {
        let text = abstract.hasSuffix(".") ? String(abstract.dropLast()) : abstract
        return text.prefix(1).lowercased() + text.dropFirst()
    }

    /// A text line that does not start a request.
    private static func line(_ text: String) -> String {
        let escaped = escaped(text)
        return escaped.hasPrefix(".") ? "\\&" + escaped : escaped
    }

    /// Escapes characters that roff or its fonts would change; a hyphen stays the one of shells.
    private static func escaped(_ text: String) -> String {
        let special: [Character: String] = [
            "\\": "\\e", "-": "\\-", "'": "\\(aq", "\"": "\\(dq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", "\n": " ",
        ]
        return text.reduce(into: "") { $0 += special[$1] ?? String($1) }
    }
}
