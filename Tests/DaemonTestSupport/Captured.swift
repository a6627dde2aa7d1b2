import Daemon
import Observability
import Support
import Synchronization

/// Keeps what a command writes to standard output.
package final class CapturedOutput: ByteOutput {
    package init() {}

    private let bytes = Mutex<[UInt8]>([])

    package func write(_ new: [UInt8]) { bytes.withLock { $0 += new } }

    package var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
}

/// Keeps what a command writes to standard error.
package final class CapturedLines: LogOutput {
    package init() {}

    private let lines = Mutex<[String]>([])

    package func write(line: [UInt8]) { lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }

    package var all: [String] { lines.withLock { $0 } }
    package var text: String { all.joined() }
}

/// 2026-11-21T00:11:41.839786911Z
package let sampleTime = WallTime(seconds: 1_795_219_901, nanoseconds: 839_786_911)
