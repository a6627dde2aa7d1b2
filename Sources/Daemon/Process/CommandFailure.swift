/// A reason to end with one line on stderr and an exit code.
package struct CommandFailure: Error, Sendable, CustomStringConvertible {
    /// What failed, on what. ``Advice`` says it in words.
    package enum Reason: Sendable, Equatable {
        /// No configuration file is named, and none of these is there.
        case noConfiguration(lookedFor: [String])
        /// The value of a flag is no database of a configuration file.
        case unknownDatabase(String, flag: String, file: String, known: [String])
        /// No child process could be started, with the `errno` that tells why.
        case noChildProcess(Int32)
        /// A child process has an ID that is too low.
        case lowProcessID(Int, minimum: Int)
        /// What should be a file is a directory, a device or a pipe.
        case noRegularFile(String)
        /// A file is larger than what it should be can be.
        case tooLargeFile(String, for: String)
        /// There is no support for Azure.
        case azureStorage
        /// The daemon has not opened the storage yet.
        case storageIsNotOpen
        /// Nothing answers where the daemon should.
        case noDaemonAnswers(String)
        /// What answers at a URL, with this status, is no daemon.
        case noDaemon(url: String, status: Int)
        /// Something answers at a URL, but no daemon holds the lock of the LMDB.
        case noDaemonRuns(url: String)
        /// What answers at a URL does not know what lies beside the LMDB.
        case anotherDaemon(url: String)
        /// What a command says itself.
        case said(String)
    }

    /// What failed.
    package var reason: Reason
    /// What the process ends with.
    package var exitCode: Int32

    /// One line: what failed, on what, and what to do.
    package var description: String { Advice.line(reason) }

    /// A failure with the exit code that suits the reason.
    package init(_ reason: Reason) {
        self.reason = reason
        exitCode = if case .unknownDatabase = reason { ExitCode.usage } else { ExitCode.failure }
    }

    /// A failure that a command puts into words itself.
    package init(exitCode: Int32, description: String) {
        self.reason = .said(description)
        self.exitCode = exitCode
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
