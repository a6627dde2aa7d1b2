import ArgumentParser
import Daemon

/// A command of this program.
protocol ProgramCommand: ParsableCommand {
    var global: GlobalOptions { get }

    /// Does the work.
    ///
    /// - Returns: the exit code.
    func perform(in context: CommandContext) throws -> Int32
}
