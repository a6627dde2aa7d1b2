import Testing

@testable import Config

/// Every key leads to the property it is meant for: all values of a file differ from the defaults and from each other.
@Suite struct TypedTests {
    @Test func readsWhatIsAskedForPowerDNS() throws {
        let text = """
            powerdns:
              enabled: yes
              main: main
              log_changes: records
              validation: { schema: warn, structure: off, relations: reject, zones: no, max_deleted_records: 50 }
              api: { url: "http://[::1]:8081", key_file: /run/key }

            """
        var expected = PowerDNSSection()
        expected.enabled = .always
        expected.main = "main"
        expected.logChanges = .records
        expected.validation.schema = .warn
        expected.validation.structure = .off
        expected.validation.relations = .reject
        expected.validation.zones = .off
        expected.validation.maxDeletedRecords = 50
        expected.api.url = "http://[::1]:8081"
        expected.api.keyFile = "/run/key"
        #expect(try load(minimal + text).configuration.powerDNS == expected)
        #expect(try load(minimal).configuration.powerDNS == PowerDNSSection())
    }

    @Test func whatContradictsItselfInPowerDNSIsAnError() {
        #expect(errors(minimal + "powerdns: { main: main, shard: main }\n").first?.contains("powerdns.shard") == true)
        #expect(
            errors(minimal + "powerdns: { api: { url: 'http://a' } }\n").first?.contains("needs the API's key") == true)
        #expect(
            errors(minimal + "powerdns: { api: { url: 'http://a', key: a, key_file: b } }\n").first?.contains(
                "keep one of them") == true
        )
        for key in ["key", "key_file"] {
            let problems = errors(minimal + "powerdns: { api: { \(key): a } }\n")
            #expect(problems.count == 1)
            #expect(problems.first?.contains("powerdns.api.\(key)") == true)
            #expect(problems.first?.contains("needs the API's address: give url as well") == true)
        }
        let path = errors(minimal + "powerdns: { api: { url: 'http://127.0.0.1:8081/api/v1', key: a } }\n")
        #expect(
            path.first?.contains("such as http://127.0.0.1:8081 (it has a path, and needs none)")
                == true)
    }

    @Test func aFileWithEveryKeyOfS3() throws {
        let text = """
            instance: ns1
            lmdb_poll_interval: 101ms
            lmdb_log_stats_interval: 102ms
            lmdb_scrape_smaps: false
            storage_poll_interval: 103ms
            storage_retry_interval: 104ms
            storage_retry_count: 105
            storage_retry_forever: true
            storage_force_snapshot_interval: 106m
            full_snapshot_interval: 143s
            memory_downloaded_snapshots: 107
            memory_decompressed_snapshots: 108
            only_once: true
            clock_skew_tolerance: 109ms
            publish_state: false
            lmdbs:
              shard:
                path: /s
                options: { no_subdir: true, create: false, dir_mask: 0701, file_mask: 0602, map_size: 3K, max_dbs: 110 }
                schema_tracks_changes: true
                header_extra_padding_block: true
              main:
                path: /m
                options: { create: true }
                dupsort_hack: true
                dbi_options:
                  a: { override_create_flags: MDB_DUPSORT }
                  b: { override_create_flags: 0 }
                  c: {}
            deltas: { enabled: false }
            sweeper:
              enabled: true
              retention_days: 1.5
              interval: 111s
              first_interval: 112s
              lock_duration: 113ms
              release_duration: 114ms
              retention_load_cutoff_duration: 115ms
            storage:
              type: s3
              options:
                access_key: o1
                secret_key: o2
                secrets_refresh_interval: 116s
                region: o3
                bucket: o4
                create_bucket: true
                endpoint_url: http://o5
                addressing: virtual
                storage_class: o6
                global_prefix: o7
                hide_folders: true
                disable_send_content_md5: true
                num_minio_threads: 117
                notifications: on
                init_timeout: 118s
                idle_conn_timeout: 119s
                max_idle_conns: 120
                dial_timeout: 121s
                dial_keep_alive: 122s
                tls_handshake_timeout: 123s
                client_timeout: 124s
                use_update_marker: true
                update_marker_force_list_interval: 125s
                tls:
                  ca: o9
                  cert_file: o10
                  key: o11
                  watch_certs_poll_interval: 126s
                  insecure_key_log_file: o12
              cleanup:
                enabled: true
                interval: 127s
                must_keep_interval: 128s
                remove_old_instances_interval: 129s
            http:
              address: "[::1]:130"
            log:
              level: fatal
              format: logfmt
              timestamp: disable
            health:
              storage_list: { interval: 131s, warn_duration: 132s, error_duration: 133s }
              storage_load: { interval: 134s, warn_duration: 135s, error_duration: 136s }
              storage_store: { interval: 137s, warn_duration: 138s, error_duration: 139s }
              start: { interval: 140s, warn_duration: 141s, error_duration: 142s, report_healthz: true, report_metadata: false }
            """
        var expected = Configuration()
        expected.instance = "ns1"
        expected.lmdbPollInterval = .milliseconds(101)
        expected.lmdbLogStatsInterval = .milliseconds(102)
        expected.lmdbScrapeSmaps = false
        expected.storagePollInterval = .milliseconds(103)
        expected.storageRetryInterval = .milliseconds(104)
        expected.storageRetryCount = 105
        expected.storageRetryForever = true
        expected.storageForceSnapshotInterval = .seconds(106 * 60)
        expected.memoryDownloadedSnapshots = 107
        expected.memoryDecompressedSnapshots = 108
        expected.onlyOnce = true
        expected.clockSkewTolerance = .milliseconds(109)
        expected.publishState = false
        expected.databases = [shard, main]
        expected.fullSnapshotInterval = .seconds(143)
        expected.deltas.enabled = false
        expected.sweeper.enabled = true
        expected.sweeper.retentionDays = 1.5
        expected.sweeper.interval = .seconds(111)
        expected.sweeper.firstInterval = .seconds(112)
        expected.sweeper.lockDuration = .milliseconds(113)
        expected.sweeper.releaseDuration = .milliseconds(114)
        expected.sweeper.retentionLoadCutoffDuration = .milliseconds(115)
        expected.storage.backend = .s3(s3)
        expected.storage.cleanup.enabled = true
        expected.storage.cleanup.interval = .seconds(127)
        expected.storage.cleanup.mustKeepInterval = .seconds(128)
        expected.storage.cleanup.removeOldInstancesInterval = .seconds(129)
        expected.http.address = ListenAddress(host: "::1", port: 130)
        expected.log.level = .fatal
        expected.log.format = .logfmt
        expected.log.timestamp = .disable
        expected.health = health
        let loaded = try load(text).configuration
        #expect(loaded == expected)
        // Parts of their own, so that a failure says where.
        #expect(loaded.databases == expected.databases)
        #expect(loaded.storage == expected.storage)
        #expect(loaded.health == expected.health)
    }

    private var shard: DatabaseConfiguration {
        var shard = DatabaseConfiguration()
        shard.name = "shard"
        shard.path = "/s"
        shard.options.noSubdir = true
        shard.options.dirMask = 0o701
        shard.options.fileMask = 0o602
        shard.options.mapSize = 3072
        shard.options.maxDBs = 110
        shard.schemaTracksChanges = true
        shard.headerExtraPaddingBlock = true
        return shard
    }

    private var main: DatabaseConfiguration {
        var main = DatabaseConfiguration()
        main.name = "main"
        main.path = "/m"
        main.options.create = true
        main.dupsortHack = true
        main.dbiOptions = ["a": DBIOptions(), "b": DBIOptions(), "c": DBIOptions()]
        main.dbiOptions["a"]?.overrideCreateFlags = DatabaseFlags(rawValue: 4)
        main.dbiOptions["b"]?.overrideCreateFlags = []
        return main
    }

    private var s3: S3StorageOptions {
        var s3 = S3StorageOptions()
        s3.accessKey = "o1"
        s3.secretKey = "o2"
        s3.secretsRefreshInterval = .seconds(116)
        s3.region = "o3"
        s3.bucket = "o4"
        s3.createBucket = true
        s3.endpointURL = "http://o5"
        s3.addressing = .virtual
        s3.storageClass = "o6"
        s3.globalPrefix = "o7"
        s3.hideFolders = true
        s3.disableSendContentMD5 = true
        s3.numMinioThreads = 117
        s3.notifications = .on
        s3.connection.initTimeout = .seconds(118)
        s3.connection.idleConnTimeout = .seconds(119)
        s3.connection.maxIdleConns = 120
        s3.connection.dialTimeout = .seconds(121)
        s3.connection.dialKeepAlive = .seconds(122)
        s3.connection.tlsHandshakeTimeout = .seconds(123)
        s3.connection.clientTimeout = .seconds(124)
        s3.updateMarker.isUsed = true
        s3.updateMarker.forceListInterval = .seconds(125)
        s3.tls.ca = "o9"
        s3.tls.certFile = "o10"
        s3.tls.key = "o11"
        s3.tls.watchCertsPollInterval = .seconds(126)
        s3.tls.insecureKeyLogFile = "o12"
        return s3
    }

    private var health: HealthConfiguration {
        var health = HealthConfiguration()
        health.storageList.interval = .seconds(131)
        health.storageList.warnDuration = .seconds(132)
        health.storageList.errorDuration = .seconds(133)
        health.storageLoad.interval = .seconds(134)
        health.storageLoad.warnDuration = .seconds(135)
        health.storageLoad.errorDuration = .seconds(136)
        health.storageStore.interval = .seconds(137)
        health.storageStore.warnDuration = .seconds(138)
        health.storageStore.errorDuration = .seconds(139)
        health.start.interval = .seconds(140)
        health.start.warnDuration = .seconds(141)
        health.start.errorDuration = .seconds(142)
        health.start.reportHealthz = true
        health.start.reportMetadata = false
        return health
    }

    @Test func keysOfS3ThatExcludeTheOthers() throws {
        let text = """
            lmdbs: { main: { path: /m } }
            storage:
              type: s3
              options:
                bucket: o1
                access_key_file: o2
                secret_key_file: o3
                prefix_folders: true
                tls: { ca_file: o8, cert: o4, key_file: o5, add_system_ca_pool: true, watch_certs: true, require_client_cert: true }
            """
        var s3 = S3StorageOptions()
        s3.bucket = "o1"
        s3.accessKeyFile = "o2"
        s3.secretKeyFile = "o3"
        s3.prefixFolders = true
        s3.tls.caFile = "o8"
        s3.tls.cert = "o4"
        s3.tls.keyFile = "o5"
        s3.tls.addSystemCAPool = true
        s3.tls.watchCerts = true
        s3.tls.requireClientCert = true
        #expect(try load(text).configuration.storage.backend == .s3(s3))
        let skips = text.replacing("watch_certs: true", with: "insecure_skip_verify: true")
        s3.tls.watchCerts = false
        s3.tls.insecureSkipVerify = true
        #expect(try load(skips).configuration.storage.backend == .s3(s3))
    }

    @Test func azure() throws {
        let text = """
            lmdbs: { main: { path: /m } }
            storage:
              options: { account_name: o1, account_key: o2, use_shared_key: true, container: o3, create_container: true,
                endpoint_url: "http://o4", global_prefix: o5, concurrency: 6, secrets_refresh_interval: 7s,
                dial_timeout: 8s, use_update_marker: true, tls: { ca: o9 } }
              type: azure
            """
        var azure = AzureStorageOptions()
        azure.accountName = "o1"
        azure.accountKey = "o2"
        azure.useSharedKey = true
        azure.container = "o3"
        azure.createContainer = true
        azure.endpointURL = "http://o4"
        azure.globalPrefix = "o5"
        azure.concurrency = 6
        azure.secretsRefreshInterval = .seconds(7)
        azure.connection.dialTimeout = .seconds(8)
        azure.updateMarker.isUsed = true
        azure.tls.ca = "o9"
        let backend = try load(text).configuration.storage.backend
        #expect(backend == .azure(azure))
        #expect(backend.type == .azure)
        azure.accountKey = ""
        azure.accountKeyFile = "o2"
        #expect(
            try load(text.replacing("account_key:", with: "account_key_file:")).configuration.storage.backend
                == .azure(azure))
    }

    @Test func bothSpellingsOfTheDirectory() throws {
        var options = FileSystemStorageOptions()
        options.rootPath = "/o"
        for storage in [
            "{ type: fs, options: { root_path: /o } }", "{ type: fs, root_path: /o }",
            "{ type: fs, root_path: /o, options: { root_path: /o } }", "{ root_path: /o, options: {}, type: fs }",
        ] {
            let text = "lmdbs: { main: { path: /m } }\nstorage: \(storage)\n"
            #expect(try load(text).configuration.storage.backend == .fileSystem(options))
            #expect(
                try warnings(text).filter { $0.contains("storage.root_path: deprecated") }.count
                    == (storage.contains(", root_path") || storage.contains("{ root_path: /o, o") ? 1 : 0))
        }
    }

    @Test func emptySectionsAndNothingAreTheDefaults() throws {
        let text =
            "log:\nhttp: ~\nsweeper: {}\nhealth:\n  start:\ninstance:\nlmdb_poll_interval: null\nonly_once: ~\n"
            + minimal
        let loaded = try load(text)
        #expect(loaded == (try load(minimal)))
        #expect(loaded.configuration.log == LogConfiguration())
        #expect(loaded.warnings.isEmpty)
    }

    @Test func zeroStandsForTheDefaultWhereItDidBefore() throws {
        let text = """
            lmdbs: { main: { path: /m, options: { max_dbs: 0, dir_mask: 0, file_mask: 0000, map_size: 0 } } }
            storage: { type: s3, options: { bucket: b, num_minio_threads: 0 } }
            """
        let configuration = try load(text).configuration
        #expect(configuration.databases.first?.options == EnvironmentOptions())
        guard case .s3(let s3) = configuration.storage.backend else { return #expect(Bool(false), "not s3") }
        #expect(s3.numMinioThreads == 4)
    }

    @Test func anchorsAndMergeKeysShareOptions() throws {
        let text = """
            lmdbs:
              main: &main
                path: /pdns.lmdb
                options: &options { no_subdir: true, map_size: 1GB }
                schema_tracks_changes: true
              shard:
                <<: *main
                path: /pdns.lmdb-0
                options: { <<: *options, map_size: 2GB }
            storage: { type: memory }
            """
        let databases = try load(text).configuration.databases
        #expect(databases.map(\.name) == ["main", "shard"])
        #expect(databases.map(\.path) == ["/pdns.lmdb", "/pdns.lmdb-0"])
        #expect(databases.map(\.schemaTracksChanges) == [true, true])
        #expect(databases.map(\.options.noSubdir) == [true, true])
        #expect(databases.map(\.options.mapSize) == [1 << 30, 2 << 30])
    }

    @Test(arguments: [
        ("1_000", 1000), ("010", 8), ("0x10", 16), ("1e2", 100), ("5.0", 5), ("+7", 7), ("08", 8),
    ])
    func numbersMeanWhatYAML11Says(text: String, count: Int) throws {
        #expect(try load("storage_retry_count: \(text)\n" + minimal).configuration.storageRetryCount == count)
    }

    @Test(arguments: [
        "5.5", "\"5\"", "'5'", "five", "1e99", "9223372036854775808", ".nan", "0", "-1", "!!str 5", "|\n 5",
    ])
    func otherNumbersAreErrors(text: String) {
        #expect(errors("storage_retry_count: \(text)\n" + minimal).count == 1)
    }

    @Test(arguments: [
        ("1", "1"), ("true", "true"), ("0x1", "0x1"), ("1.50", "1.50"), ("\"\"", "us-east-1"),
        ("~x", "~x"), ("'~'", "~"), ("2001-01-01", "2001-01-01"),
    ])
    func anyScalarIsAText(text: String, value: String) throws {
        let file = "lmdbs: { main: { path: /m } }\nstorage: { type: s3, options: { bucket: b, region: \(text) } }\n"
        guard case .s3(let s3) = try load(file).configuration.storage.backend else {
            return #expect(Bool(false), "not s3")
        }
        #expect(s3.region == value)
    }
}
