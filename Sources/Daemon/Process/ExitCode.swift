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
