import DaemonTestSupport
import Support
import Testing

@testable import Commands
@testable import Daemon

@Suite struct ReportTests {
    private static let values: [([UInt8], String)] = [
        ([], ""),
        (Array("plain text [x]".utf8), "plain text [x]"),
        ([0], ". [00]"),
        (Array("a".utf8) + [0, 0x7f, 0xff], "a... [61 00 7f ff]"),
        (Array("é".utf8), ".. [c3 a9]"),
        (Array("tab\t".utf8), "tab. [74 61 62 09]"),
        ([0x20, 0x7e], " ~"),
    ]

    @Test(arguments: values)
    func printableBytes(bytes: [UInt8], expected: String) throws {
        #expect(try written { output in bytes.withUnsafeBytes { PrintableBytes.append($0, to: &output) } } == expected)
    }

    private static let time: UInt64 = 1_795_219_901_839_786_911
    private static let stamp = "2026-11-21T00:11:41.839786911Z"
    private static let natives: [([UInt8], String)] = [
        (header(time, 20) + Array("value".utf8), "{\(stamp), txn 20} value"),
        (header(time, 20), "{\(stamp), txn 20}"),
        (header(time, 23, flags: 1), "{\(stamp), txn 23, Deleted}"),
        (header(time, 1, flags: 0x81), "{\(stamp), txn 1, Deleted, unknown flags 0x80}"),
        (
            header(time, 1, extensions: 1) + [0, 0, 0, 0, 0, 0, 0, 0, 65],
            "{\(stamp), txn 1, 1 extension block} A"
        ),
        (
            Array("too short".utf8),
            "{no header: the value has 9 bytes, too few for a Lightning Stream header of 24: it may be written by an "
                + "application without Lightning Stream support} too short"
        ),
    ]

    @Test(arguments: natives)
    func nativeValues(bytes: [UInt8], expected: String) throws {
        #expect(
            try written { output in bytes.withUnsafeBytes { DatabaseDump.appendNative($0, to: &output) } } == expected)
    }

    private func written(_ body: (inout BufferedOutput) -> Void) throws -> String {
        let captured = CapturedOutput()
        var output = BufferedOutput(captured)
        body(&output)
        try output.flush()
        return captured.text
    }

    @Test func blocksGoOutWhileWriting() throws {
        let captured = CapturedOutput()
        var output = BufferedOutput(captured)
        for _ in 0..<2000 {
            output.append(String(repeating: "x", count: 99))
            try output.endLine()
        }
        // All but the last block, of 64 KiB at least.
        #expect(captured.text.utf8.count > 200_000 - 70_000)
        try output.flush()
        #expect(captured.text.utf8.count == 200_000)
    }

    @Test(arguments: [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_048_576, "1.0 MiB"), (862_978_048, "823.0 MiB"),
        (1 << 30, "1.0 GiB"), (3 << 40, "3.0 TiB"), (1 << 60, "1024.0 PiB"),
    ])
    func humanSizes(bytes: Int, text: String) {
        #expect(humanSize(bytes) == text)
    }

    // A damaged LMDB may name any counts.
    @Test(
        arguments: [
            ([], 0), ([1, 2, 3], 6), ([.max, 1], .max), ([.max, .max], .max), ([-1, .max, .max], .max),
        ] as [([Int], Int)])
    func sumsOfCounts(counts: [Int], sum: Int) {
        #expect(counts.saturatedSum() == sum)
    }

    @Test func tables() {
        var table = Table([("name", .left), ("n", .right), ("flags", .left)])
        table.append(["a", "1", ""])
        table.append(["longer", "100", "x"])
        #expect(table.lines == ["name      n  flags", "a         1", "longer  100  x"])
    }
}
