import ArgumentParser
import Daemon

/// `lightningstream version`: needs no configuration file.
struct Version: ProgramCommand {
    static let configuration = CommandConfiguration(abstract: "Show the version of this program.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try context.standardOutput.write(Array("lightningstream \(programVersion)\n".utf8))
        return ExitCode.success
    }
}
