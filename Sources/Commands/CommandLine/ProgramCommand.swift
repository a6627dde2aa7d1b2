import ArgumentParser
import Daemon

/// A command of this program.
protocol ProgramCommand: ParsableCommand {
    var global: GlobalOptions { get }

    /// Runs the command.
    ///
    /// - Returns: the exit code.
    func perform(in context: CommandContext) throws -> Int32
}
