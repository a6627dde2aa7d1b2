/// The answer of a server that refuses a request. The texts of the server are on one line, without secrets.
package struct S3Refusal: Sendable, Equatable {
    /// What an answer means.
    package enum Meaning: Sendable, Equatable {
        /// The server does not know the access key.
        case unknownKey
        /// The signature is wrong.
        case wrongSignature
        /// The two clocks differ; by how many seconds this machine's is ahead, if the server sends its time.
        case clock(ahead: Int64?)
        /// The session token is no longer valid.
        case expiredToken
        /// The bucket does not exist.
        case noBucket
        /// The bucket is in another region, if known, than requests were signed for.
        case region(used: String, expected: String?)
        /// The server redirects to this address, perhaps because of the region.
        case redirected(to: String, region: String)
        /// The server redirects to another service, in this region if known, but only this host and those below it are allowed.
        case elsewhere(String, allowed: String, region: String?)
        /// The request needs a permission on a resource.
        case denied(permission: String, resource: String)
        /// Another account owns the bucket.
        case bucketOfAnother
        /// A redirection that an S3 server does not send, with its target.
        case otherService(redirects: String?)
        /// The answer is not from an S3 server, but from this one, if known.
        case notS3(source: String)
        /// The port requires https.
        case requiresHTTPS
        /// The code says it all.
        case none
    }

    /// The HTTP status.
    package var status: Int
    /// The code of the error.
    package var code: String
    /// The server's message, or empty.
    package var message: String
    /// What the answer means.
    package var meaning: Meaning

    /// See the properties of the same names.
    package init(status: Int, code: String, message: String, meaning: Meaning) {
        (self.status, self.code, self.message, self.meaning) = (status, code, message, meaning)
    }

    /// `HTTP 403 AccessDenied: Access Denied; …`
    var text: String {
        let meaning = meaning.text
        let answer = "HTTP \(status) \(code)" + (message.isEmpty ? "" : ": \(message)")
        return meaning.isEmpty ? answer : "\(answer); \(meaning)"
    }
}

extension S3Refusal.Meaning {
    fileprivate var text: String {
        switch self {
        case .unknownKey: "the server does not know this access key"
        case .clock(let ahead?):
            "the clock of this machine is \(abs(ahead)) s \(ahead < 0 ? "behind" : "ahead of") the server's"
        case .clock(nil): "the clocks of this machine and of the server differ"
        case .expiredToken: "the session token has expired"
        case .region(let used, let expected?): "the bucket is in region \(expected), not \(used)"
        case .elsewhere(let target, let allowed, _):
            "the server redirects to \(target), but requests are only sent to \(allowed) and hosts below it"
        case .redirected(let target, _), .otherService(let target?): "the server redirects to \(target)"
        case .denied(let permission, let resource):
            "this key needs the permission \(permission) on \(resource.oneLine())"
        case .bucketOfAnother: "another account owns a bucket of this name"
        case .notS3(let source): "this is not an answer of an S3 server\(source.isEmpty ? "" : " (\(source))")"
        case .requiresHTTPS: "this port requires https"
        case .wrongSignature, .noBucket, .region, .otherService, .none: ""
        }
    }
}
