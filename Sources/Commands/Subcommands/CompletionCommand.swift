import ArgumentParser
import Daemon

/// `lightningstream completion SHELL`: needs no configuration file.
struct Completion: ProgramCommand {
    /// The supported shells.
    enum Shell: String, CaseIterable, ExpressibleByArgument { case bash, zsh, fish }

    static let configuration = CommandConfiguration(
        abstract: "Show a script that completes commands and flags in a shell.",
        discussion: """
            bash: source <(lightningstream completion bash), or save the output as lightningstream in \
            /usr/share/bash-completion/completions. zsh: save the output as _lightningstream in a directory of fpath. fish: \
            save the output as lightningstream.fish in ~/.config/fish/completions.
            """)

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        let script = Lightningstream.completionScript(for: CompletionShell(rawValue: shell.rawValue) ?? .bash)
        try context.standardOutput.write(Array((script + "\n").utf8))
        return ExitCode.success
    }
}
