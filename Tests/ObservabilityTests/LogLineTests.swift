import Logging
import Testing

@testable import Observability

/// What a line looks like, exactly.
@Suite struct LogLineTests {
    private static let formats: [(LogFormat, String)] = [
        (
            .human,
            "00:11:41.839 WARN  [main ] snapshot refused" + String(repeating: " ", count: 24)
                + " attempt=3 reason=\"gzip CRC differs\" snapshot_name=a__b__c\n"
        ),
        (
            .logfmt,
            "time=2026-11-21T00:11:41.839Z level=warning msg=\"snapshot refused\" attempt=3 db=main"
                + " reason=\"gzip CRC differs\" snapshot_name=a__b__c\n"
        ),
        (
            .json,
            #"{"time":"2026-11-21T00:11:41.839Z","level":"warning","msg":"snapshot refused","attempt":3,"db":"main","#
                + #""reason":"gzip CRC differs","snapshot_name":"a__b__c"}"# + "\n"
        ),
    ]

    @Test(arguments: formats)
    func fields(format: LogFormat, line: String) {
        let lines = logged(LogSettings(format: format, databaseWidth: 5)) { logger in
            var logger = logger
            logger[metadataKey: "db"] = "main"
            logger.warning(
                "snapshot refused",
                metadata: ["snapshot_name": "a__b__c", "attempt": "\(3)", "reason": "gzip CRC differs"])
            // A number stays one in JSON.
            logger.warning(
                "snapshot refused",
                metadata: ["snapshot_name": "a__b__c", "attempt": .stringConvertible(3), "reason": "gzip CRC differs"])
        }
        #expect(lines.last == line)
        #expect(lines.first == (format == .json ? line.replacing(":3,", with: #":"3","#) : line))
    }

    @Test(arguments: [
        (LogTimestamp.short, "00:11:41.839 INFO  up\n", "time=2026-11-21T00:11:41.839Z level=info msg=up\n"),
        (.full, "2026-11-21T00:11:41.839Z INFO  up\n", "time=2026-11-21T00:11:41.839786911Z level=info msg=up\n"),
        (.disable, "INFO  up\n", "level=info msg=up\n"),
    ])
    func timestamps(timestamp: LogTimestamp, human: String, logfmt: String) {
        #expect(logged(LogSettings(format: .human, timestamp: timestamp)) { $0.info("up") } == [human])
        #expect(logged(LogSettings(format: .logfmt, timestamp: timestamp)) { $0.info("up") } == [logfmt])
    }

    /// A file is read later, and beside those of other hosts.
    @Test func linesToAFileHaveDateAndInstance() {
        func line(_ isOnTerminal: Bool, _ timestamp: LogTimestamp) -> String {
            logged(LogSettings(timestamp: timestamp, isOnTerminal: isOnTerminal)) { logger in
                var logger = logger
                logger[metadataKey: "instance"] = "ns1"
                logger.info("up")
            }.joined()
        }
        let blanks = String(repeating: " ", count: 39)
        #expect(line(true, .short) == "00:11:41.839 INFO  up\n")
        #expect(line(false, .short) == "2026-11-21T00:11:41.839Z INFO  up\(blanks)instance=ns1\n")
        #expect(line(false, .disable) == "INFO  up\(blanks)instance=ns1\n")
    }

    @Test func jsonTimestamps() {
        let line: (LogTimestamp) -> [String] = { style in
            logged(LogSettings(format: .json, timestamp: style)) { $0.info("up") }
        }
        #expect(line(.disable) == [#"{"level":"info","msg":"up"}"# + "\n"])
        #expect(line(.full) == [#"{"time":"2026-11-21T00:11:41.839786911Z","level":"info","msg":"up"}"# + "\n"])
    }

    @Test func colours() {
        let lines = logged(LogSettings(usesColour: true)) { $0.error("bad", metadata: ["n": "1"]) }
        let blanks = String(repeating: " ", count: 37)
        #expect(
            lines == [
                "\u{1b}[2m00:11:41.839 \u{1b}[0m\u{1b}[31mERROR\u{1b}[0m bad\(blanks) \u{1b}[2mn=\u{1b}[0m1\n"
            ])
    }

    @Test func linesWithoutDatabaseKeepTheColumn() {
        let settings = LogSettings(timestamp: .disable, databaseWidth: 5)
        #expect(logged(settings) { $0.info("up") } == ["INFO          up\n"])
        #expect(logged(settings) { $0.info("up", metadata: ["db": "a"]) } == ["INFO  [a    ] up\n"])
        #expect(logged(settings) { $0.info("up", metadata: ["db": "longer"]) } == ["INFO  [longer] up\n"])
    }

    @Test(arguments: [
        (Logger.Level.trace, "TRACE", "trace"), (.debug, "DEBUG", "debug"), (.info, "INFO ", "info"),
        (.notice, "NOTE ", "notice"), (.warning, "WARN ", "warning"), (.error, "ERROR", "error"),
        (.critical, "FATAL", "fatal"),
    ])
    func levels(level: Logger.Level, human: String, name: String) {
        let settings = LogSettings(timestamp: .disable, level: .trace)
        #expect(logged(settings) { $0.log(level: level, "x") } == ["\(human) x\n"])
        var logfmt = settings
        logfmt.format = .logfmt
        #expect(logged(logfmt) { $0.log(level: level, "x") } == ["level=\(name) msg=x\n"])
    }

    @Test func levelFilter() {
        let lines = logged(LogSettings(format: .logfmt, timestamp: .disable, level: .warning)) {
            $0.debug("no")
            $0.info("no")
            $0.warning("yes")
            $0.critical("yes")
        }
        #expect(lines == ["level=warning msg=yes\n", "level=fatal msg=yes\n"])
    }

    @Test func nestedValues() {
        let metadata: Logger.Metadata = [
            "list": ["a b", .stringConvertible(2)],
            "map": ["z": .stringConvertible(true), "a": .stringConvertible(1.5)],
        ]
        #expect(
            logged(LogSettings(format: .json, timestamp: .disable)) { $0.info("m", metadata: metadata) }
                == [#"{"level":"info","msg":"m","list":["a b",2],"map":{"a":1.5,"z":true}}"# + "\n"])
        #expect(
            logged(LogSettings(format: .logfmt, timestamp: .disable)) { $0.info("m", metadata: metadata) }
                == [#"level=info msg=m list="[\"a b\",2]" map="{\"a\":1.5,\"z\":true}""# + "\n"])
    }

    @Test func fieldsDoNotHideTheFixedOnes() {
        let metadata: Logger.Metadata = ["time": "1", "level": "2", "msg": "3"]
        #expect(
            logged(LogSettings(format: .json, timestamp: .disable)) { $0.info("m", metadata: metadata) }
                == [#"{"level":"info","msg":"m","fields.level":"2","fields.msg":"3","fields.time":"1"}"# + "\n"])
    }

    @Test func metadataOfTheEventWins() {
        let lines = logged(LogSettings(format: .logfmt, timestamp: .disable)) { logger in
            var logger = logger
            logger[metadataKey: "a"] = "logger"
            logger.info("m", metadata: ["a": "event"])
            logger.info("m", error: SampleError())
        }
        #expect(lines == ["level=info msg=m a=event\n", "level=info msg=m a=logger error=\"it broke\"\n"])
    }

    private struct SampleError: Error, CustomStringConvertible {
        let description = "it broke"
    }
}
