import Glibc
import Synchronization

/// Receives complete log lines.
package protocol LogOutput: Sendable {
    /// Writes one line, including its newline.
    func write(line: [UInt8])
}

/// Writes log lines to a file descriptor, each in one piece.
///
/// A line is passed to the system in one write(2), so that lines of several threads and processes that share
/// a log are not interleaved. Lines that cannot be written are dropped: a full disk or a closed pipe must not stop syncing.
package final class FileDescriptorLogOutput: LogOutput {
    private let descriptor: Int32
    // A pipe may accept a long line in parts; no other line of this process may come in between.
    private let turn = Mutex(())

    /// - Parameter descriptor: the descriptor, which is not closed.
    package init(descriptor: Int32 = STDERR_FILENO) { self.descriptor = descriptor }

    /// Writes the whole line, or drops what cannot be written.
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
