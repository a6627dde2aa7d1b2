import HTTP

/// An error that ends the program with one line on stderr and an exit code.
package struct CommandFailure: Error, Sendable, CustomStringConvertible {
    /// The failure and its place. ``Advice`` describes it.
    package enum Reason: Sendable, Equatable {
        /// No configuration file is given, and none of these exists.
        case noConfiguration(lookedFor: [String])
        /// The value of a flag is not a database of a configuration file.
        case unknownDatabase(String, flag: String, file: String, known: [String])
        /// A child process could not be started, with its `errno`.
        case noChildProcess(Int32)
        /// The ID of a child process is too low.
        case lowProcessID(Int, minimum: Int)
        /// A directory, a device or a pipe instead of a file.
        case noRegularFile(String)
        /// A file is too large for its purpose.
        case tooLargeFile(String, for: String)
        /// A file of the configuration cannot be used.
        case setup(HTTPSetupError)
        /// Azure is not supported.
        case azureStorage
        /// The daemon has not opened the storage yet.
        case storageIsNotOpen
        /// The daemon does not answer.
        case noDaemonAnswers(String)
        /// Another program answers at a URL, with this status.
        case noDaemon(url: String, status: Int)
        /// A program answers at a URL, but no daemon holds the lock of the LMDB.
        case noDaemonRuns(url: String)
        /// The answer at a URL is not from the daemon of the LMDB: the proof is wrong.
        case anotherDaemon(url: String)
        /// The text of a command.
        case said(String)
    }

    /// The failure.
    package var reason: Reason
    /// The exit code of the process.
    package var exitCode: Int32

    /// One line: problem, place and fix.
    package var description: String { Advice.line(reason) }

    /// Creates a failure with the exit code for the reason.
    package init(_ reason: Reason) {
        self.reason = reason
        exitCode = if case .unknownDatabase = reason { ExitCode.usage } else { ExitCode.failure }
    }

    /// Creates a failure with a command's own text.
    package init(exitCode: Int32, description: String) {
        self.reason = .said(description)
        self.exitCode = exitCode
    }

    /// A failure.
    package static func failed(_ description: String) -> CommandFailure {
        CommandFailure(exitCode: ExitCode.failure, description: description)
    }

    /// A wrong command line.
    package static func usage(_ description: String) -> CommandFailure {
        CommandFailure(exitCode: ExitCode.usage, description: description)
    }
}
