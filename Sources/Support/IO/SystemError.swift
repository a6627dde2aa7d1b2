import Glibc

/// A failed system call: operation, subject and reason.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    /// The operation as a verb phrase: "open", "write to".
    package var operation: String
    /// The file or other object.
    package var subject: String
    /// The value of `errno`.
    package var code: Int32

    /// The failure of a call that has just set `errno`, unless `code` is given.
    package init(_ operation: String, _ subject: String, code: Int32 = errno) {
        self.operation = operation
        self.subject = subject
        self.code = code
    }

    /// The reason in words.
    package var reason: String { String(cString: strerror(code)) }

    /// One line: operation, subject and reason.
    package var description: String { "cannot \(operation) \(subject): \(reason)" }
}

/// Repeats `body` while it is interrupted by a signal, and turns -1 into an error.
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
/// - Parameter subject: the file's name in errors.
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
