import Glibc

/// A system call that failed: what was tried, on what, and why.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    /// What was tried, as a verb phrase: "open", "write to".
    package var operation: String
    /// The file or other object it was tried on.
    package var subject: String
    /// The value of `errno`.
    package var code: Int32

    /// The failure of a call that has just set `errno`, unless `code` says another.
    package init(_ operation: String, _ subject: String, code: Int32 = errno) {
        self.operation = operation
        self.subject = subject
        self.code = code
    }

    /// One line: what, on what and why.
    package var description: String { "cannot \(operation) \(subject): \(String(cString: strerror(code)))" }
}

/// Calls `body` until it is not interrupted by a signal, and turns -1 into an error.
package func systemCall(
    _ operation: @autoclosure () -> String, _ subject: @autoclosure () -> String, _ body: () -> Int
) throws(SystemError) -> Int {
    while true {
        let result = body()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw SystemError(operation(), subject(), code: code) }
    }
}

/// Writes all of `bytes` to an open file.
///
/// - Parameter subject: what an error calls the file.
package func writeAll(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ subject: @autoclosure () -> String
) throws(SystemError) {
    var done = 0
    while done < bytes.count {
        done += try systemCall("write to", subject()) {
            write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
        }
    }
}
