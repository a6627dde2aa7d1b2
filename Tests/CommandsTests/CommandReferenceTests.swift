import Foundation
import Testing

@testable import Commands

/// What the parser tells about itself: the base of the order of flags and of the reference.
@Suite struct CommandReferenceTests {
    private let root: CommandDescription

    init() throws { root = try #require(CommandDescription.describe(Lightningstream.self)) }

    private var leaves: [(path: [String], command: CommandDescription)] { Self.leaves(root, []) }

    private static func leaves(
        _ command: CommandDescription, _ path: [String]
    ) -> [(path: [String], command: CommandDescription)] {
        if command.children.isEmpty { return [(path, command)] }
        return command.children.flatMap { leaves($0, path + [$0.commandName]) }
    }

    @Test func everyCommandIsDescribed() {
        #expect(leaves.map(\.path).contains(["snapshots", "list"]))
        for (path, command) in leaves {
            #expect(command.abstract?.isEmpty == false, "\(path)")
            for argument in command.arguments ?? [] where argument.shouldDisplay {
                #expect(argument.abstract?.isEmpty == false, "\(path) \(argument.spellings)")
            }
        }
    }

    @Test func everyCommandTakesTheGlobalFlags() {
        for (path, command) in leaves {
            let spellings = Set((command.arguments ?? []).flatMap(\.spellings))
            #expect(spellings.isSuperset(of: ["-c", "--config", "--timeout", "--log-config", "--help"]), "\(path)")
        }
    }

    /// Flags may stand before a command's name; where they take a value in some commands only, what follows decides.
    @Test(arguments: [("-l", true, false), ("-c", false, true), ("--nonsense", false, false)])
    func shapes(flag: String, isSwitch: Bool, isOption: Bool) {
        let shapes = FlagShapes(root)
        #expect(shapes.isSwitch(flag) == isSwitch)
        #expect(shapes.isOption(flag, ifUnsure: !isOption) == isOption)
    }

    @Test func docsNeedNoConfiguration() async {
        let result = await runCommand(["docs", "-c", "/nowhere.yaml"])
        #expect(result.exitCode == 0)
        #expect(result.output == CommandReference(root).markdown)
    }

    @Test func referenceHasASectionForEveryCommandAndARowForEveryFlag() {
        let text = CommandReference(root).markdown
        for (path, command) in leaves {
            #expect(text.contains("\n## \(path.joined(separator: " "))\n"))
            for name in (command.arguments ?? []).filter(\.shouldDisplay).flatMap(\.spellings) {
                #expect(text.contains("`\(name)`") || text.contains("`\(name) "), "\(path) \(name)")
            }
        }
        #expect(text.components(separatedBy: "`--config FILE`").count == 2, "global flags are there once")
        for row in text.split(separator: "\n") where row.hasPrefix("| ") {
            #expect(row.replacing("\\|", with: "").split(separator: "|").count == 3, "\(row)")
        }
    }

    @Test func referencePageIsTheCheckedInOne() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/commands-reference.md").standardizedFileURL
        let markdown = CommandReference(root).markdown
        // The way to bring the page up to date after a change of a command.
        if ProcessInfo.processInfo.environment["LIGHTNINGSTREAM_WRITE_REFERENCE"] != nil {
            try Data(markdown.utf8).write(to: page)
        }
        #expect(
            try String(contentsOf: page, encoding: .utf8) == markdown,
            "run: LIGHTNINGSTREAM_WRITE_REFERENCE=1 swift test --filter CommandReferenceTests")
    }

    @Test func manualPageHasASectionForEveryCommandAndAnEntryForEveryFlag() async {
        let result = await runCommand(["docs", "--man", "-c", "/nowhere.yaml"])
        #expect(result.exitCode == 0)
        #expect(result.output == ManualPage(root).roff)
        // What a reader sees, nearly.
        let text = result.output.replacing("\\-", with: "-").replacing("\\fB", with: "").replacing("\\fR", with: "")
            .replacing("\\fI", with: "")
        for (path, command) in leaves where command.shouldDisplay != false {
            #expect(text.contains("\n.SS \"\(path.joined(separator: " "))\"\n"))
            for name in (command.arguments ?? []).filter(\.shouldDisplay).flatMap(\.spellings) {
                #expect(text.contains("\n.TP\n\(name)") || text.contains(", \(name)"), "\(path) \(name)")
            }
        }
        for line in result.output.split(separator: "\n") where line.hasPrefix(".") || line.hasPrefix("'") {
            #expect(line.wholeMatch(of: /\.(TH|SH|SS|TP|PP|nf|fi)( .*)?/) != nil, "\(line)")
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func completionNeedsNoConfiguration(shell: String) async {
        let result = await runCommand(["completion", shell, "-c", "/nowhere.yaml"])
        #expect(result.exitCode == 0)
        #expect(result.errors.isEmpty)
        #expect(result.output.contains("wait-for-marker-file"))
        #expect(result.output.contains("snapshots"))
    }
}
