import Logging
import Support
import Synchronization

@testable import Observability

/// Collects lines instead of writing them.
final class CollectedLines: LogOutput {
    private let lines = Mutex<[String]>([])

    func write(line: [UInt8]) {
        lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
    }

    var all: [String] { lines.withLock { $0 } }
}

/// 2026-11-21T00:11:41.839786911Z
let sampleTime = WallTime(seconds: 1_795_219_901, nanoseconds: 839_786_911)

/// The lines that `body` logs.
func logged(_ settings: LogSettings, _ body: (Logger) -> Void) -> [String] {
    let output = CollectedLines()
    body(
        Logger(label: "test") { _ in LineLogHandler(settings: settings, clock: { sampleTime }, output: output) })
    return output.all
}
