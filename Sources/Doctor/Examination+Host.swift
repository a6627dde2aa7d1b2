import Config
import Daemon
import Glibc
import Support

/// Host checks beside the databases: secret files, space for temporary files, a directory as storage.
extension Examination {
    /// The user in PowerDNS's configuration, and the files that it opens; nil if unknown.
    var powerDNSUser: (account: Account, files: Set<String>)? {
        guard let pdnsConf, let pdns = try? PowerDNSConfiguration.load(pdnsConf), let backend = pdns.backend else {
            return nil
        }
        let name = pdns.text("setuid", usually: "")
        guard !name.isEmpty, var account = Account.named(name) else { return nil }
        if let group = pdns.values["setgid"].flatMap(Self.groupID) { account.groups.insert(group, at: 0) }
        let main = pdns.text("\(backend)-filename", usually: "./pdns.lmdb")
        return (account, [realPath(main), realPath("\(main)-0")])
    }

    private static func groupID(_ name: String) -> UInt32? {
        if let id = UInt32(name) { return id }
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return entry.gr_gid
    }

    /// Checks secret files and the directory for temporary files.
    func checkHost(_ databases: [DatabaseFacts]) -> Findings {
        var findings = Findings("host")
        SpaceChecks.checkTemporaryFiles(
            SpoolWriter.temporaryDirectory, wanted: databases.compactMap(\.lmdb?.usedBytes).max() ?? 0, &findings)
        // A daemon without root reads root's file through its group.
        let reader = databases.compactMap(\.files.application?.account).first ?? Account.of(geteuid(), group: getegid())
        let name = "secret files"
        var isExposed = false
        let files = secretFiles
        for path in files {
            guard let status = FileStatus.read(path) else { continue }
            if ExposureChecks.check(name, path, status, reader: reader, holds: "the secrets in it", &findings) {
                isExposed = true
            }
        }
        if !isExposed {
            findings.pass(
                name, files.isEmpty ? "none are configured" : "nobody else can read \(files.joined(separator: ", "))")
        }
        return findings
    }

    /// The files with secrets, existing or not.
    private var secretFiles: [String] {
        let configuration = session.configuration
        var files = [configuration.powerDNS.api.keyFile, configuration.push.tokenFile]
        var secrets = [configuration.powerDNS.api.key]
        switch configuration.storage.backend {
        case .s3(let s3):
            files += [s3.secretKeyFile, s3.tls.keyFile, s3.tls.insecureKeyLogFile]
            secrets += [s3.secretKey, s3.tls.key]
            if s3.secretKey.isEmpty, s3.secretKeyFile.isEmpty { files.append(awsCredentials) }
        case .azure(let azure):
            files += [azure.accountKeyFile, azure.tls.keyFile, azure.tls.insecureKeyLogFile]
            secrets += [azure.accountKey, azure.tls.key]
        case .fileSystem, .memory: break
        }
        let named = files.filter { !$0.isEmpty && access($0, F_OK) == 0 }
        // Variables may have brought the secrets.
        return holds(secrets.filter { !$0.isEmpty }) ? [session.options.configurationFile] + named : named
    }

    private var awsCredentials: String {
        let environment = session.context.environment
        if let named = environment["AWS_SHARED_CREDENTIALS_FILE"], !named.isEmpty { return named }
        return environment["HOME"].map { "\($0)/.aws/credentials" } ?? ""
    }

    /// Whether the configuration file itself contains one of these texts.
    private func holds(_ secrets: [String]) -> Bool {
        guard !secrets.isEmpty, let spool = try? LocalFile.open(session.options.configurationFile),
            spool.count <= 1 << 20
        else { return false }
        var bytes = [UInt8](repeating: 0, count: spool.count)
        guard let count = try? bytes.withUnsafeMutableBytes({ try spool.read(at: 0, into: $0) }) else { return false }
        let text = String(decoding: bytes.prefix(count), as: UTF8.self)
        return secrets.contains { secret in
            // YAML indents each line of a multi-line text such as PEM.
            secret.split(separator: "\n").max { $0.count < $1.count }.map { text.contains($0) } ?? false
        }
    }

    /// Checks space in a directory that is the storage, and access to its contents.
    func checkDirectory(_ findings: inout Findings) {
        guard case .fileSystem(let options) = session.configuration.storage.backend,
            let directory = FileStatus.read(options.rootPath)
        else { return }
        let place = options.rootPath
        if let space = FreeSpace.read(place) { SpaceChecks.check("room", place, space, &findings) }
        let name = "owner and mode"
        // If the directory is not accessible to others, its files are not either.
        var exposed: [FileStatus.Exposure: [String]] = [:]
        for file in LocalFile.names(in: place) {
            guard file != ".", file != "..", let status = FileStatus.read("\(place)/\(file)") else { continue }
            var exposure = status.exposure()
            if exposure == .group, directory.mode & 0o2000 != 0 { exposure = .nobody }
            exposed[exposure, default: []].append(file)
        }
        if let files = exposed[.everybody], let first = files.first {
            findings.fail(
                name,
                "everybody on this host can read \(files.count) objects, such as \(place)/\(first), which contain private keys",
                cure: "chmod o-rwx \(place)/*")
        } else if let files = exposed[.group], let first = files.first {
            findings.warn(
                name, "the group can read \(files.count) objects with private keys, such as \(place)/\(first)",
                cure: "chmod g-rwx \(place)/*, or chmod g+s \(place) if the group should have access")
        } else {
            ExposureChecks.check(directory: place, directory, name, &findings)
        }
    }
}
