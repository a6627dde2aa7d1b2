import Support
import Testing

@testable import Observability

/// The registry and its text.
@Suite struct MetricTests {
    private let registry = MetricRegistry()

    private var text: String { String(decoding: registry.text(), as: UTF8.self) }

    @Test func everyTypeHasItsLines() {
        registry.counters("c_total", "Counts.", labels: ["lmdb"]).with("main").add(3)
        registry.gauges("g", "Stands.").with().set(-1.5)
        let histogram = registry.histograms("h_seconds", "Lasts.", labels: ["lmdb"], bounds: [0.5, 2_592_000])
        histogram.with("main").observe(0.5)
        histogram.with("main").observe(.seconds(3))
        histogram.with("main").observe(1e9)
        registry.summaries("s_seconds", "Takes.", labels: ["lmdb"]).with("main").observe(.milliseconds(250))
        #expect(
            text == """
                # HELP c_total Counts.
                # TYPE c_total counter
                c_total{lmdb="main"} 3
                # HELP g Stands.
                # TYPE g gauge
                g -1.5
                # HELP h_seconds Lasts.
                # TYPE h_seconds histogram
                h_seconds_bucket{lmdb="main",le="0.5"} 1
                h_seconds_bucket{lmdb="main",le="2.592e+06"} 2
                h_seconds_bucket{lmdb="main",le="+Inf"} 3
                h_seconds_sum{lmdb="main"} 1.0000000035e+09
                h_seconds_count{lmdb="main"} 3
                # HELP s_seconds Takes.
                # TYPE s_seconds summary
                s_seconds_sum{lmdb="main"} 0.25
                s_seconds_count{lmdb="main"} 1

                """)
    }

    @Test(arguments: [
        (0.0, "0"), (-0.0, "0"), (1, "1"), (100, "100"), (123_456, "123456"), (1_234_567, "1.234567e+06"),
        (1_000_000, "1e+06"), (16_777_216, "1.6777216e+07"), (0.25, "0.25"), (12.5, "12.5"), (0.0001, "0.0001"),
        (0.00001, "1e-05"), (1.5e300, "1.5e+300"), (2.5e-9, "2.5e-09"), (-3.25, "-3.25"),
        (1_732_147_200.5, "1.7321472005e+09"),
        (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"),
    ])
    func numbersAreWrittenAsGoDoes(value: Double, text: String) {
        #expect(MetricText.number(value) == text)
    }

    @Test func everyNumberComesBack() {
        for exponent in -30...30 {
            for digits in [1, 1.5, 9.999, 3.0000001, 1.2345678901234567] {
                var value = digits
                for _ in 0..<abs(exponent) { value = exponent < 0 ? value / 10 : value * 10 }
                #expect(Double(MetricText.number(value)) == value)
            }
        }
    }

    @Test func textIsEscaped() {
        registry.gauges("g", "a \\ \"b\"\nc", labels: ["x"]).with("a \\ \"b\"\nc").set(1)
        // The line feed is not the format's own escape: what reads it would have a line break.
        #expect(
            text.split(separator: "\n") == [
                #"# HELP g a \\ "b"\\nc"#, "# TYPE g gauge", #"g{x="a \\ \"b\"\\nc"} 1"#,
            ])
    }

    @Test func seriesAreSorted() {
        let family = registry.gauges("g", "", labels: ["x", "y"])
        for (x, y) in [("b", "a"), ("a", "b"), ("a", "B"), ("é", "a"), ("a", "a")] { family.with(x, y).set(1) }
        let lines = text.split(separator: "\n").dropFirst(2)
        #expect(
            lines.map(String.init) == [
                #"g{x="a",y="B"} 1"#, #"g{x="a",y="a"} 1"#, #"g{x="a",y="b"} 1"#, #"g{x="b",y="a"} 1"#,
                #"g{x="é",y="a"} 1"#,
            ])
    }

    @Test func longValuesAreCutBetweenCharacters() {
        #expect(LabelValues.cut(String(repeating: "a", count: 128)).utf8.count == 128)
        #expect(LabelValues.cut(String(repeating: "a", count: 129)) == String(repeating: "a", count: 128))
        #expect(LabelValues.cut("a" + String(repeating: "€", count: 100)) == "a" + String(repeating: "€", count: 42))
        registry.gauges("g", "", labels: ["x"]).with(String(repeating: "\u{301}", count: 1_000_000)).set(1)
        #expect(text.utf8.count < 200)
    }

    @Test func theNumberOfSeriesIsBounded() {
        let family = registry.counters("c_total", "", labels: ["lmdb", "syncer_instance"])
        for number in 0..<5000 { family.with("main", "n\(number)").add() }
        family.with("main", "n3").add()
        family.with("shard", "n1").add()
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines.count == MetricRegistry.mostSeries + 2)
        #expect(lines.contains(#"c_total{lmdb="main",syncer_instance="other"} 4000"#))
        #expect(lines.contains(#"c_total{lmdb="main",syncer_instance="n3"} 2"#))
        #expect(lines.contains(#"c_total{lmdb="shard",syncer_instance="other"} 1"#))
    }

    @Test func whatHasGoneGoes() {
        let family = registry.gauges("g", "", labels: ["lmdb", "db"])
        family.with("main", "old").set(1)
        family.with("main", "kept").set(1)
        family.with("shard", "old").set(1)
        family.replace(where: { $0[0] == "main" }, with: [(["main", "kept"], 2), (["main", "new"], 3)])
        #expect(
            text.hasSuffix(
                """
                g{lmdb="main",db="kept"} 2
                g{lmdb="main",db="new"} 3
                g{lmdb="shard",db="old"} 1

                """))
        family.remove { $0[1] != "new" }
        #expect(text.hasSuffix("gauge\ng{lmdb=\"main\",db=\"new\"} 3\n"))
        family.remove { _ in true }
        #expect(text == "")
    }

    @Test func whatIsMissingOrTooMuchIsPutRight() {
        registry.counters("c_total", "", labels: ["a", "b"]).with("x").add()
        registry.counters("d_total", "").with("x", "y").add()
        #expect(text.contains(#"c_total{a="x",b=""} 1"#))
        #expect(text.contains("\nd_total 1\n"))
        registry.counters("e_total", "").with().add(-1)
        #expect(text.contains("\ne_total 0\n"))
        let histogram = registry.histograms("h", "", bounds: [1]).with()
        histogram.observe(.nan)
        histogram.add(counts: [1], sum: 5)
        #expect(text.contains("\nh_sum 0\nh_count 0\n"))
        histogram.add(counts: [1, 2], sum: 5)
        #expect(text.contains("h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 5\nh_count 3\n"))
    }

    @Test func manyThreadsLoseNothing() async {
        let family = registry.counters("c_total", "", labels: ["x"])
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask { for _ in 0..<10_000 { family.with("\(task % 2)").add() } }
            }
        }
        #expect(text.hasSuffix("c_total{x=\"0\"} 40000\nc_total{x=\"1\"} 40000\n"))
    }

    @Test func theProcessIsMeasured() throws {
        let metrics = ProcessMetrics(registry)
        metrics.update()
        let values = Dictionary(
            uniqueKeysWithValues: text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map {
                (String($0.split(separator: " ")[0]), Double($0.split(separator: " ")[1]) ?? -1)
            })
        #expect(values["process_resident_memory_bytes"] ?? 0 > 1e6)
        #expect(values["process_virtual_memory_bytes"] ?? 0 > values["process_resident_memory_bytes"] ?? 0)
        #expect(values["process_open_fds"] ?? 0 >= 3)
        #expect(values["process_max_fds"] ?? 0 > values["process_open_fds"] ?? 0)
        #expect(values["process_cpu_seconds_total"] ?? -1 >= 0)
        let now = Double(WallTime.now().seconds)
        let start = try #require(values["process_start_time_seconds"])
        #expect(start <= now + 1 && start > now - 86_400)
    }

    @Test func aProgramsNameDoesNotConfuse() throws {
        let stat =
            "42 (a) R 1) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 7 0 1000 4096 3 18446744073709551615"
        let numbers = try #require(
            ProcessNumbers(stat: stat, boot: "cpu 1\nbtime 1700000000\n", ticks: 100, pageSize: 4096))
        #expect(numbers.cpuSeconds == 3)
        #expect(numbers.threads == 7)
        #expect(numbers.startSeconds == 1_700_000_010)
        #expect(numbers.virtualBytes == 4096)
        #expect(numbers.residentBytes == 3 * 4096)
        #expect(ProcessNumbers(stat: "42 (x) S 1", boot: nil, ticks: 100, pageSize: 4096) == nil)
    }
}
