import HTTP
import Support

extension BlobStoreError {
    /// Why a storage operation failed.
    package enum Cause: Sendable, Equatable {
        // The storage cannot be opened.

        /// A local problem of HTTP or TLS.
        case setup(HTTPSetupError)
        /// No bucket is given.
        case noBucket
        /// A text that cannot be the name of a bucket.
        case badBucketName(String)
        /// A text that cannot be a region.
        case badRegion(String)
        /// A URL that cannot be the address of an S3 server; nil if it contains a password.
        case badEndpoint(String?, S3EndpointProblem)
        /// A bucket whose name cannot be part of a host name.
        case noHostName(bucket: String, host: String)
        /// One of the two keys is missing.
        case incompleteKeys(missing: FilePurpose)
        /// There are no keys anywhere: what files could not be read, and why the instance has none; nil if it is not asked.
        case noKeys(unreadable: [HTTPSetupError], instance: CredentialFailure?)
        /// The files of the AWS tools have no profile of this name.
        case noProfile(String, file: String)
        /// The environment or a profile says where credentials come from, in an unusable way.
        case badCredentialSetting(CredentialSetting)
        /// The path of the directory is empty, or contains a zero byte.
        case noDirectory
        /// An Azure storage is configured in an unusable way.
        case azure(AzureSetting)

        // An operation failed.

        /// There are no credentials for the request.
        case credentials(CredentialFailure)
        /// The server answered with an error.
        case refused(S3Refusal)
        /// Azure answered with an error.
        case refusedByAzure(AzureRefusal)
        /// There is no answer from the server.
        case unanswered(TransferFailure, authority: String)
        /// A successful answer that no server of this kind sends, with its origin.
        case implausible(String, authority: String, source: String, service: StorageService = .s3)
        /// An object does not exist although the server had confirmed its upload.
        case lostUpload(S3Refusal)
        /// The bucket was not created in this time.
        case notCreated(after: Duration)
        /// The marker was not written in this time.
        case notWritten(after: Duration)
        /// A system call failed; whether it was for the place of the attempt, and not for a temporary file elsewhere.
        case system(SystemError, isPlace: Bool)
        /// An object exceeds the expected size in bytes.
        case objectTooLarge(limit: Int)
        /// A bucket has more objects than a listing can hold.
        case tooManyObjects(Int)
        /// A name that no object can have.
        case badKey
        /// A name that no file of an object can have.
        case badFileName
        /// A directory, a link or a pipe has the name of an object.
        case noRegularFile
        /// The object does not exist.
        case noObject
        /// The storage returned different bytes than were stored.
        case differentBytes
        /// The line of a storage outside of this room.
        case reported(String)
    }
}

/// Why a URL cannot be the address of an S3 server.
package enum S3EndpointProblem: Sendable, Equatable {
    /// It does not start with http:// or https://.
    case scheme
    /// It has blanks, a query or a fragment.
    case characters
    /// It has a user or a password.
    case credentials
    /// The `]` of an IPv6 address is missing.
    case bracket
    /// The port is not a number from 1 to 65535.
    case port
    /// There is no host.
    case noHost

    var text: String {
        switch self {
        case .scheme: "it must start with http:// or https://"
        case .characters: "it can only have host, port and path"
        case .credentials: "it has a user or a password"
        case .bracket: "] is missing after the IPv6 address"
        case .port: "the port is not a number from 1 to 65535"
        case .noHost: "the host is missing"
        }
    }
}

extension BlobStoreError.Cause {
    /// What joins the attempt and ``text``.
    var joint: String {
        if case .unanswered(_, let authority) = self { " at \(authority): " } else { ": " }
    }

    /// The reason without the attempt.
    var text: String {
        switch self {
        case .setup(let error): error.description
        case .noBucket: "no S3 bucket is set"
        case .badBucketName(let name): "\(name.oneLine()) is not a valid S3 bucket name"
        case .badRegion(let text): "\(text.oneLine()) is not a valid S3 region: only letters, digits and - are allowed"
        case .badEndpoint(let url, let problem):
            "\(url.map { "\($0.oneLine()) is not the URL of an S3 server" } ?? "the URL of the S3 server is not valid"): "
                + problem.text
        case .noHostName(let bucket, let host):
            "the bucket cannot be in the host name, because \(bucket.oneLine()).\(host) is not a valid host name"
        case .incompleteKeys(let missing): "the S3 \(missing.rawValue) is missing: both keys are needed, or none"
        case .noKeys(let unreadable, let instance): Self.noKeys(unreadable, instance)
        case .noProfile(let profile, let file): "no profile \(profile.oneLine()) in \(file.oneLine())"
        case .badCredentialSetting(let setting): setting.text
        case .credentials(let failure): failure.text
        case .noDirectory: "the path of the storage directory is empty or contains a zero byte"
        case .refused(let refusal): refusal.text
        case .unanswered(let failure, _): failure.detail.oneLine() + failure.hint
        case .refusedByAzure(let refusal): refusal.text
        case .azure(let setting): setting.text
        case .implausible(let problem, let authority, let source, let service):
            "\(authority) does not answer like \(service.server)\(source.isEmpty ? "" : " (\(source))"): \(problem.oneLine())"
        case .lostUpload(let refusal): "\(refusal.text): the server had confirmed the upload"
        case .notCreated(let limit), .notWritten(let limit): "not done after \(limit)"
        case .system(let error, let isPlace): isPlace ? error.reason : error.description.oneLine()
        case .objectTooLarge(let limit): "it is larger than the expected \(limit) bytes"
        case .tooManyObjects(let count): "more than \(count) objects"
        case .badKey: "names must have 1 to 1024 bytes, none of them zero"
        case .badFileName:
            "an object name must not be empty, exceed 255 bytes, contain / or a zero byte, start with . or end in .tmp"
        case .noRegularFile: "it is not a regular file"
        case .noObject: "no such object"
        case .differentBytes: "the storage returned different bytes than were stored"
        case .reported(let text): text
        }
    }

    private static func noKeys(_ unreadable: [HTTPSetupError], _ instance: CredentialFailure?) -> String {
        let files = unreadable.map { " (\($0.reason))" }.first ?? ""
        return "no S3 keys are set, and neither the environment nor a profile of the AWS tools\(files) has any; "
            + (instance?.text ?? "AWS_EC2_METADATA_DISABLED is set")
    }
}

extension TransferFailure {
    /// What the detail means, if that is not obvious.
    fileprivate var hint: String {
        switch reason {
        case .broken where isForeignProtocol: ": this port does not speak http"
        case .handshake where isForeignProtocol: ": this port does not speak https"
        default: ""
        }
    }

    /// Whether the answer is not in the protocol of the request.
    package var isForeignProtocol: Bool {
        switch reason {
        case .broken: return detail.contains("HTTP/0.9")
        case .handshake:
            // Messages of OpenSSL and GnuTLS for an answer in another protocol.
            let foreign = ["wrong version number", "packet length too long", "http request", "unexpected TLS packet"]
            return foreign.contains { detail.contains($0) }
        default: return false
        }
    }
}
