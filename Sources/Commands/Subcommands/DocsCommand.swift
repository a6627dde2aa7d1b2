import ArgumentParser
import Daemon

/// `lightningstream docs`: the reference of the command line; needs no configuration file.
struct Docs: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a reference of all commands and their flags, in Markdown.")

    @Flag(help: "Show a manual page for man(1) instead.")
    var man = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        guard let root = CommandDescription.describe(Lightningstream.self) else {
            throw CommandFault.noDescription
        }
        let text = man ? ManualPage(root).roff : CommandReference(root).markdown
        try context.standardOutput.write(Array(text.utf8))
        return ExitCode.success
    }
}
