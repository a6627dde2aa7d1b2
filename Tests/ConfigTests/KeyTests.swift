import Testing

@testable import Config

/// What the contract says of a key, written down a second time: path, default, a good value and how it reads back (nil:
/// as it is), and a bad value with what is said to be allowed (nil: any scalar is good).
private struct Key: CustomTestStringConvertible {
    var path: String
    var byDefault: String
    var good: String
    var effective: String?
    var bad: String?
    var allowed = ""

    init(
        _ path: String, _ byDefault: String, _ good: String, _ effective: String? = nil, bad: String? = nil,
        _ allowed: String = ""
    ) {
        self.path = path
        self.byDefault = byDefault
        self.good = good
        self.effective = effective
        self.bad = bad
        self.allowed = allowed
    }

    static func duration(_ path: String, _ byDefault: String, least: String? = nil) -> Key {
        guard let least else { return Key(path, byDefault, "1m30s", bad: "10", "a duration with its unit") }
        return Key(path, byDefault, "1m30s", bad: "-1s", "a duration of at least \(least)")
    }

    static func bool(_ path: String, _ byDefault: String) -> Key {
        Key(
            path, byDefault, byDefault == "true" ? "no" : "yes", byDefault == "true" ? "false" : "true", bad: "2",
            "true or false")
    }

    static func count(_ path: String, _ byDefault: String, least: Int = 1) -> Key {
        Key(path, byDefault, "17", bad: "\(least - 1)", "a whole number of at least \(least)")
    }

    static func text(_ path: String, _ byDefault: String = "\"\"") -> Key { Key(path, byDefault, "some", "\"some\"") }

    static func secret(_ path: String) -> Key { Key(path, "\"\"", "hunter2", "\"******\"") }

    static func rule(_ name: String, _ byDefault: String) -> Key {
        Key("powerdns.validation.\(name)", byDefault, "no", "off", bad: "refuse", "one of off, warn, reject")
    }

    static func percent(_ name: String) -> Key {
        Key("powerdns.validation.\(name)", "0", "12.5", bad: "101", "a percentage from 0 to 100")
    }

    var testDescription: String { path }
}

private func connection(_ type: String) -> [Key] {
    let options = "storage.options(\(type))."
    return [
        .duration(options + "init_timeout", "20s"), .duration(options + "idle_conn_timeout", "1m30s").with(good: "7s"),
        Key(options + "max_idle_conns", "100", "17", bad: "many", "a whole number"),
        .duration(options + "dial_timeout", "10s"),
        .duration(options + "dial_keep_alive", "10s"), .duration(options + "tls_handshake_timeout", "10s"),
        .duration(options + "client_timeout", "15m"), .bool(options + "use_update_marker", "false"),
        .duration(options + "update_marker_force_list_interval", "5m"), .text(options + "tls.ca_file"),
        .text(options + "tls.ca"), .bool(options + "tls.add_system_ca_pool", "false"), .text(options + "tls.cert_file"),
        .text(options + "tls.cert"), .text(options + "tls.key_file"), .secret(options + "tls.key"),
        .bool(options + "tls.watch_certs", "false"), .duration(options + "tls.watch_certs_poll_interval", "5s"),
        .bool(options + "tls.require_client_cert", "false"), .bool(options + "tls.insecure_skip_verify", "false"),
        .text(options + "tls.insecure_key_log_file"),
    ]
}

extension Key {
    fileprivate func with(good: String) -> Key {
        var key = self
        key.good = good
        return key
    }
}

private let keys: [Key] =
    [
        Key("instance", "\"host\"", "ns1.example", "\"ns1-example\""),
        .duration("lmdb_poll_interval", "1s", least: "100ms"), .duration("lmdb_log_stats_interval", "30m"),
        .bool("lmdb_scrape_smaps", "true"), .duration("storage_poll_interval", "1s", least: "100ms"),
        .duration("storage_retry_interval", "5s", least: "100ms"), .count("storage_retry_count", "100"),
        .bool("storage_retry_forever", "false"),
        .duration("storage_force_snapshot_interval", "4h", least: "1m, or 0 for off"),
        Key("full_snapshot_interval", "auto", "1m30s", bad: "999ms", "a duration of at least 1s"),
        .bool("deltas.enabled", "true"),
        .count("memory_downloaded_snapshots", "2"), .count("memory_decompressed_snapshots", "3"),
        .bool("only_once", "false"),
        .duration("clock_skew_tolerance", "5s"), .bool("publish_state", "true"),
        Key("lmdbs.main.path", "\"/data/pdns.lmdb\"", "/x y", "\"/x y\"", bad: "''", "the path of the LMDB"),
        .bool("lmdbs.main.options.no_subdir", "false"), .bool("lmdbs.main.options.create", "false"),
        Key("lmdbs.main.options.dir_mask", "0000", "0700", bad: "775", "a file mode from 0 to 0777"),
        Key("lmdbs.main.options.file_mask", "0000", "0o600", "0600", bad: "664", "a file mode from 0 to 0777"),
        Key("lmdbs.main.options.map_size", "0", "1000MB", bad: "1.5GB", "a size"),
        .count("lmdbs.main.options.max_dbs", "64", least: 0), .bool("lmdbs.main.schema_tracks_changes", "false"),
        .bool("lmdbs.main.dupsort_hack", "false"), .bool("lmdbs.main.header_extra_padding_block", "false"),
        Key(
            "lmdbs.main.dbi_options.pdns.override_create_flags", "", "MDB_INTEGERKEY", "\"MDB_INTEGERKEY\"", bad: "X",
            "names of LMDB flags"),
        .bool("sweeper.enabled", "false"),
        Key("sweeper.retention_days", "370", "0.5", bad: "a", "a number of days greater than 0"),
        .duration("sweeper.interval", "6h"), .duration("sweeper.first_interval", "10m"),
        .duration("sweeper.lock_duration", "50ms"), .duration("sweeper.release_duration", "50ms"),
        .duration("sweeper.retention_load_cutoff_duration", "0"),
        Key("storage.type", "memory", "memory", bad: "S3", "one of s3, fs, memory"),
        .text("storage.options(fs).root_path"), .text("storage.options(s3).access_key"),
        .secret("storage.options(s3).secret_key"), .text("storage.options(s3).access_key_file"),
        .text("storage.options(s3).secret_key_file"),
        .duration("storage.options(s3).secrets_refresh_interval", "15s"),
        .text("storage.options(s3).region", "\"us-east-1\""), .text("storage.options(s3).bucket"),
        .bool("storage.options(s3).create_bucket", "false"),
        Key(
            "storage.options(s3).endpoint_url", "\"\"", "http://a:1/b/s3", "\"http://a:1/b/s3\"", bad: "a:1",
            "http:// or https://"),
        Key("storage.options(s3).addressing", "auto", "virtual", bad: "host", "one of auto, path, virtual"),
        .text("storage.options(s3).storage_class"), .text("storage.options(s3).global_prefix"),
        .bool("storage.options(s3).prefix_folders", "false"), .bool("storage.options(s3).hide_folders", "false"),
        .bool("storage.options(s3).disable_send_content_md5", "false"),
        .count("storage.options(s3).num_minio_threads", "4", least: 0),
        Key("storage.options(s3).notifications", "auto", "off", bad: "yes", "one of auto, on, off"),
    ] + connection("s3") + [
        .text("storage.options(azure).account_name"), .secret("storage.options(azure).account_key"),
        .text("storage.options(azure).account_key_file"),
        .duration("storage.options(azure).secrets_refresh_interval", "15s"),
        .bool("storage.options(azure).use_shared_key", "false"), .text("storage.options(azure).container"),
        .bool("storage.options(azure).create_container", "false"),
        Key(
            "storage.options(azure).endpoint_url", "\"\"", "http://a/b", "\"http://a/b\"", bad: "a:1",
            "http:// or https://"
        ),
        .text("storage.options(azure).global_prefix"), .count("storage.options(azure).concurrency", "1"),
    ] + connection("azure") + [
        .bool("storage.cleanup.enabled", "false"), .duration("storage.cleanup.interval", "5m"),
        .duration("storage.cleanup.must_keep_interval", "10m"),
        .duration("storage.cleanup.remove_old_instances_interval", "168h"),
        Key("http.address", "\"\"", ":8500", "\":8500\"", bad: "8500", "host:port"),
        Key(
            "http.allowed_hosts", "\"\"", "NS1.example.org,b", "\"ns1.example.org, b\"", bad: "\"b:8500\"",
            "host names separated by commas"),
        Key(
            "push.advertise", "\"\"", "https://ns1.example.net:8500", "\"https://ns1.example.net:8500\"",
            bad: "http://ns1.example.net", "https:// and a host"),
        .text("push.token_file"),
        Key("log.level", "info", "trace", "debug", bad: "chatty", "one of debug, info, warning, error, fatal"),
        Key("log.format", "human", "json", bad: "xml", "one of human, logfmt, json"),
        Key("log.timestamp", "short", "full", bad: "none", "one of short, disable, full"),
    ]
    + ["storage_list", "storage_load", "storage_store", "start"].flatMap { check -> [Key] in
        [
            .duration("health.\(check).interval", check == "start" ? "1s" : "5s"),
            .duration("health.\(check).warn_duration", "1m"), .duration("health.\(check).error_duration", "5m"),
        ]
    } + [
        .bool("health.start.report_healthz", "false"), .bool("health.start.report_metadata", "true"),
        Key("powerdns.enabled", "auto", "no", "false", bad: "maybe", "one of auto, true, false"),
        Key("powerdns.main", "\"\"", "main", "\"main\"", bad: "other", "there is no such database in lmdbs"),
        Key("powerdns.shard", "\"\"", "main", "\"main\"", bad: "other", "there is no such database in lmdbs"),
        Key("powerdns.log_changes", "summary", "OFF", "off", bad: "all", "one of off, summary, records"),
        .rule("schema", "reject"),
        Key("powerdns.validation.structure", "hold", "no", "off", bad: "refuse", "one of off, warn, hold, reject"),
        .rule("relations", "warn"), .rule("zones", "warn"),
        .percent("max_deleted_records"), .percent("max_deleted_zones"),
        Key(
            "powerdns.api.url", "\"\"", "http://127.0.0.1:8081", "\"http://127.0.0.1:8081\"", bad: "a:1",
            "http:// or https://"),
        .secret("powerdns.api.key"), .text("powerdns.api.key_file"),
    ]

@Suite struct KeyTests {
    /// The path in the file, and the keys that a file with an option of this storage needs besides.
    private func split(_ key: Key) -> (path: [String], needed: [([String], String)]) {
        var needed: [([String], String)] = [(["lmdbs", "main", "path"], "/data/pdns.lmdb")]
        var path = key.path
        let options: [String: [String]] = [
            "fs": ["root_path"], "s3": ["bucket", "access_key", "secret_key"], "azure": ["container"],
        ]
        var type = "memory"
        for (name, required) in options where path.contains("(\(name))") {
            type = name
            path = path.replacing("(\(name))", with: "")
            needed += required.map { (["storage", "options", $0], "needed") }
            // Keys and key files exclude each other.
            if path.hasSuffix("_key_file") { needed.removeAll { $0.0.last?.hasSuffix("_key") == true } }
            let partners = ["access_key_file": "secret_key_file", "secret_key_file": "access_key_file"]
            let tls = ["cert": "key", "cert_file": "key_file", "key": "cert", "key_file": "cert_file"]
            let parts = path.split(separator: ".").map(String.init)
            if let partner = parts.last.flatMap({ partners[$0] }) {
                needed.append((["storage", "options", partner], "needed"))
            }
            if parts.contains("tls"), let partner = parts.last.flatMap({ tls[$0] }) {
                needed.append((["storage", "options", "tls", partner], "needed"))
            }
        }
        if path == "powerdns.api.url" { needed.append((["powerdns", "api", "key"], "needed")) }
        if path.hasPrefix("powerdns.api.key") { needed.append((["powerdns", "api", "url"], "http://127.0.0.1:8081")) }
        if path == "push.advertise" {
            needed += [(["push", "token_file"], "/etc/token"), (["http", "address"], "\":8500\"")]
        }
        needed.append((["storage", "type"], type))
        let parts = path.split(separator: ".").map(String.init)
        return (parts, needed.filter { $0.0 != parts })
    }

    @Test func theTableHasEveryKeyOfTheContract() {
        let described = KeyTable.descriptions.map { description -> String in
            let path = description.path.joined(separator: ".")
            guard let type = description.storageType else { return path }
            return path.replacing("storage.options", with: "storage.options(\(type.rawValue))", maxReplacements: 1)
        }
        let expected = keys.map {
            $0.path.replacing("lmdbs.main", with: "lmdbs.{name}").replacing(".pdns.", with: ".{dbi}.")
        }
        // `SealingKeyTests` has those of sealing.
        let sealing = ["storage.sealing.identity_files", "storage.sealing.accept_unsealed"]
        #expect(Set(described) == Set(expected + ["storage.root_path"] + sealing))
        #expect(described.count == Set(described).count)
    }

    @Test func everyDescriptionSaysSomething() {
        for key in KeyTable.descriptions {
            #expect(key.help.hasSuffix("."), "\(key.path)")
            #expect(!key.type.isEmpty)
        }
        let secrets = KeyTable.descriptions.filter { $0.traits.contains(.secret) }.map {
            $0.path.dropFirst(2).joined(separator: ".")
        }
        #expect(Set(secrets) == ["secret_key", "account_key", "tls.key", "key"])
    }

    @Test(arguments: keys)
    fileprivate func hasItsDefault(key: Key) throws {
        let (path, needed) = split(key)
        // Without the key itself, where the file can do without.
        let isNeeded = ["bucket", "container", "root_path", "path", "type", "access_key", "secret_key"].contains(
            path.last)
        var rest = needed
        if isNeeded { rest.append((path, key.path == "lmdbs.main.path" ? "/data/pdns.lmdb" : key.byDefault)) }
        if ["access_key_file", "secret_key_file", "cert", "key", "cert_file", "key_file"].contains(path.last) {
            rest = rest.filter { $0.0.last?.hasSuffix("_file") != true && !$0.0.contains("tls") }
        }
        // Without any of them the API is not used.
        if key.path.hasPrefix("powerdns.api.") { rest.removeAll { $0.0.first == "powerdns" } }
        if path.last == "access_key" || path.last == "secret_key" {
            rest.removeAll { $0.0.last?.hasSuffix("_key") == true }
        }
        if ["bucket", "container", "root_path"].contains(path.last) { return try requires(path, rest) }
        #expect(effectiveValue(path, in: try load(yaml(rest)).configuration.maskedYAML()) == key.byDefault)
        #expect(errors(yaml(rest + [(path, "")])).isEmpty == !["path", "type"].contains(path.last))
    }

    private func requires(_ path: [String], _ rest: [([String], String)]) throws {
        #expect(
            errors(yaml(rest.filter { $0.0 != path })).contains {
                $0.contains("\(path.joined(separator: ".")): required")
            })
        #expect(errors(yaml(rest)).contains { $0.contains("\(path.joined(separator: ".")): required") })
    }

    @Test(arguments: keys)
    fileprivate func takesAValue(key: Key) throws {
        let (path, needed) = split(key)
        let loaded = try load(yaml(needed + [(path, key.good)]))
        #expect(effectiveValue(path, in: loaded.configuration.maskedYAML()) == key.effective ?? key.good)
    }

    @Test(arguments: keys)
    fileprivate func refusesABadValueAtItsPlace(key: Key) throws {
        let (path, needed) = split(key)
        for bad in [key.bad, "[a]", "{a: b}"].compactMap({ $0 }) {
            let text = yaml(needed + [(path, bad)])
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            let line = try #require(lines.lastIndex { $0.drop { $0 == " " } == "\(path.last ?? ""): \(bad)" })
            let column = lines[line].count - bad.count + 1
            let problems = errors(text)
            let place = "\(line + 1):\(column): \(path.joined(separator: ".")): "
            let first = try #require(problems.first { $0.hasPrefix(place) }, "\(problems)")
            if bad == key.bad { #expect(first.contains(key.allowed), "\(first)") }
            #expect(!first.contains("hunter2"))
        }
    }
}
