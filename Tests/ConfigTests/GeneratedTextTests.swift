import Foundation
import TestSupport
import Testing

@testable import Config

/// What is made from the table of keys: the effective configuration and the reference page.
@Suite struct GeneratedTextTests {
    private func readBack(_ loaded: LoadedConfiguration) throws -> Configuration {
        try Configuration.parse(loaded.configuration.maskedYAML(), hostname: "other").configuration
    }

    @Test(arguments: [
        minimal,
        """
        instance: ns1
        lmdb_poll_interval: 1m30.5s
        lmdbs:
          "my db": { path: "/a\\u0041 b", options: { map_size: 1025, dir_mask: 0, max_dbs: 7 }, schema_tracks_changes: yes }
          'ä#1': { path: "/$$HOME/\\\\x\\"y", dbi_options: { "a.b: c": { override_create_flags: DUPSORT }, d: {} } }
          "no": { path: relative/$HOME }
          "$x": { path: "\u{feff}\u{fffd}\u{1F600} # no comment" }
        storage: { type: fs, root_path: "~/snapshots" }
        sweeper: { retention_days: 0.125, enabled: y }
        http: { address: "[::1]:8500" }
        """,
        """
        lmdbs: { main: { path: /m } }
        storage: { type: s3, options: { bucket: b, endpoint_url: "http://a:1", tls: { ca: "-----BEGIN\\nX\\tY\\n" } } }
        """,
        "lmdbs: { main: { path: /m } }\nstorage: { type: azure, options: { container: c, concurrency: 3 } }\n",
    ])
    func effectiveConfigurationReadsBackAsTheSame(text: String) throws {
        let loaded = try Configuration.parse(text, environment: ["HOME": "h$o"], hostname: "host")
        #expect(try readBack(loaded) == loaded.configuration)
    }

    @Test func textsOfAnyKindReadBackAsTheSame() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        let pieces = [
            "$", "${", "}", "\"", "'", "\\", ": ", " #", "\n", "\t", "a", "é", "\u{1F600}", "- ", "[", "*", "&", "!",
            "%", "\u{feff}",
        ]
        for _ in 0..<300 {
            var loaded = try load("lmdbs: { main: { path: /m } }\nstorage: { type: s3, options: { bucket: b } }\n")
            guard case .s3(var s3) = loaded.configuration.storage.backend else { return #expect(Bool(false), "not s3") }
            s3.tls.ca = (0..<Int.random(in: 0..<12, using: &random)).compactMap { _ in
                pieces.randomElement(using: &random)
            }.joined()
            loaded.configuration.storage.backend = .s3(s3)
            #expect(try readBack(loaded) == loaded.configuration, "seed \(seed)")
        }
    }

    @Test func referencePageIsTheCheckedInOne() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/configuration-reference.md").standardizedFileURL
        // The way to bring the page up to date after a change of the table.
        if ProcessInfo.processInfo.environment["LIGHTNINGSTREAM_WRITE_REFERENCE"] != nil {
            try Data(KeyTable.referenceMarkdown().utf8).write(to: page)
        }
        #expect(
            try String(contentsOf: page, encoding: .utf8) == KeyTable.referenceMarkdown(),
            "run: LIGHTNINGSTREAM_WRITE_REFERENCE=1 swift test --filter referencePageIsTheCheckedInOne")
    }

    @Test func referencePageHasARowForEveryKey() {
        let rows = KeyTable.referenceMarkdown().split(separator: "\n").filter { $0.hasPrefix("| `") }
        #expect(rows.count == KeyTable.descriptions.count)
        for row in rows {
            #expect(
                row.replacing("\\|", with: "").split(separator: "|", omittingEmptySubsequences: false).count == 6,
                "\(row)")
        }
    }

    /// Every example of the page for operators loads.
    @Test func examplesOfTheDocumentationLoad() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/configuration.md").standardizedFileURL
        let parts = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "```yaml\n").dropFirst()
        #expect(parts.count >= 3)
        for part in parts {
            let example = part.components(separatedBy: "```")[0]
            let text = example.contains("storage:") ? example : example + minimal
            let environment = ["HOSTNAME": "ns1", "S3_SECRET_KEY": "s", "SIZE": "1GB"]
            #expect(throws: Never.self, "\(example)") {
                _ = try Configuration.parse(text, environment: environment, hostname: "host")
            }
        }
    }
}
