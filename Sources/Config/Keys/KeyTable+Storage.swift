/// The section `storage` of the file; the options depend on the type.
struct StorageSection: ConfigurationSection {
    var type: StorageType?
    var rootPath = ""
    var s3 = S3StorageOptions()
    var fileSystem = FileSystemStorageOptions()
    var memory = MemoryStorageOptions()
    var azure = AzureStorageOptions()
    var cleanup = CleanupConfiguration()
    var sealing = SealingConfiguration()

    init() {}

    init(_ storage: StorageConfiguration) {
        type = storage.backend.type
        (cleanup, sealing) = (storage.cleanup, storage.sealing)
        switch storage.backend {
        case .s3(let options): s3 = options
        case .fileSystem(let options): fileSystem = options
        case .memory: break
        case .azure(let options): azure = options
        }
    }

    /// Memory is used if the type is missing, which is an error.
    var configuration: StorageConfiguration {
        var storage = StorageConfiguration()
        (storage.cleanup, storage.sealing) = (cleanup, sealing)
        storage.backend =
            switch type {
            case .s3: .s3(s3)
            case .fileSystem: .fileSystem(fileSystem)
            case .memory, nil: .memory
            case .azure: .azure(azure)
            }
        return storage
    }
}

/// The memory storage has no options.
struct MemoryStorageOptions: ConfigurationSection {}

extension KeyTable {
    static let storageSection = KeyDefinition<Configuration>(
        name: "storage", descriptions: storage.descriptions(below: "storage"),
        decode: { entry, root, scope, decoder in
            let here = scope.below("storage", entry)
            var section = StorageSection()
            decoder.mapping(entry?.value, storage, into: &section, at: here)
            Checks.storage(&section, here, &decoder)
            root.storage = section.configuration
        },
        render: { root, writer in
            writer.section("storage") { storage.render(StorageSection(root.storage), &$0) }
        })

    // The order matters: the type determines the options.
    private static let storage: [KeyDefinition<StorageSection>] = [
        .value("type", \.type, .storageType, "Where snapshots are kept.", .required),
        KeyDefinition(
            name: "options",
            descriptions: (s3.options(of: .s3) + fileSystem.options(of: .fileSystem) + azure.options(of: .azure)),
            decode: { entry, section, scope, decoder in
                decodeOptions(entry, &section, scope.below("options", entry), &decoder)
            },
            render: { section, writer in
                writer.sectionIfAny("options") { writer in
                    switch section.type {
                    case .s3: s3.render(section.s3, &writer)
                    case .fileSystem: fileSystem.render(section.fileSystem, &writer)
                    case .azure: azure.render(section.azure, &writer)
                    case .memory, nil: break
                    }
                }
            }),
        KeyDefinition.value(
            "root_path", \.rootPath, .text, "Old spelling of `options.root_path` of type `fs`.",
            .deprecated("use storage.options.root_path")
        ).hidden,
        .section("cleanup", \.cleanup, cleanup, check: Checks.cleanup),
        KeyDefinition(
            name: "sealing", descriptions: sealing.descriptions(below: "sealing"),
            decode: { entry, section, scope, decoder in
                let here = scope.below("sealing", entry)
                decoder.mapping(entry?.value, sealing, into: &section.sealing, at: here)
                Checks.sealing(section.sealing, here, &decoder)
            },
            render: { section, writer in
                // Without identities the section is an error.
                guard !section.sealing.identityFiles.isEmpty else { return }
                writer.section("sealing") { sealing.render(section.sealing, &$0) }
            }),
    ]

    private static let sealing: [KeyDefinition<SealingConfiguration>] = [
        .list(
            "identity_files", \.identityFiles, .identityFile,
            "Files with identities, as `lightningstream keygen` and `age-keygen` make them. The first identity seals all objects,"
                + " and all open them.", default: "nothing is sealed"),
        .value(
            "accept_unsealed", \.acceptUnsealed, .bool,
            "Read objects of others that are not sealed as well, while a cluster is converted."),
    ]

    private static func decodeOptions(
        _ entry: YAMLEntry?, _ section: inout StorageSection, _ scope: Scope, _ decoder: inout KeyDecoder
    ) {
        guard let type = section.type else { return checkNames(entry, scope, &decoder) }
        let explain = { (name: String) in
            owners(of: name).map { KeyFault.otherStorage(owners: $0, type: type.rawValue) }
        }
        switch type {
        case .s3: decoder.mapping(entry?.value, s3, into: &section.s3, at: scope, explain: explain)
        case .fileSystem:
            decoder.mapping(entry?.value, fileSystem, into: &section.fileSystem, at: scope, explain: explain)
        case .memory: decoder.mapping(entry?.value, [], into: &section.memory, at: scope, explain: explain)
        case .azure: decoder.mapping(entry?.value, azure, into: &section.azure, at: scope, explain: explain)
        }
    }

    /// Without a type, only the names of the options are checked.
    private static func checkNames(_ entry: YAMLEntry?, _ scope: Scope, _ decoder: inout KeyDecoder) {
        for option in decoder.entries(of: entry?.value, at: scope) where owners(of: option.name) == nil {
            decoder.unknownKey(option, allowed: s3.map(\.name) + fileSystem.map(\.name) + azure.map(\.name), at: scope)
        }
    }

    /// The types of storage with an option of this name, or nil for an unknown key.
    private static func owners(of name: String) -> [String]? {
        let names = [
            (StorageType.s3, s3.map(\.name)), (.fileSystem, fileSystem.map(\.name)), (.azure, azure.map(\.name)),
        ]
        let owners = names.filter { $0.1.contains(name) }.map(\.0.rawValue)
        return owners.isEmpty ? nil : owners
    }

    private static let cleanup: [KeyDefinition<CleanupConfiguration>] = [
        .value(
            "enabled", \.enabled, .bool,
            "Remove old snapshots of every instance. Not with `only_once`, nor by `receive`."),
        .value("interval", \.interval, .anyDuration, "Time between runs, varied by 20 %."),
        .value(
            "must_keep_interval", \.mustKeepInterval, .anyDuration,
            "Keep every snapshot for at least this long after it was first seen."),
        .value(
            "remove_old_instances_interval", \.removeOldInstancesInterval, .anyDuration,
            "Remove the last snapshot of an instance when it is older than this and its contents were merged and sent by this one."
        ),
    ]

    private static let fileSystem: [KeyDefinition<FileSystemStorageOptions>] = [
        .value(
            "root_path", \.rootPath, .text,
            "Directory of the snapshots; `sync` creates it at start if it is missing.", .required)
    ]

    private static let s3: [KeyDefinition<S3StorageOptions>] =
        [
            .value(
                "access_key", \.accessKey, .text,
                "Access key ID. Without keys and key files, credentials are looked for as AWS's SDKs do: AWS_* environment"
                    + " variables, profiles, and roles of pods, containers and instances."),
            .value("secret_key", \.secretKey, .text, "Secret access key.", .secret),
            .value("access_key_file", \.accessKeyFile, .text, "File with the access key ID, instead of `access_key`."),
            .value(
                "secret_key_file", \.secretKeyFile, .text, "File with the secret access key, instead of `secret_key`."),
            .value(
                "secrets_refresh_interval", \.secretsRefreshInterval, refreshInterval,
                "Interval at which the key files and profiles are read again."),
            .value(
                "region", \.region, .text,
                "Region that requests are signed for. The server may name another one in place of the default."),
            .value("bucket", \.bucket, .text, "The bucket.", .required),
            .value("create_bucket", \.createBucket, .bool, "Create the bucket if it does not exist."),
            .value(
                "endpoint_url", \.endpointURL, .endpointURL(of: .s3),
                "URL of the service if it is not AWS, optionally with a path.", default: "AWS"),
            .value(
                "addressing", \.addressing, .choice,
                "Position of the bucket in URLs: `path`, `virtual` (in the host name), or `auto`: in the host name for AWS,"
                    + " Google and Alibaba."),
            .value("storage_class", \.storageClass, .text, "Storage class of new objects.", default: "the bucket's"),
            .value("global_prefix", \.globalPrefix, .text, "Prefix of all object names."),
            .value(
                "prefix_folders", \.prefixFolders, .bool, "Old spelling of `hide_folders`.",
                .deprecated("use hide_folders")),
            .value("hide_folders", \.hideFolders, .bool, "Exclude names with a slash from listings."),
            .value(
                "disable_send_content_md5", \.disableSendContentMD5, .bool,
                "Send no Content-MD5, for services that refuse it."),
            .value(
                "num_minio_threads", \.numMinioThreads, .count(atLeast: 0, upTo: 1000),
                "Concurrent parts of one upload; 0 for the default."),
            .value(
                "notifications", \.notifications, .choice,
                "Have the server announce changes over a connection: `auto`, `on` (a warning if it cannot) or `off`."
            ),
        ] + connection.map { $0.within(\.connection) } + updateMarker.map { $0.within(\.updateMarker) } + [
            .section("tls", \.tls, tls, check: Checks.tls)
        ]

    private static let azure: [KeyDefinition<AzureStorageOptions>] =
        [
            .value("account_name", \.accountName, .text, "Storage account."),
            .value(
                "account_key", \.accountKey, .text,
                "Key of the account. Without it and `account_key_file`, AZURE_* environment variables and the identity of the"
                    + " workload or machine are used.", .secret),
            .value(
                "account_key_file", \.accountKeyFile, .text,
                "File with the key of the account, instead of `account_key`."
            ),
            .value(
                "secrets_refresh_interval", \.secretsRefreshInterval, refreshInterval,
                "Interval at which the key file is read again."),
            .value(
                "use_shared_key", \.useSharedKey, .bool,
                "Use nothing else than a key of the account. A configured key is used in any case."),
            .value("container", \.container, .text, "The container.", .required),
            .value("create_container", \.createContainer, .bool, "Create the container if it does not exist."),
            .value(
                "endpoint_url", \.endpointURL, .endpointURL(of: .azure),
                "URL of the account's blob service if it is not Azure's own, optionally with a path.",
                default: "Azure"),
            .value("global_prefix", \.globalPrefix, .text, "Prefix of all object names."),
            .value(
                "concurrency", \.concurrency, .count(atLeast: 1, upTo: 1000),
                "Concurrent blocks of one upload."),
        ] + connection.map { $0.within(\.connection) } + updateMarker.map { $0.within(\.updateMarker) } + [
            .section("tls", \.tls, tls, check: Checks.tls)
        ]

    private static let refreshInterval = ValueType.duration(zeroIs: S3StorageOptions().secretsRefreshInterval)
        .ranged(">= 1s")

    /// 0 means the default of each, as in release 1.0.
    private static let connection: [KeyDefinition<ConnectionOptions>] = {
        let usual = ConnectionOptions()
        return [
            .value(
                "init_timeout", \.initTimeout, .duration(zeroIs: usual.initTimeout),
                "Timeout of the first request at start."),
            .value(
                "idle_conn_timeout", \.idleConnTimeout, .duration(zeroIs: usual.idleConnTimeout, negativeIsNone: true),
                "Close idle connections after this time; negative for never."),
            .value(
                "max_idle_conns", \.maxIdleConns, .count(zero: usual.maxIdleConns, negative: 1, upTo: mostThings),
                "Maximum number of idle connections."),
            .value("dial_timeout", \.dialTimeout, .duration(zeroIs: usual.dialTimeout), "Timeout of connecting."),
            .value(
                "dial_keep_alive", \.dialKeepAlive, .duration(zeroIs: usual.dialKeepAlive, negativeIsNone: true),
                "Interval of TCP keep-alive probes; negative for none."),
            .value(
                "tls_handshake_timeout", \.tlsHandshakeTimeout, .duration(zeroIs: usual.tlsHandshakeTimeout),
                "Timeout of the TLS handshake."),
            .value(
                "client_timeout", \.clientTimeout, .duration(zeroIs: usual.clientTimeout, negativeIsNone: true),
                "Timeout of one whole request; negative for none."),
        ]
    }()

    private static let updateMarker: [KeyDefinition<UpdateMarkerOptions>] = [
        .value(
            "use_update_marker", \.isUsed, .bool,
            "Maintain an object that marks changes, and list only when it has changed. On all instances or on none."),
        .value(
            "update_marker_force_list_interval", \.forceListInterval,
            .duration(zeroIs: UpdateMarkerOptions().forceListInterval, negativeIsNone: true),
            "With the update marker, list at least at this interval; negative for every poll."),
    ]

    private static let tls: [KeyDefinition<TLSOptions>] = [
        .value("ca_file", \.caFile, .text, "File of CA certificates trusted instead of the system's."),
        .value("ca", \.ca, .pem, "CA certificates trusted instead of the system's."),
        .value(
            "add_system_ca_pool", \.addSystemCAPool, .bool,
            "Trust the system's CA certificates in addition to `ca` and `ca_file`."),
        .value("cert_file", \.certFile, .text, "File of the client certificate."),
        .value("cert", \.cert, .pem, "Client certificate."),
        .value("key_file", \.keyFile, .text, "File of the key of the client certificate."),
        .value("key", \.key, .pem, "Key of the client certificate.", .secret),
        .value("watch_certs", \.watchCerts, .bool, "Read the files again when they change."),
        .value(
            "watch_certs_poll_interval", \.watchCertsPollInterval,
            .duration(zeroIs: TLSOptions().watchCertsPollInterval), "Interval at which the files are checked."),
        .value(
            "require_client_cert", \.requireClientCert, .bool, "For servers only.",
            .noEffect("it is a server that requires a client certificate")),
        .value(
            "insecure_skip_verify", \.insecureSkipVerify, .bool,
            "Do not verify the server's certificate. Anybody on the network path can then read and change everything."),
        .value(
            "insecure_key_log_file", \.insecureKeyLogFile, .text,
            "File for the session keys, to decrypt recorded traffic."),
    ]
}

extension Array {
    /// The keys as options of this type of storage, with paths from `storage`.
    fileprivate func options<Root>(of type: StorageType) -> [KeyDescription] where Element == KeyDefinition<Root> {
        descriptions(below: "options").map { description in
            var description = description
            description.storageType = type
            return description
        }
    }
}

extension KeyDefinition {
    /// The same key, omitted from the effective configuration because its value appears under another key.
    fileprivate var hidden: KeyDefinition {
        var key = self
        key.render = { _, _ in }
        return key
    }
}
