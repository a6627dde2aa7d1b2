import BlobStorage
import Glibc
import HTTP

/// What to do about failures of the storage, with the names of the options under `storage`.
extension Advice {
    /// The error with its cure.
    ///
    /// - Parameter createsPlace: whether `create_bucket` or `create_container` is set.
    package static func advised(_ error: BlobStoreError, createsPlace: Bool = false) -> BlobStoreError {
        var error = error
        error.cure = cure(of: error, createsPlace: createsPlace)
        return error
    }

    private static func cure(of error: BlobStoreError, createsPlace: Bool) -> String {
        switch error.cause {
        case .setup(let error): cure(of: error)
        case .noKeys(_, let instance):
            "set \(option("access_key")) and \(option("secret_key"))"
                + (instance.map { "; for a role of this host, \(cure(of: $0))" } ?? "")
        case .badCredentialSetting(let setting): cure(of: setting)
        case .credentials(let failure): cure(of: failure)
        case .noBucket: "set \(option("bucket"))"
        case .badBucketName: "set \(option("bucket")), and put a folder in it into \(option("global_prefix"))"
        case .badRegion: "set \(option("region"))"
        case .badEndpoint(_, .credentials): "set \(option("access_key")) and \(option("secret_key")) instead"
        case .badEndpoint: "set \(option("endpoint_url")), as in https://s3.example.com:9000"
        case .noHostName: "set \(option("addressing")) to path"
        case .incompleteKeys: "set \(option("access_key")) and \(option("secret_key")), or the options with their files"
        case .noProfile: "check AWS_PROFILE"
        case .noDirectory: "set \(option("root_path")) to a directory"
        case .azure(let setting): cure(of: setting)
        case .refusedByAzure(let refusal): cure(of: refusal.meaning, createsPlace: createsPlace)
        case .refused(let refusal): cure(of: refusal.meaning, createsPlace: createsPlace)
        case .unanswered(let failure, _): cure(of: failure)
        case .implausible: checkEndpoint
        case .notCreated: "\(checkEndpoint) and the network; \(option("init_timeout")) limits the time"
        case .system(let failure, _): cure(of: failure.code, error.attempt)
        case .tooManyObjects: "use a bucket or a \(option("global_prefix")) of its own"
        case .lostUpload, .notWritten, .objectTooLarge, .badKey, .badFileName, .noRegularFile, .noObject,
            .differentBytes, .reported:
            ""
        }
    }

    static func option(_ name: String) -> String { "storage.options.\(name)" }

    static let checkEndpoint = "check storage.options.endpoint_url"

    private static func cure(of meaning: S3Refusal.Meaning, createsPlace: Bool) -> String {
        switch meaning {
        case .unknownKey: "check \(option("access_key"))"
        case .wrongSignature:
            "check \(option("secret_key")), and that no proxy changes the Host header or the path"
        case .clock(nil): "set the clock of this machine or of the server"
        case .clock: "set it"
        case .expiredToken: "get new temporary credentials"
        case .noBucket:
            createsPlace
                ? "check \(option("bucket")) and region; create_bucket is true, so sync creates it at start"
                : "check \(option("bucket")) and region, or set create_bucket"
        case .region(_, let right?): "set \(option("region")) to \(right)"
        case .region(let used, nil): "check \(option("region")) (it is \(used)) and endpoint_url"
        case .redirected(_, let region): "\(checkEndpoint) and region (it is \(region))"
        // Not to a connection without encryption.
        case .elsewhere(let target, _, _) where target.hasPrefix("http://"): checkEndpoint
        case .elsewhere(let target, _, let region):
            "if that is the same service, set \(option("endpoint_url")) to \(target)"
                + (region.map { " and region to \($0)" } ?? "")
        case .bucketOfAnother: "choose another name for \(option("bucket"))"
        case .otherService: "\(option("endpoint_url")) must name the S3 service itself"
        case .notS3: checkEndpoint
        case .requiresHTTPS: "use https:// in \(option("endpoint_url"))"
        // The permission is part of the problem.
        case .denied, .none: ""
        }
    }

    private static func cure(of failure: TransferFailure) -> String {
        switch failure.reason {
        case .nameResolution: "\(checkEndpoint) and the name servers of this machine"
        case .refused: "\(checkEndpoint), that the server runs, and firewalls"
        case .timeout: "check the network and the load of the server"
        case .tooSlow: "check the network and the load of the server; \(option("client_timeout")) limits the time"
        case .broken: failure.isForeignProtocol ? "\(option("endpoint_url")) may need https://" : ""
        case .tls:
            "the server's certificate must be signed by a CA of this machine or of \(option("tls.ca_file")),"
                + " and be valid for the host in endpoint_url"
        case .handshake:
            failure.isForeignProtocol
                ? "use http:// in \(option("endpoint_url")), or the https port"
                : "check that the port in \(option("endpoint_url")) speaks https, and the client certificate in tls"
        case .unusable, .tooLarge: ""
        }
    }

    private static func cure(of code: Int32, _ attempt: BlobStoreError.Attempt?) -> String {
        guard case .directory? = attempt?.place else { return "" }
        return switch code {
        case EACCES, EPERM: "check owner and mode of the directory"
        case ENOENT where attempt?.object == nil || attempt?.object?.hasSuffix("*") == true:
            "check that \(option("root_path")) is right and mounted; only sync creates it, at start"
        case ENOTDIR: "\(option("root_path")) must name a directory"
        case ENOSPC: "free some space"
        case EDQUOT: "the quota of this user is exhausted"
        case EROFS: "the file system is mounted read-only"
        case EMFILE, ENFILE: "raise the limit of open files"
        default: ""
        }
    }

    /// What to do about a local problem of requests.
    package static func cure(of error: HTTPSetupError) -> String {
        switch error {
        case .noSHA256: "check the installation and configuration of OpenSSL"
        case .curlDoesNotStart: ""
        case .certificateWithoutKey:
            "set both cert (or cert_file) and key (or key_file) in \(option("tls"))"
        case .noSystemAuthorities: "install ca-certificates, or unset \(option("tls.add_system_ca_pool"))"
        case .notPEM(let purpose, let file): "check \(option(of: purpose, isFile: !file.isEmpty))"
        case .unreadable(let purpose, _), .noKey(let purpose, _): "check \(option(of: purpose, isFile: true))"
        }
    }

    private static func option(of purpose: FilePurpose, isFile: Bool) -> String {
        let file = isFile ? "_file" : ""
        return switch purpose {
        case .authorities: option("tls.ca\(file)")
        case .certificate: option("tls.cert\(file)")
        case .certificateKey: option("tls.key\(file)")
        case .accessKey: option("access_key\(file)")
        case .secretKey: option("secret_key\(file)")
        case .accountKey: option("account_key\(file)")
        case .federatedToken: "AZURE_FEDERATED_TOKEN_FILE"
        case .apiKey: "powerdns.api.key\(file)"
        case .systemAuthorities: option("tls.add_system_ca_pool")
        case .sharedCredentials: "AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE"
        case .containerToken: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
        case .webIdentityToken: "AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file of the profile"
        }
    }
}
