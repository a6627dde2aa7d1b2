import Daemon

/// The exit codes of this program, and not the parser's type of the same name.
typealias ExitCode = Daemon.ExitCode
