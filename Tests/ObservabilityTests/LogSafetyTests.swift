import Foundation
import Logging
import Testing

@testable import Observability

/// Whatever comes from outside stays inside of its line and field.
@Suite struct LogSafetyTests {
    private static let nasty = "a\nb\r\t\u{1b}[31m\u{0}\u{7f}\u{85}\u{2028}\"q\" \\ =é\u{1F600}"

    @Test func exactLines() {
        let nasty = Self.nasty
        let escaped = #"a\nb\r\t\u001b[31m\u0000\u007f\u0085\u2028\"q\" \\ =é"# + "\u{1F600}"
        let metadata: Logger.Metadata = ["k e=y\n": .string(nasty)]
        #expect(
            logged(LogSettings(format: .logfmt, timestamp: .disable)) { $0.info("\(nasty)", metadata: metadata) }
                == ["level=info msg=\"\(escaped)\" k_e_y_=\"\(escaped)\"\n"])
        #expect(
            logged(LogSettings(format: .json, timestamp: .disable)) { $0.info("\(nasty)", metadata: metadata) }
                == [#"{"level":"info","msg":""# + escaped + #"","k e=y\n":""# + escaped + "\"}\n"])
        let plain = #"a\nb\r\t\u001b[31m\u0000\u007f\u0085\u2028"q" \ =é"# + "\u{1F600}"
        #expect(
            logged(LogSettings(format: .human, timestamp: .disable)) {
                $0.info("\(nasty)", metadata: ["db": "\(nasty)"])
            }
                == ["INFO  [\(plain)] \(plain)\n"])
    }

    @Test(arguments: [
        ("", "\"\""), ("plain", "plain"), ("two words", "\"two words\""), ("a=b", "\"a=b\""),
        ("say \"x\"", #""say \"x\"""#), (#"C:\x"#, #""C:\\x""#), ("a\u{a0}b", "\"a\u{a0}b\""), ("é", "é"),
    ])
    func pairValues(value: String, text: String) {
        let lines = logged(LogSettings(format: .logfmt, timestamp: .disable)) {
            $0.info("m", metadata: ["k": "\(value)"])
        }
        #expect(lines == ["level=info msg=m k=\(text)\n"])
    }

    @Test(arguments: LogFormat.allCases)
    func randomTextStaysOneLine(format: LogFormat) throws {
        let seed = UInt64.random(in: .min ... .max)
        var state = seed
        for _ in 0..<300 {
            var text = String.UnicodeScalarView()
            for _ in 0..<20 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let wanted = UInt32(truncatingIfNeeded: state >> 33)
                text.append(Unicode.Scalar(wanted % (wanted & 1 == 0 ? 0xA0 : 0xD800)) ?? " ")
            }
            let message = String(text)
            let lines = logged(LogSettings(format: format)) {
                $0.info("\(message)", metadata: [message: "\(message)", "db": "\(message)"])
            }
            let line = try #require(lines.first)
            #expect(line.hasSuffix("\n"), "seed \(seed)")
            let controls = line.unicodeScalars.dropLast().filter { $0.properties.generalCategory == .control }
            #expect(controls.isEmpty, "seed \(seed)")
            guard format == .json else { continue }
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(object?["msg"] as? String == message, "seed \(seed)")
            #expect(object?[message] as? String == message, "seed \(seed)")
        }
    }

    @Test func linesOfManyThreadsDoNotMix() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let (reading, writing) = (ends[0], ends[1])
        let output = FileDescriptorLogOutput(descriptor: writing)
        let logger = Logger(label: "test") { _ in
            LineLogHandler(settings: LogSettings(timestamp: .disable), clock: { sampleTime }, output: output)
        }
        // Longer than a pipe takes in one piece.
        let letters = (0..<8).map { String(repeating: Character(Unicode.Scalar(UInt8(97 + $0))), count: 70_000) }
        Thread {
            DispatchQueue.concurrentPerform(iterations: letters.count) { index in
                for _ in 0..<3 { logger.info("\(letters[index])") }
            }
            close(writing)
        }.start()
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(reading, &buffer, buffer.count)
            guard count > 0 else { break }
            received += buffer[..<count]
        }
        close(reading)
        let lines = String(decoding: received, as: UTF8.self).split(separator: "\n")
        #expect(lines.count == letters.count * 3)
        for text in letters { #expect(lines.filter { $0 == "INFO  \(text)" }.count == 3) }
    }

    @Test func aClosedOutputIsNoFailure() throws {
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        close(ends[0])
        let output = FileDescriptorLogOutput(descriptor: ends[1])
        output.write(line: Array("lost\n".utf8))
        close(ends[1])
        #expect(!LogSettings.wantsColour(descriptor: ends[1]) { _ in nil })
    }
}
