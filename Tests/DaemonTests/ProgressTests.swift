import DaemonTestSupport
import Testing

@testable import Daemon

@Suite struct ProgressTests {
    private static let cases: [(Progress, Duration, String)] = [
        (Progress(title: "get"), .zero, "get"),
        (Progress(title: "get"), .seconds(5), "get"),
        (Progress(title: "get", bytes: 512), .milliseconds(999), "get: 512 B"),
        (Progress(title: "get", bytes: 3 << 20), .seconds(2), "get: 3.0 MiB, 1.5 MiB/s"),
        (Progress(title: "get", totalBytes: 4 << 20), .zero, "get: 0 B of 4.0 MiB, 0 %"),
        (
            Progress(title: "get", bytes: 1 << 20, totalBytes: 4 << 20), .seconds(2),
            "get: 1.0 MiB of 4.0 MiB, 25 %, 512.0 KiB/s, 6s left"
        ),
        (
            Progress(title: "get", bytes: 4 << 20, totalBytes: 4 << 20), .seconds(2),
            "get: 4.0 MiB of 4.0 MiB, 100 %, 2.0 MiB/s"
        ),
        // More than was announced, and fewer than none after an attempt that failed.
        (
            Progress(title: "get", bytes: 5 << 20, totalBytes: 4 << 20), .zero,
            "get: 4.0 MiB of 4.0 MiB, 100 %"
        ),
        (Progress(title: "get", bytes: -7, totalBytes: 4), .zero, "get: 0 B of 4 B, 0 %"),
        (
            Progress(title: "dump", entries: 1000, totalEntries: 4000), .seconds(10),
            "dump: 1000 of 4000 entries, 25 %, 100 entries/s, 30s left"
        ),
        (Progress(title: "dump", totalEntries: 0), .seconds(10), "dump: 0 of 0 entries"),
        (
            Progress(title: "dump", bytes: 10, entries: 7, totalBytes: 1 << 40), .seconds(1),
            "dump: 10 B of 1.0 TiB, 7 entries, 0 %, 10 B/s"
        ),
    ]

    @Test(arguments: cases)
    func line(progress: Progress, elapsed: Duration, expected: String) {
        #expect(progress.line(elapsed: elapsed) == expected)
    }

    private let output = CapturedLines()
    private let start = ContinuousClock.now

    private func terminal(showsResults: Bool = false, columns: Int = 80) -> Terminal {
        Terminal(output: output, showsResults: showsResults, columns: { columns })
    }

    @Test func drawsAtMostFiveTimesASecondAndClearsTheLine() {
        let line = ProgressLine(Progress(title: "get"), on: terminal(), start: start)
        for tick in 0...100 { line.add(bytes: 1, now: start + .milliseconds(10 * tick)) }
        line.end()
        #expect(
            output.all == [
                "\rget: 51 B\u{1b}[K", "\rget: 71 B\u{1b}[K", "\rget: 91 B\u{1b}[K", "\r\u{1b}[K",
            ])
        line.add(bytes: 1, now: start + .seconds(60))
        line.end()
        #expect(output.all.count == 4, "nothing is drawn after the end")
    }

    @Test func quickWorkDrawsNothing() {
        let line = ProgressLine(Progress(title: "get"), on: terminal(), start: start)
        line.add(bytes: 1, now: start + .milliseconds(499))
        line.end()
        #expect(output.all.isEmpty)
    }

    @Test func staysOneLine() {
        let line = ProgressLine(Progress(title: "a long title"), on: terminal(columns: 7), start: start)
        line.add(now: start + .seconds(1))
        #expect(output.all == ["\ra long\u{1b}[K"])
    }

    @Test(
        arguments: [
            (nil, true, false), (nil, false, false), (true, true, false), (true, false, true), (false, true, true),
            (false, false, true),
        ] as [(Bool?, Bool, Bool)])
    func isShownOnlyWhereItDisturbsNobody(showsResults: Bool?, writesResults: Bool, isShown: Bool) {
        let context = CommandContext(
            standardOutput: CapturedOutput(), standardError: output, environment: [:], clock: { sampleTime },
            usesColour: false, ownsProcess: false, terminal: showsResults.map { terminal(showsResults: $0) })
        let hasLine = context.withProgress(Progress(title: "x"), writesResults: writesResults) { $0 != nil }
        #expect(hasLine == isShown)
    }
}
