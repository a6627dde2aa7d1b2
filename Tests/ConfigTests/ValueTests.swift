import TestSupport
import Testing

@testable import Config

@Suite struct ValueTests {
    @Test(arguments: [
        ("0", 0), ("+0", 0), ("-0", 0), ("1ns", 1), ("1us", 1000), ("1µs", 1000), ("1μs", 1000), ("250ms", 250_000_000),
        ("10s", 10_000_000_000), ("1h30m", 5_400_000_000_000), ("1m0s", 60_000_000_000), ("1.5h", 5_400_000_000_000),
        (".5s", 500_000_000), ("1.s", 1_000_000_000), ("0.1ms", 100_000), ("-1s", -1_000_000_000),
        ("+2s", 2_000_000_000), ("168h", 604_800_000_000_000), ("1s1s", 2_000_000_000), ("0s", 0), ("0.0000000001s", 0),
        ("2562047h47m16.854775807s", Int64.max), ("0.999999999999999999999999s", 999_999_999),
    ])
    func readsDurations(text: String, nanoseconds: Int64) throws {
        #expect(try DurationText.parse(text) == .nanoseconds(nanoseconds))
    }

    @Test(arguments: [
        "", "5", "1.5", "s", ".s", "1x", "1 s", " 1s", "1s ", "--1s", "1h30", "9223372036854775808ns", "2562048h",
        "99999999999999999999h", "1e3s", "٣s", "1S", "0x1s", "-", "+", "1m-1s", "∞",
    ])
    func refusesDurations(text: String) {
        #expect(throws: ValueProblem.self) { try DurationText.parse(text) }
    }

    @Test func asksForTheUnitOfANumber() {
        #expect(throws: ValueProblem.self) { try DurationText.parse("10") }
        #expect(errors("lmdb_poll_interval: 10\n" + minimal).first?.contains("a number needs a unit") == true)
    }

    @Test(arguments: [
        (0, "0"), (1, "1ns"), (1500, "1.5us"), (250_000_000, "250ms"), (1_000_000_000, "1s"), (1_500_000_000, "1.5s"),
        (60_000_000_000, "1m"), (5_400_000_000_000, "1h30m"), (90_500_000_000, "1m30.5s"),
        (3_600_000_000_001, "1h0.000000001s"),
        (-250_000_000, "-250ms"), (Int64.max, "2562047h47m16.854775807s"), (1_000_001, "1.000001ms"),
    ])
    func writesDurations(nanoseconds: Int64, text: String) {
        #expect(DurationText.format(.nanoseconds(nanoseconds)) == text)
    }

    @Test func durationsReadBackAsTheyWereWritten() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<2000 {
            let magnitude = Int64(truncatingIfNeeded: random.next() >> (1 + random.next() % 62))
            let duration = Duration.nanoseconds(magnitude)
            #expect(try DurationText.parse(DurationText.format(duration)) == duration, "seed \(seed)")
        }
    }

    @Test(arguments: [
        ("0", 0), ("4096", 4096), ("1K", 1024), ("1k", 1024), ("1KB", 1024), ("1kb", 1024), ("1KiB", 1024),
        ("1000MB", 1_048_576_000), ("1GB", 1_073_741_824), ("10 mb", 10_485_760), ("1T", 1_099_511_627_776), ("7B", 7),
        ("", 0), ("7 bytes", 7), ("3 Megabytes", 3 << 20), ("2kilo", 2048), ("1PB", 1 << 50), ("1 exabyte", 1 << 60),
        ("1GB ", 1 << 30), ("2 GiB", 2_147_483_648), ("0100K", 102_400), ("1\tM", 1_048_576), ("15b", 15),
        ("16777215T", 16_777_215 << 40),
    ])
    func readsSizes(text: String, bytes: UInt64) throws {
        #expect(try SizeText.parse(text) == bytes)
    }

    @Test(arguments: [
        "MB", "1.5GB", "-1", "16E", "1kilos", "+1", "1X", "1 M B", "1MBB", "1iB", "1KBi", "16777216T",
        "99999999999999999999",
        "1_000",
        "0x10", "1GB1MB", "1bb",
    ])
    func refusesSizes(text: String) {
        #expect(throws: ValueProblem.self) { try SizeText.parse(text) }
    }

    @Test(arguments: [
        (0, "0"), (1, "1"), (1024, "1KB"), (1025, "1025"), (1_048_576_000, "1000MB"), (1 << 30, "1GB"),
        (1 << 40, "1TB"),
    ])
    func writesSizes(bytes: UInt64, text: String) throws {
        #expect(SizeText.format(bytes) == text)
        #expect(try SizeText.parse(text) == bytes)
    }

    @Test(arguments: [
        ("0", 0), ("7", 7), ("-7", -7), ("+7", 7), ("010", 8), ("0o17", 15), ("0x1F", 31), ("0b101", 5),
        ("1_000", 1000),
        ("-0x10", -16), ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min),
    ])
    func readsIntegersAsYAMLDoes(text: String, value: Int) {
        #expect(NumberText.integer(text) == value)
    }

    @Test(arguments: [
        "", "_1", "abc", "1.0", "--1", "+-1", "0x", "0x-1", "08", "9223372036854775808", "1e3", " 1", "٣", "-", "_",
    ])
    func refusesIntegers(text: String) {
        #expect(NumberText.integer(text) == nil)
    }

    @Test(arguments: [
        ("1", 1), ("1.5", 1.5), (".5", 0.5), ("5.", 5), ("1e2", 100), ("-1.5E+1", -15), ("08", 8), ("1_0.5", 10.5),
    ])
    func readsDecimals(text: String, value: Double) {
        #expect(NumberText.decimal(text) == value)
    }

    @Test(arguments: ["", ".", "e", "nan", "inf", ".inf", "0x1p3", "1e999", "1.2.3", "+-1", "1 ", "_1"])
    func refusesDecimals(text: String) {
        #expect(NumberText.decimal(text) == nil)
    }

    @Test(arguments: [
        "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y",
        "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N",
    ])
    func readsBools(text: String) throws {
        let expected = text.first.map { "tTyY".contains($0) } == true || text.lowercased() == "on"
        #expect(try load("only_once: \(text)\n" + minimal).configuration.onlyOnce == expected)
    }

    @Test(arguments: ["1", "0", "tRUE", "oN", "ja", "\"true\"", "'yes'", "[true]", "{}", "truee"])
    func refusesBools(text: String) {
        #expect(errors("only_once: \(text)\n" + minimal).count == 1)
    }

    @Test(arguments: [
        ("0664", 0o664), ("0o664", 0o664), ("436", 0o664), ("0x1B4", 0o664), ("0777", 0o777), ("511", 0o777),
        ("\"0664\"", 0o664), ("0b110", 0o6), ("0", 0), ("0o600", 0o600),
    ])
    func readsModes(text: String, mode: UInt16) throws {
        let file = file(setting: ["lmdbs", "main", "options", "file_mask"], to: text)
        #expect(try load(file).configuration.databases.first?.options.fileMask == mode)
    }

    @Test(arguments: ["664", "01000", "512", "0899", "-1", "rw-r--r--", "", "0x200", "1e1"])
    func refusesModes(text: String) {
        #expect(errors(file(setting: ["lmdbs", "main", "options", "file_mask"], to: "!!str \"\(text)\"")).count == 1)
    }

    @Test func explainsTheDecimalMistakeOfAMode() {
        let lines = errors(file(setting: ["lmdbs", "main", "options", "file_mask"], to: "664"))
        #expect(
            lines == [
                "5:18: lmdbs.main.options.file_mask: found \"664\"; expected a file mode from 0 to 0777, in octal"
                    + " such as 0664 (without a leading 0 it is a decimal number: write 0664 for octal)"
            ])
    }

    @Test(arguments: [
        ("0", 0), ("MDB_INTEGERKEY", 0x08), ("INTEGERKEY|MDB_DUPSORT", 0x0c), ("DUPSORT,DUPFIXED", 0x14),
        ("DUPSORT + INTEGERDUP", 0x24), ("MDB_DUPSORT REVERSEDUP", 0x44), ("REVERSEKEY", 0x02), ("0x14", 0x14),
        ("12", 12),
        ("010", 10), ("DUPSORT|", 4), ("", 0), ("|", 0), ("reversekey", 2), ("MDB_REVERSEKEY|0", 2),
        ("REVERSEKEY,0", 2),
        ("REVERSEKEY 0x2", 2), ("mdb_dupsort+0X10", 0x14), ("2|8", 0x0a),
    ])
    func readsFlags(text: String, bits: UInt32) throws {
        #expect(try DatabaseFlags.parse(text).rawValue == bits)
    }

    @Test(arguments: [
        "MDB_", "DUPSORTED", "1 2", "0x", "0x-2", "DUPSORT|0x80", "0x80", "-1", "4294967296", "MDB_CREATE",
        "DUPSORT;DUPFIXED",
    ])
    func refusesFlags(text: String) {
        #expect(throws: ValueProblem.self) { try DatabaseFlags.parse(text) }
    }

    @Test func everyFlagReadsBackAsItWasWritten() throws {
        for bits in UInt32(0)..<0x80 where bits & 1 == 0 {
            let flags = DatabaseFlags(rawValue: bits)
            #expect(try DatabaseFlags.parse(flags.text) == flags)
        }
    }

    @Test(arguments: [
        (":8500", "", 8500, ":8500"), ("127.0.0.1:80", "127.0.0.1", 80, "127.0.0.1:80"),
        ("[::1]:1", "::1", 1, "[::1]:1"),
        ("localhost:65535", "localhost", 65535, "localhost:65535"), ("*:8500", "", 8500, ":8500"), (":0", "", 0, ":0"),
        ("[fe80::1%eth0]:8500", "fe80::1%eth0", 8500, "[fe80::1%eth0]:8500"),
    ])
    func readsListenAddresses(text: String, host: String, port: UInt16, written: String) throws {
        let address = try ListenAddress(text)
        #expect(address == ListenAddress(host: host, port: port))
        #expect(address.description == written)
    }

    @Test(arguments: [
        "", "8500", "localhost", "localhost:", ":65536", ":-1", "::1:8500", "[x]:1", "http://a:80", "a b:80", ":+80",
        "[]:1",
    ])
    func refusesListenAddresses(text: String) {
        #expect(throws: ValueProblem.self) { try ListenAddress(text) }
    }

    @Test(arguments: [
        "http://minio:9000", "https://s3.example.org", "http://[::1]:9000", "HTTPS://s3.example.org/",
        "http://127.0.0.1:1",
    ])
    func takesEndpoints(text: String) throws {
        try EndpointURL.check(text, of: .s3)
        try EndpointURL.check(text, of: .azure)
    }

    @Test(arguments: [
        "minio:9000", "minio", "ftp://minio", "http://", "http:///x", "http://a:0", "http://a:65536", "http://a:b",
        "http://a b",
        "http://user:password@a", "http://a?x", "http://a#x", "http://[::1", "http://ä", "http://[::1]x", "http://a:",
    ])
    func refusesEndpoints(text: String) {
        #expect(throws: ValueProblem.self) { try EndpointURL.check(text, of: .azure) }
    }

    /// The portal shows addresses with a signature.
    @Test func aSignatureInAnEndpointIsNotShown() {
        let text = minimal.replacing(
            "type: memory", with: "type: azure, options: {container: c, endpoint_url: 'https://a/?sig=hunter2'}")
        #expect(!errors(text).joined().contains("hunter2"))
        #expect(EndpointURL.holdsCredentials("https://a/?sv=1&sig=hunter2"))
    }

    @Test func onlyAzureTakesAPathInTheEndpoint() throws {
        try EndpointURL.check("http://127.0.0.1:10000/account", of: .azure)
        try EndpointURL.check("https://h.example/storage/v1/s3", of: .s3)
        #expect(throws: ValueProblem.self) { try EndpointURL.check("http://127.0.0.1:8081/api", of: .powerDNS) }
    }

    @Test(arguments: [
        ("ns1", "ns1"), ("ns1.example.org", "ns1-example-org"), ("a_b/c d", "a-b-c-d"), ("é", "-"), ("A-9", "A-9"),
        ("", ""),
    ])
    func makesInstanceNamesSafe(text: String, name: String) throws {
        #expect(try InstanceName.parse(text) == name)
    }

    @Test func boundsInstanceNames() throws {
        #expect(try InstanceName.parse(String(repeating: "x", count: 100)).count == 100)
        #expect(throws: ValueProblem.self) { try InstanceName.parse(String(repeating: "x", count: 101)) }
    }

    @Test(arguments: ["main", "shard", "a-b", "a_b", "my db", "_a", "ä", "0", String(repeating: "x", count: 100)])
    func takesDatabaseNames(name: String) {
        #expect(DatabaseName.isUsable(name))
    }

    @Test(arguments: [
        "", "a__b", "__", "a_", "a.b", ".a", "a/b", "a\\b", "a\nb", "a\0", String(repeating: "x", count: 101),
        "a__\u{301}b",
    ])
    func refusesDatabaseNames(name: String) {
        #expect(!DatabaseName.isUsable(name))
    }

    @Test(arguments: [
        ("info", LogLevel.info), ("debug", .debug), ("trace", .debug), ("TRACE", .debug), ("warning", .warning),
        ("warn", .warning), ("Error", .error), ("fatal", .fatal), ("panic", .fatal),
    ])
    func readsLogLevels(text: String, level: LogLevel) throws {
        #expect(try LogLevel.parse(text) == level)
    }

    @Test func readsTheOtherChoicesOfLogs() throws {
        #expect(throws: ValueProblem.self) { try LogLevel.parse("chatty") }
        #expect(try LogFormat.parse("logfmt") == .logfmt)
        #expect(throws: ValueProblem.self) { try LogFormat.parse("JSON") }
        #expect(try LogTimestamp.parse("full") == .full)
        #expect(throws: ValueProblem(allowed: "one of short, disable, full")) { try LogTimestamp.parse("none") }
    }
}
