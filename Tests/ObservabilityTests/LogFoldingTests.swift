import Logging
import Support
import Testing

@testable import Observability

/// Folding under simulated time.
@Suite struct LogFoldingTests {
    private func record(
        _ message: String = "cannot list", level: Logger.Level = .warning, error: String = "timeout",
        try number: Int = 0
    ) -> LogRecord {
        LogRecord(
            time: WallTime(seconds: 0), level: level, message: message,
            fields: [("db", "main"), ("error", .string(error)), ("try", .stringConvertible(number))])
    }

    @Test(arguments: [
        (
            "cannot store main__s1__20261121-135029-953288852__GX.pb.gz: no answer after 12 ms, port 20719",
            "cannot store main__s1__*__GX.pb.gz: no answer after * ms, port 20719"
        ),
        ("120261121-135029-953288852", "120261121-135029-953288852"), ("20261121-135029", "20261121-135029"),
        ("ns1 has 7", "ns1 has 7"), ("", ""), ("é 1 ms", "é * ms"),
    ])
    func whatDiffersBetweenAttemptsDoesNotCount(text: String, expected: String) {
        #expect(likeness(text) == expected)
    }

    @Test func repetitionsAreToldOnceAMinute() {
        var folding = LogFolding()
        #expect(folding.take(record(), at: .seconds(0)).isNew)
        #expect(folding.nextDue == nil)
        for second in 1...12 {
            let (summaries, isNew) = folding.take(record(try: second), at: .seconds(second * 4))
            #expect(summaries.isEmpty && !isNew)
        }
        #expect(folding.nextDue == .seconds(60))
        #expect(folding.due(at: .seconds(59)).isEmpty)
        let lines = folding.due(at: .seconds(60))
        #expect(lines.map(\.message) == ["cannot list (12 times in the last minute)"])
        // The fields are those of the last one.
        #expect(lines.first?.text(of: "try") == "12")
        // It goes on: the next minute begins.
        #expect(!folding.take(record(), at: .seconds(61)).isNew)
        #expect(folding.due(at: .seconds(120)).map(\.message) == ["cannot list (once in the last minute)"])
        // It has paused: that is news again.
        #expect(folding.due(at: .seconds(180)).isEmpty)
        #expect(folding.nextDue == nil)
        #expect(folding.take(record(), at: .seconds(181)).isNew)
    }

    @Test func onlyWhatIsTheSameIsFolded() {
        var folding = LogFolding()
        #expect(folding.take(record(), at: .zero).isNew)
        #expect(folding.take(record(error: "no route"), at: .zero).isNew)
        #expect(folding.take(record("cannot load"), at: .zero).isNew)
        #expect(folding.take(record(level: .error), at: .zero).isNew)
        var other = record()
        other.fields[0].value = "shard"
        #expect(folding.take(other, at: .zero).isNew)
        #expect(!folding.take(record(), at: .zero).isNew)
        for level in [Logger.Level.trace, .debug, .info, .notice, .critical] {
            #expect(folding.take(record(level: level), at: .zero).isNew)
            #expect(folding.take(record(level: level), at: .zero).isNew)
        }
    }

    @Test func theEndTellsWhatWasCounted() {
        var folding = LogFolding()
        for second in 0..<4 { _ = folding.take(record(), at: .seconds(second)) }
        _ = folding.take(record("cannot load"), at: .seconds(4))
        #expect(folding.flush(at: .seconds(20)).map(\.message) == ["cannot list (3 times in the last 20 seconds)"])
        #expect(folding.flush(at: .seconds(21)).isEmpty)
    }

    @Test func memoryIsBoundedAndNothingIsLost() {
        var folding = LogFolding()
        var told = 0
        var total = 0
        for number in 0..<1000 {
            for _ in 0..<2 {
                let (summaries, isNew) = folding.take(record("m\(number)"), at: .milliseconds(number))
                told += summaries.count + (isNew ? 1 : 0)
                total += 1
            }
        }
        #expect(
            Mirror(reflecting: folding).children.compactMap { ($0.value as? any Collection)?.count } == [
                LogFolding.most
            ])
        told += folding.flush(at: .seconds(2)).count
        #expect(told == total)
    }

    @Test func theHandlerFoldsAndFlushes() {
        let output = CollectedLines()
        let settings = LogSettings(format: .logfmt, timestamp: .disable)
        let folder = LogFolder(settings, output: output)
        let logger = Logger(label: "test") { _ in LineLogHandler(settings: settings, output: output, folder: folder) }
        for _ in 0..<3 { logger.error("broken", metadata: ["error": "x"]) }
        logger.info("on we go")
        logger.info("on we go")
        folder.flush()
        #expect(
            output.all == [
                "level=error msg=broken error=x\n", "level=info msg=\"on we go\"\n", "level=info msg=\"on we go\"\n",
                "level=error msg=\"broken (2 times in the last second)\" error=x\n",
            ])
    }
}
