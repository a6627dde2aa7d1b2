import Glibc

/// Describes failures and their remedies. Option names are only known here.
package enum Advice {
    /// The failure with its place, and what to do about it.
    static func words(for reason: CommandFailure.Reason) -> (problem: String, cure: String) {
        switch reason {
        case .noConfiguration(let files):
            let places = files.joined(separator: " in the working directory nor ")
            return ("there is no configuration file: neither \(places)", "set its path with --config")
        case .unknownDatabase(let name, let flag, let file, let known):
            return (
                "\(flag): there is no database \"\(name)\" in \(file)",
                "configured are: \(known.joined(separator: ", "))"
            )
        case .noChildProcess(let code):
            return ("cannot start a child process (--minimum-pid): \(String(cString: strerror(code)))", "")
        case .lowProcessID(let id, let minimum):
            return (
                "cannot get a process ID of at least \(minimum), got \(id) (--minimum-pid)",
                "omit the option if the LMDB is not shared between containers"
            )
        case .noRegularFile(let path): return ("\(path) is not a regular file", "")
        case .tooLargeFile(let path, let purpose): return ("\(path) is too large for \(purpose)", "")
        case .setup(let error): return (error.description, cure(of: error))
        case .identity(let failure): return ("storage.sealing.identity_files: \(failure)", "")
        case .storageIsNotOpen: return ("the storage is not open yet: see the log for the reason", "")
        case .noDaemonAnswers(let problem):
            return (
                "the daemon does not answer at http.address (\(problem))", "is it running with this configuration?"
            )
        case .noDaemon(let url, let status):
            return ("\(url): the answer (status \(status)) is not from a daemon of this program and version", "")
        case .noDaemonRuns(let url):
            return (
                "\(url): another program answers; no daemon is running, because no process holds the lock of the LMDB",
                "stop what listens there"
            )
        case .anotherDaemon(let url):
            return ("\(url): the answer is not from the daemon that syncs this LMDB", "stop what listens there")
        }
    }
}
