import ArgumentParser
import Config
import Daemon
import Glibc
import LMDB

/// The root of the command line.
struct Lightningstream: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lightningstream",
        abstract: "Syncs LMDB databases between hosts through snapshots in a bucket.",
        version: "lightningstream \(programVersion)",
        subcommands: [
            Sync.self, Receive.self, Resync.self, Status.self, DoctorCommand.self, Dump.self, Stats.self,
            SnapshotsCommand.self, PowerDNSCommand.self, Keygen.self, DropShadow.self, ExperimentalCommand.self,
            Docs.self, Completion.self, Version.self,
        ])

    @OptionGroup(title: "Global options") var global: GlobalOptions
}

/// The program: converts a command line to an exit code.
package enum Program {
    /// Runs the command of a command line.
    ///
    /// - Parameters:
    ///   - arguments: the command line, starting with the name of the program.
    ///   - context: the context of the command.
    /// - Returns: the exit code; see ``ExitCode``.
    package static func run(_ arguments: [String], in context: CommandContext = .process()) -> Int32 {
        // A closed pipe is an error of write(2), and must not kill the process.
        if context.ownsProcess {
            signal(SIGPIPE, SIG_IGN)
            PageMemory.useOneArena()
        }
        do {
            var command = try Lightningstream.parseAsRoot(
                ArgumentOrder.arranged(Array(arguments.dropFirst()), for: Lightningstream.self))
            if let command = command as? any ProgramCommand { return try command.perform(in: context) }
            if command is Lightningstream {
                throw CommandFault.noCommand
            }
            try command.run()
            return ExitCode.success
        } catch let failure as any ReportedFailure {
            context.report(failure.description)
            return failure.exitCode
        } catch let errors as ConfigurationErrors {
            for problem in errors.problems { context.report("\(problem)") }
            return ExitCode.failure
        } catch is OutputClosed {
            return ExitCode.success
        } catch {
            return end(with: error, in: context)
        }
    }

    // Errors of the parser, which also represent help and version, and errors of lower modules.
    private static func end(with error: any Error, in context: CommandContext) -> Int32 {
        switch Lightningstream.exitCode(for: error).rawValue {
        case ExitCode.success:
            do {
                try context.standardOutput.write(Array((Lightningstream.fullMessage(for: error) + "\n").utf8))
            } catch is OutputClosed {
            } catch {
                context.report("\(error)")
                return ExitCode.failure
            }
            return ExitCode.success
        case ExitCode.usage:
            // The parser lists the possible values of a flag on several lines.
            var message = Lightningstream.message(for: error)
                .replacing(":\n  - ", with: ": ").replacing("\n  - ", with: ", ")
            if message.hasSuffix(".") { message.removeLast() }
            context.report("\(message); see lightningstream --help")
            return ExitCode.usage
        default:
            context.report("\(error)")
            return ExitCode.failure
        }
    }
}
