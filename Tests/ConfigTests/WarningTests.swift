import Testing

@testable import Config

@Suite struct WarningTests {
    /// Keys that are accepted and have no effect in this release, or not all of it. `(s3)` stands for options of s3.
    static let withoutEffect =
        ["memory_decompressed_snapshots: 3"]
        + ["storage_list", "storage_load", "storage_store", "start"].map { "health: {\($0): {interval: 1s}}" }

    @Test(arguments: withoutEffect)
    func keysWithoutEffectAreNamedOnce(line: String) throws {
        let path = line.split { ": {}".contains($0) }.prefix {
            $0.first?.isLetter == true && $0 != "no" && $0 != "true" && $0 != "false"
        }
        let found = try warnings(line + "\n" + minimal)
        #expect(found.count == 1)
        let key = path.joined(separator: ".")
        #expect(found.first?.hasPrefix("1:") == true)
        #expect(found.first?.contains(" \(key): has no effect: ") == true)
    }

    @Test func otherKeysAreInEffect() throws {
        let text = """
            instance: a
            lmdb_poll_interval: 1s
            storage_poll_interval: 1s
            storage_retry_interval: 1s
            storage_retry_count: 1
            storage_retry_forever: true
            storage_force_snapshot_interval: 1h
            full_snapshot_interval: auto
            deltas: { enabled: true }
            memory_downloaded_snapshots: 1
            only_once: true
            lmdb_log_stats_interval: 1s
            lmdb_scrape_smaps: true
            clock_skew_tolerance: 5s
            publish_state: true
            http: { address: ":8500" }
            health:
              storage_list: { warn_duration: 1s, error_duration: 2s }
              storage_load: { warn_duration: 1s, error_duration: 2s }
              storage_store: { warn_duration: 1s, error_duration: 2s }
              start: { warn_duration: 1s, error_duration: 2s, report_healthz: false, report_metadata: false }
            lmdbs:
              main:
                path: /m
                options: { no_subdir: true, create: true, dir_mask: 0700, file_mask: 0600, map_size: 1GB, max_dbs: 1 }
                schema_tracks_changes: true
                header_extra_padding_block: false
                dbi_options: { a: { override_create_flags: 0 } }
            storage:
              type: s3
              options:
                bucket: b
                hide_folders: true
                use_update_marker: true
                update_marker_force_list_interval: 1m
                tls: { watch_certs: true, insecure_skip_verify: true }
              cleanup: { enabled: true, interval: 1m, must_keep_interval: 1m, remove_old_instances_interval: 1h }
            sweeper:
              enabled: true
              retention_days: 1
              interval: 1s
              first_interval: 1s
              lock_duration: 1s
              release_duration: 1s
              retention_load_cutoff_duration: 1s
            log: { level: info, format: json, timestamp: full }
            """
        #expect(try warnings(text) == [])
    }

    @Test func inTheOrderOfTheFileEachOnce() throws {
        let text = """
            lmdbs:
              b: { path: /b }
            storage:
              type: s3
              root_path: ''
              options:
                bucket: b
                prefix_folders: yes
                tls: { require_client_cert: no }
            """
        #expect(
            try warnings(text).map { line in line.split(separator: ": ").prefix(3).joined(separator: ": ") } == [
                "5:3: storage.root_path: deprecated", "8:5: storage.options.prefix_folders: deprecated",
                "9:12: storage.options.tls.require_client_cert: has no effect",
            ])
    }
}
