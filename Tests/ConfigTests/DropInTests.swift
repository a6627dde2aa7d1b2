import Testing

@testable import Config

/// What files of release 1.0 may hold, key by key: 0, nothing, a negative value, a very large one, and another notation.
@Suite struct DropInTests {
    enum Outcome: Equatable {
        /// Taken as this, without a word.
        case taken(String)
        /// Taken as this, with a warning at the key's place.
        case warned(String)
        case refused
    }

    /// Outcomes of `0`, `''`, `-5…`, something very large, and another notation.
    struct Kind {
        var values: [(text: String, outcome: Outcome)]

        init(_ values: (String, Outcome)...) { self.values = values.map { (text: $0.0, outcome: $0.1) } }

        static let longest = "2562047h"

        private static func duration(_ zero: Outcome, _ negative: Outcome) -> Kind {
            Kind(
                ("0", zero), ("''", .refused), ("-5s", negative), (longest, .taken(longest)), ("+90s", .taken("1m30s")),
                ("\"1.5m\"", .taken("1m30s")), ("300000h", .taken("300000h")), ("3000000h", .refused), ("10", .refused))
        }

        static let interval = duration(.refused, .refused)
        static let offOrInterval = duration(.taken("0"), .refused)
        static let duration = duration(.taken("0"), .warned("0"))
        /// Of what is switched off.
        static let unused = duration(.taken("0"), .taken("-5s"))
        static func limit(_ usual: String) -> Kind { duration(.taken(usual), .warned(usual)) }
        static func limitOrNone(_ usual: String) -> Kind { duration(.taken(usual), .warned("-1s")) }
        static func count(zero: Outcome = .refused, most: String? = nil) -> Kind {
            let huge = "9223372036854775807"
            return Kind(
                ("0", zero), ("''", .refused), ("-5", .refused), (huge, most.map { .warned($0) } ?? .taken(huge)),
                ("2147483647", most.map { .warned($0) } ?? .taken("2147483647")), ("0x10", .taken("16")),
                ("1e1", .taken("10")), ("1_0", .taken("10")), ("0b11", .taken("3")), ("1.5", .refused))
        }
        static let bool = Kind(
            ("0", .refused), ("''", .refused), ("-1", .refused), ("1", .refused), ("On", .taken("true")),
            ("n", .taken("false")))
        static let text = Kind(
            ("0", .taken("\"0\"")), ("''", .taken("\"\"")), ("-5", .taken("\"-5\"")), ("true", .taken("\"true\"")))
        static let secret = Kind(
            ("0", .taken("\"******\"")), ("''", .taken("\"\"")), ("-5", .taken("\"******\"")))
        static let mode = Kind(
            ("''", .refused), ("-5", .refused), ("0777", .taken("0777")), ("0o640", .taken("0640")),
            ("416", .taken("0640")), ("0x1a0", .taken("0640")), ("99999999999", .refused))
    }

    private static let connection: [String: Kind] = [
        "init_timeout": .limit("20s"), "idle_conn_timeout": .limitOrNone("1m30s"), "dial_timeout": .limit("10s"),
        "dial_keep_alive": .limitOrNone("10s"), "tls_handshake_timeout": .limit("10s"),
        "client_timeout": .limitOrNone("15m"), "update_marker_force_list_interval": .limitOrNone("5m"),
        "use_update_marker": .bool,
        "max_idle_conns": Kind(
            ("0", .taken("100")), ("''", .refused), ("-5", .warned("1")), ("2147483647", .warned("1000000")),
            ("0x10", .taken("16"))),
        "tls.watch_certs_poll_interval": .limit("5s"), "tls.watch_certs": .bool, "tls.add_system_ca_pool": .bool,
        "tls.insecure_skip_verify": .bool, "tls.ca": .text, "tls.ca_file": .text, "tls.insecure_key_log_file": .text,
        // Alone they have no effect.
        "tls.cert": Kind(("0", .warned("\"\"")), ("''", .taken("\"\""))),
        "tls.cert_file": Kind(("0", .warned("\"\"")), ("''", .taken("\"\""))),
        "tls.key": Kind(("0", .warned("\"\"")), ("''", .taken("\"\""))),
        "tls.key_file": Kind(("0", .warned("\"\"")), ("''", .taken("\"\""))),
        "tls.require_client_cert": Kind(("0", .refused), ("yes", .warned("true"))),
        // Not below 1s with key files only.
        "secrets_refresh_interval": Kind(
            ("0", .taken("15s")), ("''", .refused), ("-5s", .warned("15s")), ("1ms", .taken("1ms"))),
        "global_prefix": .text,
    ]

    private static let s3: [String: Kind] = [
        "access_key": Kind(("''", .taken("\"\"")), ("0", .refused)),
        "secret_key": Kind(("''", .taken("\"\"")), ("0", .refused)),
        "access_key_file": Kind(("''", .taken("\"\"")), ("0", .refused)),
        "secret_key_file": Kind(("''", .taken("\"\"")), ("0", .refused)),
        "region": Kind(("''", .taken("\"us-east-1\"")), ("0", .taken("\"0\""))), "storage_class": .text,
        "bucket": Kind(("''", .refused), ("0", .taken("\"0\""))), "create_bucket": .bool,
        "endpoint_url": Kind(("''", .taken("\"\"")), ("0", .refused), ("HTTP://A:1", .taken("\"HTTP://A:1\""))),
        "prefix_folders": Kind(("0", .refused), ("no", .warned("false"))), "hide_folders": .bool,
        "disable_send_content_md5": .bool, "num_minio_threads": .count(zero: .taken("4"), most: "1000"),
    ]

    private static let azure: [String: Kind] = [
        "account_name": .text, "account_key": .secret, "account_key_file": .text, "use_shared_key": .bool,
        "container": Kind(("''", .refused), ("0", .taken("\"0\""))), "create_container": .bool,
        "endpoint_url": Kind(("''", .taken("\"\"")), ("0", .refused)), "concurrency": .count(most: "1000"),
    ]

    private static let health: [String: Kind] = [
        "interval": Kind(("0", .warned("0")), ("''", .refused)), "warn_duration": .duration,
        "error_duration": .duration,
    ]

    private static let own: [String: Kind] = [
        "instance": Kind(
            ("0", .taken("\"0\"")), ("''", .taken("\"host\"")), ("-5", .taken("\"-5\"")),
            ("\"a\\nb.c\\0\"", .taken("\"a-b-c-\"")), ("\"\u{85}é\"", .taken("\"--\""))),
        "lmdb_poll_interval": .interval, "storage_poll_interval": .interval, "storage_retry_interval": .interval,
        "lmdb_log_stats_interval": .duration, "lmdb_scrape_smaps": .bool, "storage_retry_count": .count(),
        "storage_retry_forever": .bool, "storage_force_snapshot_interval": .offOrInterval,
        "memory_downloaded_snapshots": .count(most: "1000000"),
        "memory_decompressed_snapshots": Kind(("0", .refused), ("2147483647", .warned("1000000"))),
        "only_once": .bool, "clock_skew_tolerance": .duration, "publish_state": .bool,
        "lmdbs.{name}.path": Kind(("''", .refused), ("0", .taken("\"0\""))),
        "lmdbs.{name}.options.no_subdir": .bool, "lmdbs.{name}.options.create": .bool,
        "lmdbs.{name}.options.dir_mask": .mode, "lmdbs.{name}.options.file_mask": .mode,
        "lmdbs.{name}.options.map_size": Kind(
            ("0", .taken("0")), ("''", .taken("0")), ("-5", .refused), ("1PB", .warned("16TB")),
            ("8E", .warned("16TB")),
            ("16E", .refused), ("128TB", .taken("128TB")), ("2 Gigabytes", .taken("2GB"))),
        "lmdbs.{name}.options.max_dbs": .count(zero: .taken("64"), most: "65535"),
        "lmdbs.{name}.schema_tracks_changes": .bool, "lmdbs.{name}.dupsort_hack": .bool,
        "lmdbs.{name}.header_extra_padding_block": .bool,
        "lmdbs.{name}.dbi_options.{dbi}.override_create_flags": Kind(
            ("0", .taken("\"0\"")), ("''", .taken("\"0\"")), ("-5", .refused), ("65536", .refused),
            ("reversekey", .taken("\"MDB_REVERSEKEY\"")), ("MDB_REVERSEKEY|0", .taken("\"MDB_REVERSEKEY\"")),
            ("REVERSEKEY,0", .taken("\"MDB_REVERSEKEY\"")), ("REVERSEKEY 0x2", .taken("\"MDB_REVERSEKEY\""))),
        "sweeper.enabled": .bool,
        "sweeper.retention_days": Kind(
            ("0", .taken("0")), ("''", .refused), ("-5", .taken("-5")), ("1e30", .taken("36500")),
            (".inf", .taken("36500")), ("-.inf", .taken("-36500")), (".nan", .taken("370")), ("1_0.5", .taken("10.5"))),
        "sweeper.interval": .unused, "sweeper.first_interval": .unused, "sweeper.lock_duration": .unused,
        "sweeper.release_duration": .unused, "sweeper.retention_load_cutoff_duration": .unused,
        "storage.type": Kind(("''", .refused), ("0", .refused)),
        "storage.root_path": Kind(("''", .warned("\"needed\"")), ("0", .warned("\"0\""))),
        "storage.options(fs).root_path": Kind(("''", .refused), ("0", .taken("\"0\""))),
        "storage.cleanup.enabled": .bool, "storage.cleanup.interval": .unused,
        "storage.cleanup.must_keep_interval": .unused, "storage.cleanup.remove_old_instances_interval": .unused,
        "http.address": Kind(
            ("''", .taken("\"\"")), ("0", .refused), ("\":0\"", .taken("\":0\"")),
            ("\"localhost:domain\"", .taken("\"localhost:53\"")),
            ("\":no-such-service\"", .refused), ("\":65536\"", .refused)),
        "log.level": Kind(("''", .refused), ("WARN", .taken("warning")), ("0", .refused)),
        "log.format": Kind(("''", .refused), ("0", .refused)),
        "log.timestamp": Kind(("''", .taken("short")), ("0", .refused)),
        "health.start.report_healthz": .bool, "health.start.report_metadata": .bool,
    ]

    private static let all: [String: Kind] = {
        var all = own
        for (name, kind) in s3.merging(connection, uniquingKeysWith: { one, _ in one }) {
            all["storage.options(s3).\(name)"] = kind
        }
        for (name, kind) in azure.merging(connection, uniquingKeysWith: { one, _ in one }) {
            all["storage.options(azure).\(name)"] = kind
        }
        for check in ["storage_list", "storage_load", "storage_store", "start"] {
            for (name, kind) in health { all["health.\(check).\(name)"] = kind }
        }
        return all
    }()

    @Test func theTableHasEveryKeyOfRelease10() {
        let keys = KeyTable.descriptions.filter { $0.path.first != "powerdns" }.map { key -> String in
            let path = key.path.joined(separator: ".")
            return key.storageType.map {
                path.replacing("storage.options", with: "storage.options(\($0.rawValue))", maxReplacements: 1)
            } ?? path
        }
        let newer: Set = [
            "http.allowed_hosts", "storage.options(s3).addressing",
            "storage.options(s3).notifications", "full_snapshot_interval", "deltas.enabled",
            "push.advertise", "push.token_file", "storage.sealing.identity_files", "storage.sealing.accept_unsealed",
        ]
        #expect(Set(keys).subtracting(newer) == Set(Self.all.keys))
    }

    @Test(arguments: all.keys.sorted())
    func oddValues(key: String) throws {
        var path = key.replacing("{name}", with: "main").replacing("{dbi}", with: "d")
        var needed = [(["lmdbs", "main", "path"], "/data")]
        var type = key == "storage.root_path" ? "fs" : "memory"
        for (name, option) in [("s3", "bucket"), ("azure", "container"), ("fs", "root_path")]
        where path.contains("(\(name))") || name == type {
            type = name
            needed.append((["storage", "options", option], "needed"))
            path = path.replacing("(\(name))", with: "")
        }
        if key != "storage.type" { needed.append((["storage", "type"], type)) }
        let parts = path.split(separator: ".").map(String.init)
        needed.removeAll { $0.0 == parts }
        // Where the value of the old spelling shows up.
        let shown = key == "storage.root_path" ? ["storage", "options", "root_path"] : parts
        for (text, expected) in Self.all[key]?.values ?? [] {
            let file = yaml(needed + [(parts, text)])
            var outcome = Outcome.refused
            do throws(ConfigurationErrors) {
                let loaded = try load(file)
                let value = effectiveValue(shown, in: loaded.configuration.maskedYAML())
                outcome = loaded.warnings.isEmpty ? .taken(value) : .warned(value)
                #expect(loaded.warnings.allSatisfy { $0.keyPath == path && $0.position != nil }, "\(key): \(text)")
                let again = try load(loaded.configuration.maskedYAML())
                if !loaded.configuration.maskedYAML().contains("******") {
                    #expect(again.configuration == loaded.configuration, "\(key): \(text)")
                }
            } catch {
                #expect(error.problems.count == 1 && error.problems.first?.keyPath == path, "\(key): \(text): \(error)")
            }
            #expect(outcome == expected, "\(key): \(text)")
        }
    }

    // MARK: What is switched on

    @Test func intervalsBelowASecondAreTaken() throws {
        let text = """
            sweeper: { enabled: true, interval: 200ms, first_interval: -1s, lock_duration: 0, release_duration: -1ms }
            lmdbs: { main: { path: /m } }
            storage: { type: memory, cleanup: { enabled: true, interval: 0, must_keep_interval: -1h } }

            """
        let loaded = try load(text)
        #expect(loaded.configuration.sweeper.interval == .milliseconds(200))
        #expect(loaded.configuration.sweeper.firstInterval == .zero)
        #expect(loaded.configuration.sweeper.releaseDuration == .zero)
        #expect(loaded.configuration.storage.cleanup.interval == .milliseconds(100))
        #expect(loaded.configuration.storage.cleanup.mustKeepInterval == .zero)
        #expect(
            loaded.warnings.map(\.keyPath) == [
                "sweeper.interval", "sweeper.first_interval", "sweeper.release_duration", "storage.cleanup.interval",
                "storage.cleanup.must_keep_interval",
            ])
        #expect(loaded.warnings[0].message == "found 200ms, which is less than 1s: each run costs requests or locks")
        #expect(loaded.warnings[3].message == "found 0, which is less than 1s, taken as 100ms")
    }

    @Test(arguments: ["1e300", ".inf"])
    func moreRetentionThanCountsIsBounded(days: String) throws {
        let loaded = try load(minimal + "sweeper: { retention_days: \(days), enabled: true }\n")
        #expect(loaded.configuration.sweeper.retentionDays == 36_500)
        #expect(
            loaded.warnings.map(\.message).first?.hasSuffix("above the maximum, taken as 36500 days") == true)
    }

    @Test(arguments: ["0", "-1", "-.inf", ".nan"])
    func noRetentionIsRefused(days: String) {
        let found = errors(minimal + "sweeper: { retention_days: \(days), enabled: true }\n")
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("6:28: sweeper.retention_days: found ") == true)
    }

    // MARK: What is there twice

    private func s3(_ options: String) throws -> (options: S3StorageOptions, warnings: [String]) {
        let text = "lmdbs: { main: { path: /m } }\nstorage: { type: s3, options: { bucket: b, \(options) } }\n"
        guard case .s3(let s3) = try load(text).configuration.storage.backend else { return (S3StorageOptions(), []) }
        return (s3, try warnings(text))
    }

    @Test func keyFilesWinOverKeys() throws {
        let both = try s3("access_key: a, secret_key: s, access_key_file: f, secret_key_file: g")
        #expect(both.options.accessKey.isEmpty && both.options.secretKey.isEmpty)
        #expect([both.options.accessKeyFile, both.options.secretKeyFile] == ["f", "g"])
        #expect(both.warnings.count == 2 && both.warnings.allSatisfy { $0.hasSuffix("the key files are used") })
        let lone = try s3("access_key: a, secret_key: s, secret_key_file: g")
        #expect([lone.options.accessKey, lone.options.secretKey, lone.options.secretKeyFile] == ["a", "s", ""])
        #expect(lone.warnings.count == 1)
        #expect(try s3("access_key: a, access_key_file: f, secret_key_file: g").options.accessKey.isEmpty)
    }

    @Test func theRefreshIntervalCountsWithKeyFilesOnly() throws {
        #expect(try s3("access_key: a, secret_key: s, secrets_refresh_interval: 0").warnings.isEmpty)
        #expect(try s3("access_key: a, secret_key: s, secrets_refresh_interval: 10ms").warnings.isEmpty)
        #expect(throws: ConfigurationErrors.self) {
            try s3("access_key_file: a, secret_key_file: s, secrets_refresh_interval: 10ms")
        }
    }

    @Test func certificates() throws {
        let twice = try s3("tls: { ca: a, ca_file: b, cert: c, cert_file: d, key: k, key_file: f }")
        #expect([twice.options.tls.caFile, twice.options.tls.certFile, twice.options.tls.keyFile] == ["", "", ""])
        #expect(twice.warnings.count == 3)
        let alone = try s3("tls: { cert_file: d }")
        #expect(alone.options.tls.certFile.isEmpty)
        #expect(alone.warnings.first?.contains("has no effect without its key") == true)
    }

    @Test func theOldSpellingOfTheDirectoryWins() throws {
        let text = "lmdbs: { main: { path: /m } }\nstorage: { type: fs, root_path: /a, options: { root_path: /b } }\n"
        #expect(try load(text).configuration.storage.backend.type == .fileSystem)
        #expect(try load(text).configuration.maskedYAML().contains("root_path: \"/a\""))
        #expect(try warnings(text).contains { $0.contains("\"/a\" is used, and not \"/b\"") })
    }

    // MARK: Places

    @Test(arguments: [
        ("storage: { type: memory }\nlmdbs: null\n", "2:1: lmdbs: required"),
        ("storage: { type: memory }\nlmdbs:\n  main:\n", "3:3: lmdbs.main.path: required"),
        ("lmdbs: { main: { path: /m } }\nhttp:\nstorage:\n", "3:1: storage.type: required"),
        (
            "lmdbs: { main: { path: /m } }\nstorage:\n  type: s3\n  options:\n    bucket: ~\n",
            "5:5: storage.options.bucket: required"
        ),
    ])
    func nothingIsReportedAtItsOwnPlace(text: String, place: String) {
        let found = errors(text)
        #expect(found.count == 1 && found.first?.hasPrefix(place) == true, "\(found)")
    }
}
