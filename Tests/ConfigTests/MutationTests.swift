import TestSupport
import Testing

@testable import Config

/// Whatever is in the file, loading ends with a configuration or with errors that keep to their form.
@Suite struct MutationTests {
    private let seeds = [
        """
        instance: ${NAME:-ns1}
        lmdb_poll_interval: 1s
        lmdbs:
          main: &main
            path: "/data/pdns.lmdb"
            options: &o { no_subdir: true, create: yes, map_size: 1000MB, file_mask: 0664 }
            schema_tracks_changes: true
            dbi_options: { pdns: { override_create_flags: MDB_INTEGERKEY|MDB_DUPSORT } }
          shard:
            <<: *main
            path: '/data/pdns.lmdb-0'
        storage:
          type: s3
          options:
            access_key: minioadmin
            secret_key: ${SECRET}
            bucket: lightningstream
            endpoint_url: http://localhost:9000
            tls:
              ca: |
                -----BEGIN
          cleanup: { enabled: true, interval: 5m }
        sweeper: { retention_days: 370.5 }
        http: { address: ":8500" }
        log: { level: info, format: human, timestamp: short }
        """,
        "lmdbs: {a: {path: /a}}\nstorage: {type: fs, root_path: $NAME}\n",
    ]

    private let tokens = [
        "<<: *main", "&x", "*o", "*main", "!!str ", "!!int ", "${", "}", "$$", "$NAME", "${SECRET:?x}", "${U:-", "\t",
        "\n", "---\n",
        "? ", ": ", "- ", "[", "]", "{", "}", ",", "|", ">", "'", "\"", "\\x", "%", "@", "`", "~", "0", "-1",
        "99999999999999999999",
        "1e309", ".nan", "0x", "\u{0}", "\u{1}", "\u{feff}", "\u{85}", "é", "\u{301}", "\u{1F600}", "#", "  ",
    ]

    @Test func mutatedFilesNeverTrap() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        for round in 0..<1500 {
            var bytes = Array((seeds.randomElement(using: &random) ?? "").utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) { mutate(&bytes, &random) }
            check(bytes, "seed \(seed), round \(round)")
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        let start = Int.random(in: 0...bytes.count, using: &random)
        let end = min(bytes.count, start + Int.random(in: 0..<12, using: &random))
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes.removeSubrange(start..<end)
        case 1: bytes.insert(contentsOf: Array((tokens.randomElement(using: &random) ?? "").utf8), at: start)
        case 2: bytes.replaceSubrange(start..<end, with: Array((tokens.randomElement(using: &random) ?? "").utf8))
        case 3: bytes.insert(contentsOf: bytes[start..<end], at: Int.random(in: 0...bytes.count, using: &random))
        case 4 where start < end: bytes[start] = UInt8.random(in: .min ... .max, using: &random)
        default: bytes.removeSubrange(end...)
        }
    }

    private func check(_ bytes: [UInt8], _ comment: String) {
        do throws(ConfigurationErrors) {
            let loaded = try Configuration.parse(
                bytes, file: "f.yaml", environment: ["NAME": "x", "SECRET": "hunter2"], hostname: "host")
            let effective = loaded.configuration.maskedYAML()
            // A mutation may bring the variable into a key that is no secret; then it is that key's business.
            #expect(throws: Never.self, "\(comment)\n\(effective)") {
                var again = try Configuration.parse(effective, hostname: "host").configuration
                again.storage = loaded.configuration.storage
                #expect(again == loaded.configuration, "\(comment)")
            }
        } catch {
            #expect(!error.problems.isEmpty, "\(comment)")
            for problem in error.problems {
                let isOneLine = !problem.description.unicodeScalars.contains { $0.isControl }
                #expect(isOneLine && (problem.position?.line ?? 0) >= 1, "\(comment): \(problem)")
            }
        }
    }
}
