import Glibc
import Synchronization

/// Takes finished log lines.
package protocol LogOutput: Sendable {
    /// Takes one line, its newline included.
    func write(line: [UInt8])
}

/// Writes log lines to a file descriptor, each in one piece.
///
/// A line is given to the system in one write(2), so that lines of several threads and processes that share
/// a log don't mix. What can't be written is dropped: a full disk or a closed pipe must not stop the syncing.
package final class FileDescriptorLogOutput: LogOutput {
    private let descriptor: Int32
    // A long line can be taken in parts by a pipe; no other line of this process may get in between.
    private let turn = Mutex(())

    /// - Parameter descriptor: stays open, and is not closed here.
    package init(descriptor: Int32 = STDERR_FILENO) { self.descriptor = descriptor }

    /// Writes the line as a whole, or drops what can't be written.
    package func write(line: [UInt8]) {
        turn.withLock { _ in
            line.withUnsafeBytes { bytes in
                var done = 0
                while done < bytes.count {
                    let part = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
                    if part > 0 {
                        done += part
                    } else if part == 0 || errno != EINTR {
                        return
                    }
                }
            }
        }
    }
}
