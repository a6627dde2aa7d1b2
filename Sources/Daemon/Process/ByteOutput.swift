import Glibc
import Support

/// Receives the output of a command.
package protocol ByteOutput: Sendable {
    /// Writes all bytes.
    ///
    /// Throws ``OutputClosed`` if the reader is closed, otherwise ``OutputError``.
    func write(_ bytes: [UInt8]) throws
}

/// The reader of the output is closed, for example `head`.
package struct OutputClosed: Error {
    /// The only value.
    package init() {}
}

/// The output cannot be written.
package struct OutputError: Error, CustomStringConvertible {
    /// The value of `errno`.
    package var code: Int32
    /// One line with the failure and its reason.
    package var description: String { "cannot write to standard output: \(String(cString: strerror(code)))" }
}

/// An open file, pipe or terminal.
package struct FileDescriptorOutput: ByteOutput {
    private let descriptor: Int32

    /// - Parameter descriptor: the descriptor, which is not closed.
    package init(descriptor: Int32) { self.descriptor = descriptor }

    /// Writes all of the bytes; see ``ByteOutput/write(_:)``.
    package func write(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let part = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
                if part >= 0 {
                    done += part
                    continue
                }
                switch errno {
                case EINTR: continue
                case EPIPE: throw OutputClosed()
                default: throw OutputError(code: errno)
                }
            }
        }
    }
}

/// Collects small pieces of text into blocks for an output.
package struct BufferedOutput {
    private let output: any ByteOutput
    private var buffer: [UInt8] = []
    private static let blockSize = 64 << 10

    /// - Parameter output: receives the blocks.
    package init(_ output: any ByteOutput) {
        self.output = output
        buffer.reserveCapacity(Self.blockSize + 4096)
    }

    /// Appends text.
    package mutating func append(_ text: String) { buffer.append(contentsOf: text.utf8) }

    /// Appends one byte.
    package mutating func append(_ byte: UInt8) { buffer.append(byte) }

    /// Appends whole lines, and writes the block once it is large enough.
    package mutating func append(block: [UInt8]) throws {
        buffer.append(contentsOf: block)
        if buffer.count >= Self.blockSize { try flush() }
    }

    /// Ends a line, and writes the block once it is large enough.
    package mutating func endLine() throws {
        append(UInt8(ascii: "\n"))
        if buffer.count >= Self.blockSize { try flush() }
    }

    /// Appends lines with line ends. Control characters are escaped.
    package mutating func append(lines: some Sequence<String>) throws {
        for line in lines {
            append(PrintableText.line(line))
            try endLine()
        }
    }

    /// Writes the rest. Must be called at the end.
    package mutating func flush() throws {
        try output.write(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}
