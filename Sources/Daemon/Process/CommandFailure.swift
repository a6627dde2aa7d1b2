import HTTP
import Sealing

/// An error that ends the program with one line on stderr and an exit code.
package protocol ReportedFailure: Error, CustomStringConvertible {
    /// The problem with its place, and what to do about it; the second may be empty.
    var words: (problem: String, cure: String) { get }
    /// The exit code of the process.
    var exitCode: Int32 { get }
}

extension ReportedFailure {
    /// One line: problem, place and fix.
    package var description: String {
        let (problem, cure) = words
        return cure.isEmpty ? problem : "\(problem); \(cure)"
    }
}

/// A failure that ends any command, or the daemon.
package struct CommandFailure: ReportedFailure {
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
        /// A file of identities cannot be used.
        case identity(IdentityFile.Failure)
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
    }

    /// The failure.
    package var reason: Reason

    /// The exit code of the process.
    package var exitCode: Int32 {
        if case .unknownDatabase = reason { ExitCode.usage } else { ExitCode.failure }
    }

    /// See ``ReportedFailure/words``.
    package var words: (problem: String, cure: String) { Advice.words(for: reason) }

    /// Creates a failure for a reason.
    package init(_ reason: Reason) { self.reason = reason }
}
