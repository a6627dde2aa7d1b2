import BlobStorage
import Config
import LMDB
import Logging
import Observability
import Replication
import Sealing
import Support
import TestSupport
import Testing

@testable import Daemon

/// What becomes of the configuration in the rooms below.
@Suite struct WiringTests {
    private static let yaml = """
        instance: ns1
        lmdb_poll_interval: 2s
        storage_poll_interval: 3s
        storage_retry_interval: 4s
        storage_retry_count: 7
        storage_force_snapshot_interval: 1h
        full_snapshot_interval: 6s
        memory_downloaded_snapshots: 5
        only_once: true
        lmdbs:
          main:
            path: /data/pdns
            schema_tracks_changes: true
            header_extra_padding_block: true
            options: {no_subdir: true, create: true, dir_mask: 0750, file_mask: 0640, map_size: 2GB, max_dbs: 9}
            dbi_options: {one: {override_create_flags: INTEGERKEY}, two: {}}
          shadow:
            path: /data/other
        sweeper:
          enabled: true
          retention_days: 10
          first_interval: 1m
          interval: 2m
          lock_duration: 3ms
          release_duration: 4ms
          retention_load_cutoff_duration: 5h
        storage: {type: memory}
        log: {level: fatal, format: json, timestamp: full}
        """

    private func load(_ text: String = yaml) throws -> Configuration {
        try Configuration.parse(text, hostname: "host.example").configuration
    }

    @Test func syncerSettings() throws {
        let configuration = try load()
        let settings = SyncSettings(
            configuration.databases[0], in: configuration, receiveOnly: true, hostname: "host.example")
        #expect(settings.identity.database == "main")
        #expect(settings.identity.instance == "ns1")
        #expect(settings.identity.hostname == "host.example")
        #expect(settings.lmdbPollInterval == .seconds(2))
        #expect(settings.machine.instance == "ns1")
        #expect(settings.machine.receiveOnly)
        #expect(settings.machine.onlyOnce)
        #expect(settings.machine.storagePollInterval == .seconds(3))
        #expect(settings.machine.receiver.concurrentDownloads == 5)
        #expect(settings.machine.receiver.retryInterval == .seconds(4))
        #expect(settings.machine.sender.minimumInterval == .seconds(2))
        #expect(settings.machine.sender.forceInterval == .seconds(3600))
        #expect(settings.machine.sender.retryInterval == .seconds(4))
        #expect(settings.machine.sender.retryLimit == 7)
        #expect(try #require(settings.machine.deltas).fullInterval == .seconds(6))
        let sweeper = try #require(settings.machine.sweeper)
        #expect(sweeper.retention == .seconds(864_000))
        #expect(sweeper.firstInterval == .seconds(60) && sweeper.interval == .seconds(120))
        #expect(sweeper.lockDuration == .milliseconds(3) && sweeper.releaseDuration == .milliseconds(4))
        #expect(settings.deletedCutoff.retention == .seconds(864_000))
        #expect(settings.deletedCutoff.margin == .seconds(18_000))
        #expect(settings.creationFlags == ["one": .integerKey])
        #expect(settings.paddingBlock)
        let options = settings.environment
        #expect(options.path == "/data/pdns")
        #expect(options.noSubdirectory)
        #expect(options.create)
        #expect(!options.readOnly)
        #expect(options.directoryMode == 0o750)
        #expect(options.fileMode == 0o640)
        #expect(options.mapSize == 2 << 30)
        #expect(options.maximumDatabases == 9)
    }

    @Test func retryForeverAndNoSweeper() throws {
        let configuration = try load(
            "lmdbs: {a: {path: p, schema_tracks_changes: yes}}\nstorage: {type: memory}\nstorage_retry_forever: true")
        let settings = SyncSettings(
            configuration.databases[0], in: configuration, receiveOnly: false, hostname: "h")
        #expect(settings.machine.sender.retryLimit == nil)
        #expect(settings.deletedCutoff.retention == nil)
        #expect(!settings.machine.receiveOnly)
        #expect(!settings.machine.onlyOnce)
    }

    @Test func deltasAreUsedUnlessTheyAreOff() throws {
        let rest = "\nlmdbs: {a: {path: p}}\nstorage: {type: memory}"
        func deltas(_ text: String) throws -> OwnChain.Settings? {
            let configuration = try load(text + rest)
            return SyncSettings(configuration.databases[0], in: configuration, receiveOnly: false, hostname: "h")
                .machine.deltas
        }
        #expect(try #require(try deltas("")).fullInterval == nil)
        #expect(try #require(try deltas("full_snapshot_interval: auto")).fullInterval == nil)
        #expect(try deltas("deltas: {enabled: false}") == nil)
    }

    @Test func shadowMode() throws {
        let configuration = try load(
            """
            lmdbs:
              native: {path: a, schema_tracks_changes: yes}
              shadow: {path: b}
              hack: {path: c, dupsort_hack: yes}
            storage: {type: memory}
            """)
        let settings = configuration.databases.map {
            SyncSettings($0, in: configuration, receiveOnly: false, hostname: "h")
        }
        let schemas = Dictionary(uniqueKeysWithValues: settings.map { ($0.identity.database, $0.schema) })
        #expect(
            schemas == [
                "native": .native, "shadow": .shadow(dupSortHack: false), "hack": .shadow(dupSortHack: true),
            ])
        #expect(settings.allSatisfy { $0.machine.hasShadows == ($0.schema != .native) })
    }

    @Test func s3Options() throws {
        let configuration = try load(
            """
            lmdbs: {a: {path: p}}
            storage:
              type: s3
              options:
                access_key: ak
                secret_key: sk
                region: eu-1
                bucket: bu
                create_bucket: true
                endpoint_url: https://s3.example:9000
                addressing: virtual
                storage_class: COLD
                global_prefix: pre/
                prefix_folders: true
                hide_folders: true
                disable_send_content_md5: true
                num_minio_threads: 3
                notifications: off
                secrets_refresh_interval: 16s
                init_timeout: 1s
                idle_conn_timeout: 2s
                max_idle_conns: 33
                dial_timeout: 4s
                dial_keep_alive: 5s
                tls_handshake_timeout: 6s
                client_timeout: 7s
                tls: {ca_file: /ca, add_system_ca_pool: true, cert_file: /cert, key_file: /key, watch_certs: true,
                      watch_certs_poll_interval: 8s, insecure_skip_verify: true, insecure_key_log_file: /log}
            """)
        guard case .s3(let configured) = configuration.storage.backend else {
            Issue.record("not s3")
            return
        }
        let options = S3Options(configured, writes: true)
        #expect(options.accessKey == "ak")
        #expect(options.secretKey == "sk")
        #expect(options.region == "eu-1" && !options.learnsRegion)
        #expect(options.bucket == "bu")
        #expect(options.createBucket)
        #expect(options.endpointURL == "https://s3.example:9000")
        #expect(options.addressing == .virtual)
        #expect(options.storageClass == "COLD")
        #expect(options.globalPrefix == "pre/")
        #expect(options.prefixFolders)
        #expect(options.hideFolders)
        #expect(options.disableSendContentMD5)
        #expect(options.parallelParts == 3)
        #expect(options.notifications == .off)
        #expect(options.secretsRefreshInterval == .seconds(16))
        #expect(options.initTimeout == .seconds(1))
        #expect(options.idleConnectionTimeout == .seconds(2))
        #expect(options.maximumIdleConnections == 33)
        #expect(options.dialTimeout == .seconds(4))
        #expect(options.dialKeepAlive == .seconds(5))
        #expect(options.tlsHandshakeTimeout == .seconds(6))
        #expect(options.clientTimeout == .seconds(7))
        #expect(options.tls.caFile == "/ca")
        #expect(options.tls.addSystemCAPool)
        #expect(options.tls.certFile == "/cert")
        #expect(options.tls.keyFile == "/key")
        #expect(options.tls.watchCerts)
        #expect(options.tls.watchCertsPollInterval == .seconds(8))
        #expect(options.tls.insecureSkipVerify)
        #expect(options.tls.insecureKeyLogFile == "/log")
        // Receiving makes no request but List and Get.
        #expect(!S3Options(configured, writes: false).createBucket)
    }

    @Test func s3InlineSecretsAndFiles() throws {
        let configuration = try load(
            """
            lmdbs: {a: {path: p}}
            storage:
              type: s3
              options: {bucket: b, access_key_file: /ak, secret_key_file: /sk, tls: {ca: CA, cert: CERT, key: KEY}}
            """)
        guard case .s3(let configured) = configuration.storage.backend else {
            Issue.record("not s3")
            return
        }
        let options = S3Options(configured, writes: true)
        #expect(options.region == "us-east-1" && options.learnsRegion)
        #expect(options.accessKeyFile == "/ak")
        #expect(options.secretKeyFile == "/sk")
        #expect(options.tls.ca == "CA")
        #expect(options.tls.cert == "CERT")
        #expect(options.tls.key == "KEY")
    }

    @Test func storages() async throws {
        let directory = try TemporaryDirectory()
        let open: (StorageBackend) async throws -> OpenStorage = { backend in
            try await StorageFactory.open(
                StorageConfiguration(backend), writes: true, environment: { _ in nil },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }
        var fs = FileSystemStorageOptions()
        fs.rootPath = directory.file("bucket")
        func base(_ store: any BlobStore) -> any BlobStore {
            let sealed = (store as? AdvisedStore)?.base
            return (sealed as? SealedStore)?.base ?? store
        }
        #expect((base(try await open(.fileSystem(fs)).store) as? FileSystemStore)?.rootPath == fs.rootPath)
        #expect(base(try await open(.memory).store) is MemoryStore)
        var s3 = S3StorageOptions()
        (s3.bucket, s3.accessKey, s3.secretKey) = ("b", "a", "s")
        #expect(base(try await open(.s3(s3)).store) is S3Store)
        s3.updateMarker.isUsed = true
        let marked = try await open(.s3(s3))
        #expect(base(marked.store) is UpdateMarkerStore)
        #expect(base(marked.unmarked) is S3Store)
        var azure = AzureStorageOptions()
        (azure.container, azure.accountName, azure.accountKey) = ("zones", "lab", "a2V5")
        #expect(base(try await open(.azure(azure)).store) is AzureStore)
        azure.updateMarker.isUsed = true
        #expect(base(try await open(.azure(azure)).store) is UpdateMarkerStore)
        let error = await #expect(throws: BlobStoreError.self) { try await open(.azure(AzureStorageOptions())) }
        #expect(error?.description == "no Azure storage account is set; set storage.options.account_name")
    }

    /// Whatever goes to a storage with identities is sealed, by both ways; a bad identity is one line.
    @Test func sealedStorages() async throws {
        let directory = try TemporaryDirectory()
        var storage = StorageConfiguration()
        var fs = FileSystemStorageOptions()
        fs.rootPath = directory.path + "/bucket"
        storage.backend = .fileSystem(fs)
        storage.sealing.identityFiles = [directory.file("identity")]
        let open: () async throws -> OpenStorage = {
            try await StorageFactory.open(
                storage, writes: true, owner: "a", environment: { _ in nil },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }
        let error = await #expect(throws: CommandFailure.self) { _ = try await open() }
        let problem = "storage.sealing.identity_files: cannot read the identity file \(directory.path)"
        #expect(error?.description.hasPrefix(problem) == true)
        let identity = try IdentityFile.create(directory.file("identity"), made: "today")
        let opened = try await open()
        #expect(opened.store.stagingDirectory == nil && opened.unmarked.stagingDirectory == nil)
        try await opened.store.store("one", Spool([1]))
        try await opened.unmarked.store("two", Spool([2]))
        #expect(try await opened.raw.list(prefix: "").map(\.name) == ["one.age", "two.age"])
        #expect(try await opened.store.load("two").count == 1)
        #expect(opened.seals.seal(of: "two") == .key(identity.keyID))
    }

    @Test func logSettings() throws {
        let settings = LogSettings(try load(), usesColour: true)
        #expect(
            settings
                == LogSettings(format: .json, timestamp: .full, level: .critical, usesColour: true, databaseWidth: 6))
    }

    @Test func localDatabases() throws {
        #expect(
            try load().databases.map(LocalDatabase.init) == [
                LocalDatabase(
                    name: "main", path: "/data/pdns", noSubdirectory: true, mapSize: 2 << 30, isNative: true,
                    isCreatedBySync: true),
                LocalDatabase(name: "shadow", path: "/data/other", noSubdirectory: false, isNative: false),
            ])
    }
}
