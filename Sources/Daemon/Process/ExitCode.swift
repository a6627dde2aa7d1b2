/// The exit codes of the program. 64 and 75 are those of sysexits.h.
package enum ExitCode {
    /// Success.
    package static let success: Int32 = 0
    /// Failure; one line on stderr describes it.
    package static let failure: Int32 = 1
    /// An unknown flag or command, a missing argument, a bad flag value.
    package static let usage: Int32 = 64
    /// The time given with `--timeout` has expired.
    package static let timeout: Int32 = 75

    /// Ended by a signal, as in shells.
    package static func signal(_ signal: Int32) -> Int32 { 128 + signal }
}
