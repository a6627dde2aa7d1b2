/// What keys have to fulfil together. Each function gets a section as it was read and reports what does not fit.
enum Checks {
    static func database(_ database: inout DatabaseConfiguration, _ scope: Scope, _ decoder: inout KeyDecoder) {
        if database.path.isEmpty { required("path", scope, &decoder, "the path of the LMDB") }
        if database.schemaTracksChanges, database.dupsortHack {
            decoder.report(
                scope, "dupsort_hack",
                "found true, but it is not allowed together with schema_tracks_changes: remove one of the two")
        }
        // 0 stands for the default in files of release 1.0.
        let defaults = EnvironmentOptions()
        if database.options.maxDBs == 0 { database.options.maxDBs = defaults.maxDBs }
    }

    static func storage(_ section: inout StorageSection, _ scope: Scope, _ decoder: inout KeyDecoder) {
        let options = Scope(path: scope.path + ["options"], position: decoder.position(scope, "options"))
        switch section.type {
        case nil:
            required("type", scope, &decoder, allowedChoices(StorageType.self))
        case .fileSystem: fileSystem(&section, scope, options, &decoder)
        case .s3: s3(&section.s3, options, &decoder)
        case .azure: azure(&section.azure, options, &decoder)
        case .memory: break
        }
        if let type = section.type, type != .fileSystem, decoder.isGiven(scope, "root_path") {
            decoder.report(scope, "root_path", "belongs to storage.type fs; the type here is \(type.rawValue)")
        }
    }

    private static func fileSystem(
        _ section: inout StorageSection, _ scope: Scope, _ options: Scope, _ decoder: inout KeyDecoder
    ) {
        let written = section.fileSystem.rootPath
        if written.isEmpty {
            section.fileSystem.rootPath = section.rootPath
        } else if !section.rootPath.isEmpty, section.rootPath != written {
            decoder.report(
                scope, "root_path",
                "found \(Display.quoted(section.rootPath)), but storage.options.root_path is"
                    + " \(Display.quoted(written)): remove the old spelling")
        }
        if section.fileSystem.rootPath.isEmpty, decoder.isSound(scope, "root_path") {
            required("root_path", options, &decoder, "the directory of the snapshots")
        }
    }

    private static func s3(_ s3: inout S3StorageOptions, _ scope: Scope, _ decoder: inout KeyDecoder) {
        if s3.bucket.isEmpty { required("bucket", scope, &decoder, "the name of the bucket") }
        if s3.numMinioThreads == 0 { s3.numMinioThreads = S3StorageOptions().numMinioThreads }
        pair("access_key", "secret_key", scope, &decoder)
        pair("access_key_file", "secret_key_file", scope, &decoder)
        exclusive("access_key", "access_key_file", scope, &decoder)
        exclusive("secret_key", "secret_key_file", scope, &decoder)
    }

    private static func azure(_ azure: inout AzureStorageOptions, _ scope: Scope, _ decoder: inout KeyDecoder) {
        if azure.container.isEmpty { required("container", scope, &decoder, "the name of the container") }
        exclusive("account_key", "account_key_file", scope, &decoder)
    }

    static func tls(_ tls: inout TLSOptions, _ scope: Scope, _ decoder: inout KeyDecoder) {
        exclusive("cert", "cert_file", scope, &decoder)
        exclusive("key", "key_file", scope, &decoder)
        let cert = ["cert", "cert_file"].first { decoder.isGiven(scope, $0) }
        let key = ["key", "key_file"].first { decoder.isGiven(scope, $0) }
        if let cert, key == nil { decoder.report(scope, cert, "needs its key: give key_file or key as well") }
        if let key, cert == nil { decoder.report(scope, key, "needs its certificate: give cert_file or cert as well") }
    }

    static func powerDNSAPI(_ api: inout PowerDNSAPIConfiguration, _ scope: Scope, _ decoder: inout KeyDecoder) {
        exclusive("key", "key_file", scope, &decoder)
        if !api.url.isEmpty, api.key.isEmpty, api.keyFile.isEmpty, !decoder.isGiven(scope, "key") {
            decoder.report(scope, "url", "needs the API's key: give key_file or key as well")
        }
        if api.url.isEmpty, decoder.isSound(scope, "url") {
            for (name, value) in [("key", api.key), ("key_file", api.keyFile)] where !value.isEmpty {
                decoder.report(scope, name, "needs the API's address: give url as well, or leave out both")
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
            decoder.report(
                here, key, "found \(Display.quoted(name)), but there is no such database in lmdbs")
        }
        if !section.main.isEmpty, section.main == section.shard {
            decoder.report(
                here, "shard", "the same database as powerdns.main: PowerDNS keeps its records in another one")
        }
    }

    /// What concerns the file as a whole.
    static func configuration(
        _ configuration: inout Configuration, hostname: String, _ scope: Scope, _ decoder: inout KeyDecoder
    ) {
        if configuration.instance.isEmpty, decoder.isSound(scope, "instance") {
            configuration.instance = String(InstanceName.sanitised(hostname).prefix(InstanceName.longest))
            if configuration.instance.isEmpty {
                decoder.report(scope, "instance", "required, because this host has no name: a name of this node's own")
            }
        }
        if configuration.databases.isEmpty, decoder.isSound(scope, "lmdbs") {
            decoder.report(scope, "lmdbs", "required: at least one database, as in lmdbs.main.path")
        }
        powerDNS(configuration, scope, &decoder)
        var owners: [String: String] = [:]
        for database in configuration.databases where !database.path.isEmpty {
            let here = Scope(
                path: scope.path + ["lmdbs", database.name], position: decoder.position(scope, "lmdbs"))
            if let owner = owners.updateValue(database.name, forKey: database.dataFile) {
                decoder.report(
                    here, "path",
                    "found \(Display.quoted(database.path)), but database \(Display.oneLine(owner)) has the same LMDB")
            }
        }
    }

    private static func required(_ name: String, _ scope: Scope, _ decoder: inout KeyDecoder, _ what: String) {
        guard decoder.isSound(scope, name), decoder.isSound(scope) else { return }
        decoder.report(scope, name, "required: \(what)")
    }

    private static func pair(_ left: String, _ right: String, _ scope: Scope, _ decoder: inout KeyDecoder) {
        for (given, missing) in [(left, right), (right, left)]
        where decoder.isGiven(scope, given) && !decoder.isGiven(scope, missing) && decoder.isSound(scope, missing) {
            decoder.report(scope, given, "needs \(missing) as well")
        }
    }

    private static func exclusive(_ left: String, _ right: String, _ scope: Scope, _ decoder: inout KeyDecoder) {
        guard decoder.isGiven(scope, left), decoder.isGiven(scope, right) else { return }
        decoder.report(scope, right, "not allowed together with \(left): keep one of them")
    }
}

extension DatabaseConfiguration {
    /// The file that LMDB uses, without needless `.` and `/`, to tell whether two databases are one.
    fileprivate var dataFile: String {
        var parts = path.split(separator: "/").filter { $0 != "." }
        if !options.noSubdir { parts.append("data.mdb") }
        return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}
