import BlobStorage
import Foundation
import Glibc
import HTTP
import Logging
import Support
import TestSupport
import Testing

@testable import Config
@testable import Daemon

/// What users read about a failure of the storage.
@Suite struct StorageAdviceTests {
    private let load = BlobStoreError.Attempt(operation: "load", object: "main__a", place: .bucket("zones"))

    private func line(_ error: BlobStoreError, createsPlace: Bool = false) -> String {
        Advice.advised(error, createsPlace: createsPlace).description
    }

    private func refused(_ status: Int, _ code: String, _ meaning: S3Refusal.Meaning) -> String {
        line(
            BlobStoreError(
                .other, load, .refused(S3Refusal(status: status, code: code, message: "Text", meaning: meaning))))
    }

    @Test(
        arguments: [
            (.unknownKey, "; the server does not know this access key; check storage.options.access_key"),
            (
                .wrongSignature,
                "; check storage.options.secret_key, and that no proxy changes the Host header or the path"
            ),
            (.clock(ahead: -3600), "; the clock of this machine is 3600 s behind the server's; set it"),
            (.region(used: "a", expected: "b"), "; the bucket is in region b, not a; set storage.options.region to b"),
            (.region(used: "a", expected: nil), "; check storage.options.region (it is a) and endpoint_url"),
            (
                .redirected(to: "https://h/", region: "a"),
                "; the server redirects to https://h/; check storage.options.endpoint_url and region (it is a)"
            ),
            (
                .elsewhere("https://s3.eu-1.h", allowed: "s3.h", region: "eu-1"),
                "; the server redirects to https://s3.eu-1.h, but requests are only sent to s3.h and hosts below it;"
                    + " if that is the same service, set storage.options.endpoint_url to https://s3.eu-1.h and region to eu-1"
            ),
            (
                .elsewhere("https://s3.h:1", allowed: "s3.h", region: nil),
                "; the server redirects to https://s3.h:1, but requests are only sent to s3.h and hosts below it;"
                    + " if that is the same service, set storage.options.endpoint_url to https://s3.h:1"
            ),
            (
                .elsewhere("http://s3.h", allowed: "s3.h", region: nil),
                "; the server redirects to http://s3.h, but requests are only sent to s3.h and hosts below it;"
                    + " check storage.options.endpoint_url"
            ),
            (
                .denied(permission: "s3:GetObject", resource: "zones/*"),
                "; this key needs the permission s3:GetObject on zones/*"
            ),
            (
                .notS3(source: "text/html"),
                "; this is not an answer of an S3 server (text/html); check storage.options.endpoint_url"
            ),
            (.requiresHTTPS, "; this port requires https; use https:// in storage.options.endpoint_url"),
            (.none, ""),
        ] as [(S3Refusal.Meaning, String)])
    func refusals(_ meaning: S3Refusal.Meaning, _ end: String) {
        #expect(refused(403, "Code", meaning) == "cannot load main__a in bucket zones: HTTP 403 Code: Text\(end)")
    }

    @Test func adviceDoesNotNameWhatIsSet() {
        let refusal = S3Refusal(status: 404, code: "NoSuchBucket", message: "", meaning: .noBucket)
        let error = BlobStoreError(.notFound, load, .refused(refusal))
        #expect(line(error).hasSuffix("; check storage.options.bucket and region, or set create_bucket"))
        let end = "; check storage.options.bucket and region; create_bucket is true, so sync creates it at start"
        #expect(line(error, createsPlace: true).hasSuffix(end))
    }

    @Test(
        arguments: [
            (.nameResolution, "x", "; check storage.options.endpoint_url and the name servers of this machine"),
            (.refused, "x", "; check storage.options.endpoint_url, that the server runs, and firewalls"),
            (.timeout, "x", "; check the network and the load of the server"),
            (
                .tooSlow, "x",
                "; check the network and the load of the server; storage.options.client_timeout limits the time"
            ),
            (
                .broken, "Received HTTP/0.9 when not allowed",
                ": this port does not speak http; storage.options.endpoint_url may need https://"
            ),
            (.broken, "x", ""),
            (
                .handshake, "wrong version number",
                ": this port does not speak https; use http:// in storage.options.endpoint_url, or the https port"
            ),
            (.tooLarge, "x", ""),
        ] as [(TransferFailure.Reason, String, String)])
    func missingAnswers(_ reason: TransferFailure.Reason, _ detail: String, _ end: String) {
        let failure = TransferFailure(reason: reason, detail: detail)
        let error = BlobStoreError(.other, load, .unanswered(failure, authority: "h:9000"))
        #expect(line(error) == "cannot load main__a in bucket zones at h:9000: \(detail)\(end)")
    }

    @Test(
        arguments: [
            (ENOSPC, "a", "No space left on device; free some space"),
            (EACCES, nil, "Permission denied; check owner and mode of the directory"),
            (
                ENOENT, "main__*",
                "No such file or directory; check that storage.options.root_path is right and mounted; only sync creates it, at start"
            ),
            (ENOENT, "a", "No such file or directory"),
            (EIO, "a", "Input/output error"),
        ] as [(Int32, String?, String)])
    func directories(_ code: Int32, _ object: String?, _ end: String) {
        let attempt = BlobStoreError.Attempt(operation: "list", object: object, place: .directory("/srv/x"))
        let error = BlobStoreError(
            .other, attempt, .system(SystemError("open", "/srv/x", code: code), isPlace: true))
        #expect(line(error).hasSuffix("/srv/x: \(end)"))
    }

    @Test(
        arguments: [
            (.badEndpoint("h", .scheme), "endpoint_url, as in https://s3.example.com:9000"),
            (.badBucketName("a/b"), "put a folder in it into storage.options.global_prefix"),
            (.noHostName(bucket: "a_b", host: "h"), "set storage.options.addressing to path"),
            (
                .incompleteKeys(missing: .secretKey),
                "set storage.options.access_key and storage.options.secret_key, or the options with their files"
            ),
            (
                .setup(.unreadable(.authorities, SystemError("open", "/ca", code: ENOENT))),
                "CA certificates: cannot open /ca: No such file or directory; check storage.options.tls.ca_file"
            ),
            (.setup(.notPEM(.certificateKey, file: "")), "check storage.options.tls.key"),
            (.tooManyObjects(5), "more than 5 objects; use a bucket or a storage.options.global_prefix of its own"),
        ] as [(BlobStoreError.Cause, String)])
    func configurations(_ cause: BlobStoreError.Cause, _ end: String) {
        #expect(line(BlobStoreError(.other, nil, cause)).hasSuffix(end))
    }

    @Test(
        arguments: [
            (.missing("AWS_ROLE_ARN", besides: "AWS_X"), "AWS_X is set, and AWS_ROLE_ARN is not; set AWS_ROLE_ARN"),
            (.badURL("AWS_X"), "AWS_X is not a URL of the form http://host:port/path; check AWS_X"),
            (
                .unsupportedProfile("p", file: "/f", key: "sso_session"),
                "profile p in /f has sso_session, which is not supported; use a profile with keys or a role, "
                    + "or set storage.options.access_key and storage.options.secret_key"
            ),
        ] as [(CredentialSetting, String)])
    func settingsOfCredentials(_ setting: CredentialSetting, _ expected: String) {
        #expect(line(BlobStoreError(.other, nil, .badCredentialSetting(setting))) == expected)
    }

    private static let instance = CredentialOrigin.instance(service: "http://h")

    @Test(
        arguments: [
            (
                instance, .unanswered(TransferFailure(reason: .timeout, detail: "no answer for 5.0 seconds")),
                "no answer for 5.0 seconds; in a container on the instance, raise the hop limit of its metadata service to 2"
            ),
            (instance, .noRole, "the instance has no role; attach an instance profile with a role"),
            (
                .webIdentity(role: "r", tokenFile: "/t", service: "https://sts"),
                .refused(status: 403, code: "AccessDenied", message: "no"),
                "HTTP 403 AccessDenied: no; check the trust policy of the role, and that the token is valid"
            ),
            (
                .container(service: "http://h"),
                .setup(.unreadable(.containerToken, SystemError("open", "/t", code: ENOENT))),
                "authorization token of the container: cannot open /t: No such file or directory; "
                    + "check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
            ),
        ] as [(CredentialOrigin, CredentialFailure.Problem, String)])
    func missingCredentials(_ origin: CredentialOrigin, _ problem: CredentialFailure.Problem, _ end: String) {
        let failure = CredentialFailure(origin: origin, problem: problem)
        let text = line(BlobStoreError(.other, load, .credentials(failure)))
        #expect(text == "cannot load main__a in bucket zones: no credentials from \(origin.text): \(end)")
    }

    @Test func noKeysAnywhere() {
        #expect(
            line(BlobStoreError(.other, nil, .noKeys(unreadable: [], instance: nil))).hasSuffix(
                "AWS_EC2_METADATA_DISABLED is set; set storage.options.access_key and storage.options.secret_key"))
        let failure = CredentialFailure(origin: Self.instance, problem: .noRole)
        #expect(
            line(BlobStoreError(.other, nil, .noKeys(unreadable: [], instance: failure))).hasSuffix(
                "; for a role of this host, attach an instance profile with a role"))
    }

    @Test(
        arguments: [
            (
                .wrongKey,
                "; the account key is not that of the account; check storage.options.account_key and "
                    + "storage.options.account_name, and that no proxy changes the path or headers"
            ),
            (
                .needsRole("Storage Blob Data Reader", resource: "zones"),
                "; this identity needs the role Storage Blob Data Reader on zones"
            ),
            (.noContainer, "; check storage.options.container, or set create_container"),
            (
                .notAzure(source: "text/html"),
                "; this is not an answer of an Azure storage (text/html); check storage.options.endpoint_url"
            ),
            (.requiresHTTPS, "; https is required; use https:// in storage.options.endpoint_url"), (.none, ""),
        ] as [(AzureRefusal.Meaning, String)])
    func refusalsOfAzure(_ meaning: AzureRefusal.Meaning, _ end: String) {
        let attempt = BlobStoreError.Attempt(operation: "load", object: "main__a", place: .container("zones"))
        let refusal = AzureRefusal(status: 403, code: "Code", message: "Text", meaning: meaning)
        #expect(
            line(BlobStoreError(.other, attempt, .refusedByAzure(refusal)))
                == "cannot load main__a in container zones: HTTP 403 Code: Text\(end)")
    }

    @Test func adviceKnowsThatTheContainerIsCreated() {
        let refusal = AzureRefusal(status: 404, code: "ContainerNotFound", message: "", meaning: .noContainer)
        let error = BlobStoreError(.notFound, load, .refusedByAzure(refusal))
        let end = "; check storage.options.container; create_container is true, so sync creates it at start"
        #expect(line(error, createsPlace: true).hasSuffix(end))
    }

    @Test(
        arguments: [
            (.noAccount, "no Azure storage account is set; set storage.options.account_name"),
            (
                .badKey(.configuration),
                "the account key from the configuration is not base64; check storage.options.account_key or its file"
            ),
            (
                .tokenInTheClear(host: "h"),
                "the token of an identity would be sent to h in the clear; use https:// in storage.options.endpoint_url"
            ),
            (
                .noCredentials(
                    CredentialFailure(
                        origin: .azureMachine(client: "", service: "http://h"),
                        problem: .refused(status: 400, code: "invalid_request", message: "Identity not found"))),
                "no account key is set, and the environment has neither a key nor a signature nor an identity; "
                    + "no credentials from http://h, the metadata service of Azure: HTTP 400 invalid_request: Identity not found; "
                    + "set storage.options.account_name and storage.options.account_key; for an identity of this machine, "
                    + "assign a managed identity to it, and check AZURE_CLIENT_ID"
            ),
        ] as [(AzureSetting, String)])
    func settingsOfAzure(_ setting: AzureSetting, _ expected: String) {
        #expect(line(BlobStoreError(.other, nil, .azure(setting))) == expected)
    }

    /// Every call of a store that the factory opens has the cure.
    @Test func storesSayWhatToDo() async throws {
        let directory = try TemporaryDirectory()
        var options = FileSystemStorageOptions()
        options.rootPath = directory.file("none")
        let open = try await StorageFactory.open(
            StorageConfiguration(.fileSystem(options)), writes: true, environment: { _ in nil },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        for store in [open.store, open.unmarked] {
            #expect(store.stagingDirectory == options.rootPath)
            #expect(store.changes(prefix: "") == nil)
            let calls: [() async throws -> Void] = [
                { _ = try await store.list(prefix: "") }, { try await store.store("a", Spool([1])) },
                { _ = try await store.removeLeftovers(olderThan: .zero) },
            ]
            for (index, call) in calls.enumerated() {
                let error = await #expect(throws: BlobStoreError.self) { try await call() }
                #expect(error?.kind == .notFound)
                #expect(error?.cure.contains("storage.options.root_path") == (index != 1))
            }
        }
        options.rootPath = ""
        let error = await #expect(throws: BlobStoreError.self) {
            try await StorageFactory.open(
                StorageConfiguration(.fileSystem(options)), writes: true, environment: { _ in nil },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }
        #expect(error?.description.hasSuffix("; set storage.options.root_path to a directory") == true)
    }
}
