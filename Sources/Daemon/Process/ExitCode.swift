/// The exit codes of the program; the numbers 64 and 75 are those of sysexits.h.
package enum ExitCode {
    /// Everything was done.
    package static let success: Int32 = 0
    /// Something failed; one line on stderr says what.
    package static let failure: Int32 = 1
    /// An unknown flag or command, a missing argument, a bad flag value.
    package static let usage: Int32 = 64
    /// The time given with `--timeout` is over.
    package static let timeout: Int32 = 75

    /// Ended by a signal, as a shell puts it.
    package static func signal(_ signal: Int32) -> Int32 { 128 + signal }
}

/// A reason to end with one line on stderr and an exit code.
package struct CommandFailure: Error, CustomStringConvertible {
    /// What the process ends with.
    package var exitCode: Int32
    /// One line: what failed, on what, and what to do.
    package var description: String

    /// See the properties of the same names.
    package init(exitCode: Int32, description: String) {
        self.exitCode = exitCode
        self.description = description
    }

    /// Something failed.
    package static func failed(_ description: String) -> CommandFailure {
        CommandFailure(exitCode: ExitCode.failure, description: description)
    }

    /// The command line is wrong.
    package static func usage(_ description: String) -> CommandFailure {
        CommandFailure(exitCode: ExitCode.usage, description: description)
    }
}
