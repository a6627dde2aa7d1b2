/// Checks across keys. Each function takes a decoded section and reports inconsistencies.
enum Checks {
    static func database(_ database: inout DatabaseConfiguration, _ scope: Scope, _ decoder: inout KeyDecoder) {
        if database.path.isEmpty { required("path", scope, &decoder, "the path of the LMDB") }
        if database.schemaTracksChanges, database.dupsortHack {
            decoder.report(scope, "dupsort_hack", .notNative)
        }
        // 0 means the default in files of release 1.0.
        let defaults = EnvironmentOptions()
        if database.options.maxDBs == 0 { database.options.maxDBs = defaults.maxDBs }
    }

    static func storage(_ section: inout StorageSection, _ scope: Scope, _ decoder: inout KeyDecoder) {
        let options = Scope(path: scope.path + ["options"], position: decoder.position(scope, "options"))
        switch section.type {
        case nil:
            required("type", scope, &decoder, StorageType.offered)
        case .fileSystem: fileSystem(&section, scope, options, &decoder)
        case .s3: s3(&section.s3, options, &decoder)
        case .azure: azure(&section.azure, options, &decoder)
        case .memory: break
        }
        if let type = section.type, type != .fileSystem, decoder.isGiven(scope, "root_path") {
            let owners = [StorageType.fileSystem.rawValue]
            decoder.report(scope, "root_path", .key(.otherStorage(owners: owners, type: type.rawValue)))
        }
    }

    private static func fileSystem(
        _ section: inout StorageSection, _ scope: Scope, _ options: Scope, _ decoder: inout KeyDecoder
    ) {
        let written = section.fileSystem.rootPath
        if !section.rootPath.isEmpty {
            // As in release 1.0.
            section.fileSystem.rootPath = section.rootPath
            if !written.isEmpty, section.rootPath != written {
                decoder.warn(scope, "root_path", .oldSpelling(used: section.rootPath, ignored: written))
            }
        }
        if section.fileSystem.rootPath.isEmpty, decoder.isSound(scope, "root_path") {
            required("root_path", options, &decoder, "the directory of the snapshots")
        }
    }

    private static func s3(_ s3: inout S3StorageOptions, _ scope: Scope, _ decoder: inout KeyDecoder) {
        if s3.bucket.isEmpty { required("bucket", scope, &decoder, "the name of the bucket") }
        let defaults = S3StorageOptions()
        if s3.numMinioThreads == 0 { s3.numMinioThreads = defaults.numMinioThreads }
        if s3.region.isEmpty { s3.region = defaults.region }
        s3Keys(&s3, scope, &decoder)
    }

    /// Complete key files are used, otherwise complete keys, as in release 1.0; the rest has no effect.
    private static func s3Keys(_ s3: inout S3StorageOptions, _ scope: Scope, _ decoder: inout KeyDecoder) {
        let (keys, files) = (["access_key", "secret_key"], ["access_key_file", "secret_key_file"])
        if files.allSatisfy({ decoder.isGiven(scope, $0) }) {
            for name in keys where decoder.isGiven(scope, name) {
                decoder.warn(scope, name, .filesAreUsed)
            }
            (s3.accessKey, s3.secretKey) = ("", "")
            if s3.secretsRefreshInterval < .seconds(1), decoder.isSound(scope, "secrets_refresh_interval") {
                decoder.report(scope, "secrets_refresh_interval", .refreshedTooOften(s3.secretsRefreshInterval))
            }
        } else if keys.allSatisfy({ decoder.isGiven(scope, $0) }) {
            for name in files where decoder.isGiven(scope, name) {
                decoder.warn(scope, name, .keysAreUsed)
            }
            (s3.accessKeyFile, s3.secretKeyFile) = ("", "")
        } else {
            pair(keys[0], keys[1], scope, &decoder)
            pair(files[0], files[1], scope, &decoder)
        }
    }

    private static func azure(_ azure: inout AzureStorageOptions, _ scope: Scope, _ decoder: inout KeyDecoder) {
        if azure.container.isEmpty { required("container", scope, &decoder, "the name of the container") }
        exclusive("account_key", "account_key_file", scope, &decoder)
    }

    static func tls(_ tls: inout TLSOptions, _ scope: Scope, _ decoder: inout KeyDecoder) {
        superseded("ca_file", by: "ca", \.caFile, &tls, scope, &decoder)
        superseded("cert_file", by: "cert", \.certFile, &tls, scope, &decoder)
        superseded("key_file", by: "key", \.keyFile, &tls, scope, &decoder)
        let cert = ["cert", "cert_file"].first { decoder.isGiven(scope, $0) }
        let key = ["key", "key_file"].first { decoder.isGiven(scope, $0) }
        if let cert, key == nil {
            decoder.warn(scope, cert, .noCertificateKey)
            (tls.cert, tls.certFile) = ("", "")
        }
        if let key, cert == nil {
            decoder.warn(scope, key, .noCertificate)
            (tls.key, tls.keyFile) = ("", "")
        }
    }

    /// Release 1.0 uses the text if both are set.
    private static func superseded(
        _ file: String, by text: String, _ property: WritableKeyPath<TLSOptions, String>, _ tls: inout TLSOptions,
        _ scope: Scope, _ decoder: inout KeyDecoder
    ) {
        guard decoder.isGiven(scope, file), decoder.isGiven(scope, text) else { return }
        decoder.warn(scope, file, .besideText(text))
        tls[keyPath: property] = ""
    }

    /// The longest accepted retention: a hundred years.
    private static let mostDays = 36_500.0

    /// The keys of a disabled sweeper may have any value.
    static func sweeper(_ sweeper: inout SweeperConfiguration, _ scope: Scope, _ decoder: inout KeyDecoder) {
        let days = sweeper.retentionDays
        if days.isNaN {
            sweeper.retentionDays = SweeperConfiguration().retentionDays
        } else {
            sweeper.retentionDays = min(mostDays, max(-mostDays, days))
        }
        guard sweeper.enabled else { return }
        if !(days > 0) {
            decoder.report(scope, "retention_days", .noRetention(days))
        } else if days > mostDays {
            decoder.warn(scope, "retention_days", .longRetention(days, taken: Int(mostDays)))
        }
        pause("interval", \.interval, &sweeper, scope, &decoder)
        for (name, property) in [
            ("first_interval", \SweeperConfiguration.firstInterval), ("lock_duration", \.lockDuration),
            ("release_duration", \.releaseDuration),
            ("retention_load_cutoff_duration", \.retentionLoadCutoffDuration),
        ] {
            notNegative(name, property, &sweeper, scope, &decoder)
        }
    }

    static func cleanup(_ cleanup: inout CleanupConfiguration, _ scope: Scope, _ decoder: inout KeyDecoder) {
        guard cleanup.enabled else { return }
        pause("interval", \.interval, &cleanup, scope, &decoder)
        notNegative("must_keep_interval", \.mustKeepInterval, &cleanup, scope, &decoder)
        notNegative("remove_old_instances_interval", \.removeOldInstancesInterval, &cleanup, scope, &decoder)
    }

    /// Who writes the section does not want anything to be stored in the clear.
    static func sealing(_ sealing: SealingConfiguration, _ scope: Scope, _ decoder: inout KeyDecoder) {
        // A variable may be empty.
        let isComplete = !sealing.identityFiles.isEmpty && !sealing.identityFiles.contains("")
        guard decoder.isWritten(scope), !isComplete else { return }
        required(
            "identity_files", scope, &decoder,
            "a list of files that `lightningstream keygen` has made; or remove sealing")
    }

    /// A pause between two runs, which must not run without interruption.
    private static func pause<Section>(
        _ name: String, _ property: WritableKeyPath<Section, Duration>, _ section: inout Section, _ scope: Scope,
        _ decoder: inout KeyDecoder
    ) {
        let (found, least, usual) = (section[keyPath: property], Duration.milliseconds(100), Duration.seconds(1))
        guard found < usual else { return }
        section[keyPath: property] = max(found, least)
        decoder.warn(scope, name, .shortPause(found, taken: found < least ? least : nil))
    }

    private static func notNegative<Section>(
        _ name: String, _ property: WritableKeyPath<Section, Duration>, _ section: inout Section, _ scope: Scope,
        _ decoder: inout KeyDecoder
    ) {
        let found = section[keyPath: property]
        guard found < .zero else { return }
        section[keyPath: property] = .zero
        decoder.warn(scope, name, .negative(found))
    }

    static func powerDNSAPI(_ api: inout PowerDNSAPIConfiguration, _ scope: Scope, _ decoder: inout KeyDecoder) {
        exclusive("key", "key_file", scope, &decoder)
        if !api.url.isEmpty, api.key.isEmpty, api.keyFile.isEmpty, !decoder.isGiven(scope, "key") {
            decoder.report(scope, "url", .noAPIKey)
        }
        if api.url.isEmpty, decoder.isSound(scope, "url") {
            for (name, value) in [("key", api.key), ("key_file", api.keyFile)] where !value.isEmpty {
                decoder.report(scope, name, .noAPIAddress)
            }
        }
    }

    private static func powerDNS(
        _ configuration: Configuration, _ scope: Scope, _ decoder: inout KeyDecoder
    ) {
        let (section, here) = (configuration.powerDNS, scope.below("powerdns", nil))
        let names = configuration.databases.map(\.name)
        for (key, name) in [("main", section.main), ("shard", section.shard)] where !name.isEmpty {
            guard !names.contains(name) else { continue }
            decoder.report(here, key, .noDatabase(name))
        }
        if !section.main.isEmpty, section.main == section.shard {
            decoder.report(here, "shard", .sameDatabase)
        }
    }

    private static func push(_ configuration: Configuration, _ scope: Scope, _ decoder: inout KeyDecoder) {
        guard configuration.push.advertise != nil else { return }
        let here = scope.below("push", nil)
        if configuration.push.tokenFile.isEmpty, decoder.isSound(here, "token_file") {
            decoder.report(here, "advertise", .needs("token_file"))
        }
        if configuration.http.address == nil, decoder.isSound(scope.below("http", nil), "address") {
            decoder.report(here, "advertise", .needs("http.address"))
        }
        if !configuration.publishState, decoder.isSound(scope, "publish_state") {
            decoder.report(here, "advertise", .needs("publish_state: true"))
        }
    }

    /// Checks that concern the whole file.
    static func configuration(
        _ configuration: inout Configuration, hostname: String, _ scope: Scope, _ decoder: inout KeyDecoder
    ) {
        if configuration.instance.isEmpty, decoder.isSound(scope, "instance") {
            configuration.instance = String(InstanceName.sanitised(hostname).prefix(InstanceName.longest))
            if configuration.instance.isEmpty {
                decoder.report(scope, "instance", .noInstance)
            }
        }
        if configuration.databases.isEmpty, decoder.isSound(scope, "lmdbs") {
            decoder.report(scope, "lmdbs", .required("at least one database, as in lmdbs.main.path"))
        }
        powerDNS(configuration, scope, &decoder)
        push(configuration, scope, &decoder)
        var owners: [String: String] = [:]
        for database in configuration.databases where !database.path.isEmpty {
            let here = Scope(
                path: scope.path + ["lmdbs", database.name], position: decoder.position(scope, "lmdbs"))
            if let owner = owners.updateValue(database.name, forKey: database.dataFile) {
                decoder.report(here, "path", .samePath(database.path, owner: owner))
            }
        }
    }

    private static func required(_ name: String, _ scope: Scope, _ decoder: inout KeyDecoder, _ what: String) {
        guard decoder.isSound(scope, name), decoder.isSound(scope) else { return }
        decoder.report(scope, name, .required(what))
    }

    private static func pair(_ left: String, _ right: String, _ scope: Scope, _ decoder: inout KeyDecoder) {
        for (given, missing) in [(left, right), (right, left)]
        where decoder.isGiven(scope, given) && !decoder.isGiven(scope, missing) && decoder.isSound(scope, missing) {
            decoder.report(scope, given, .needs(missing))
        }
    }

    private static func exclusive(_ left: String, _ right: String, _ scope: Scope, _ decoder: inout KeyDecoder) {
        guard decoder.isGiven(scope, left), decoder.isGiven(scope, right) else { return }
        decoder.report(scope, right, .exclusive(left))
    }
}

extension DatabaseConfiguration {
    /// The file that LMDB uses, without redundant `.` and `/`, to detect two databases with the same file.
    fileprivate var dataFile: String {
        var parts = path.split(separator: "/").filter { $0 != "." }
        if !options.noSubdir { parts.append("data.mdb") }
        return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}
