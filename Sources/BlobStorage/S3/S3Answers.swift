import HTTP
import Support

/// One page of a ListObjectsV2 answer.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
struct S3ListPage: Sendable {
    var blobs: [Blob] = []
    /// Whether there is another page; nil if the server does not say.
    var isTruncated: Bool?
    var nextToken: String?
    private var folders = 0
    private var saysCount = false

    /// The start of the next page; nil if this is the last one.
    ///
    /// A token means that there is another page, whatever else the answer says, unless that token was just used. Some servers
    /// omit it: the listing then continues after the last name, even if the answer does not mention further pages.
    ///
    /// - Parameter current: the start of this page.
    func next(after current: S3Request.Continuation?) throws(XMLError) -> S3Request.Continuation? {
        if let nextToken {
            let bringsNothing = current == .token(nextToken) || (blobs.isEmpty && folders == 0)
            return isTruncated == false && bringsNothing ? nil : .token(nextToken)
        }
        if isTruncated == false { return nil }
        if let last = blobs.last { return .name(last.name) }
        guard isTruncated == nil else {
            throw XMLError(problem: "a truncated page without objects and token", offset: 0)
        }
        // An empty bucket must be declared as empty; after a last name, the fields may be missing.
        guard current != nil || saysCount || folders > 0 else {
            throw XMLError(problem: "a listing without objects, IsTruncated and KeyCount", offset: 0)
        }
        return nil
    }

    init(_ body: [UInt8]) throws(XMLError) {
        var isEncoded = false
        var announced: Int?
        var key: String?
        // Of the current object, whose name follows.
        var blob = Blob(name: "", size: -1)
        var found: [(key: String, blob: Blob)] = []
        try XMLReader.read(body) { (path, text) throws(XMLError) in
            guard path.first == "ListBucketResult" else {
                throw XMLError(problem: "\((path.first ?? "").oneLine(limit: 40)) is not a listing", offset: 0)
            }
            switch path.dropFirst() {
            case ["IsTruncated"]: isTruncated = try Self.truth(text, "IsTruncated")
            case ["NextContinuationToken"]: nextToken = text.isEmpty ? nil : text
            case ["EncodingType"]: isEncoded = try Self.isURLEncoding(text)
            case ["KeyCount"]: announced = try Self.count(text, "KeyCount")
            case ["CommonPrefixes", "Prefix"]: folders += 1
            case ["Contents", "Key"]:
                guard key == nil else { throw XMLError(problem: "an object with two keys", offset: 0) }
                key = text
            case ["Contents", "Size"]: blob.size = try Self.count(text, "Size") ?? -1
            case ["Contents", "LastModified"]: blob.modified = WallTime(rfc3339: text)?.nanosecondsSinceEpoch
            case ["Contents", "ETag"]:
                let etag = withoutQuotes(withoutBlanks(text))
                blob.version = etag.isEmpty ? nil : etag
            case ["Contents"]:
                guard let name = key, blob.size >= 0 else {
                    throw XMLError(problem: "an object without key or size", offset: 0)
                }
                found.append((name, blob))
                (key, blob) = (nil, Blob(name: "", size: -1))
            default: break
            }
        }
        saysCount = announced != nil
        if let announced, announced > found.count + folders {
            throw XMLError(problem: "KeyCount is \(announced), but there are \(found.count + folders)", offset: 0)
        }
        // The element with the encoding may come last.
        for (key, var blob) in found {
            guard let name = isEncoded ? percentDecoded(key) : key else {
                throw XMLError(problem: "the key \(key.oneLine(limit: 80)) is not encoded properly", offset: 0)
            }
            blob.name = name
            blobs.append(blob)
        }
    }

    // Unknown forms of a value are errors, because they must not be mistaken for a harmless value.

    private static func truth(_ text: String, _ element: String) throws(XMLError) -> Bool {
        switch withoutBlanks(text).lowercased() {
        case "true", "1": return true
        case "false", "0": return false
        default:
            throw XMLError(problem: "\(element) is \(text.oneLine(limit: 40)), not true or false", offset: 0)
        }
    }

    private static func isURLEncoding(_ text: String) throws(XMLError) -> Bool {
        switch withoutBlanks(text).lowercased() {
        case "url": return true
        case "": return false
        default:
            throw XMLError(problem: "an unknown EncodingType \(text.oneLine(limit: 40))", offset: 0)
        }
    }

    /// nil if there is no text.
    private static func count(_ text: String, _ element: String) throws(XMLError) -> Int? {
        let digits = withoutBlanks(text)
        guard !digits.isEmpty else { return nil }
        guard let value = Int(digits), value >= 0 else {
            throw XMLError(problem: "\(element) is \(text.oneLine(limit: 40)), not a number", offset: 0)
        }
        return value
    }
}

/// The answer to a failed request.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
struct S3ErrorAnswer: Sendable, Hashable {
    var code: String
    var message = ""
    /// The region for which the request should have been signed.
    var region: String?
    /// The host to which the request should have been sent.
    var endpoint: String?

    /// nil if the body is something else.
    init?(_ body: [UInt8]) {
        var code: String?
        var message = ""
        var (region, endpoint): (String?, String?)
        do throws(XMLError) {
            try XMLReader.read(body) { (path, text) throws(XMLError) in
                switch path {
                case ["Error", "Code"]: code = text
                case ["Error", "Message"]: message = text
                case ["Error", "Region"]: region = text
                case ["Error", "Endpoint"]: endpoint = text
                default: break
                }
            }
        } catch {
            return nil
        }
        guard let code, !code.isEmpty else { return nil }
        self.code = code.oneLine(limit: 80)
        var text = message.oneLine(limit: 240)[...]
        while text.last == "." || text.last == " " { text = text.dropLast() }
        self.message = String(text)
        self.region = region.map { $0.oneLine(limit: 40) }
        self.endpoint = endpoint.map { withoutBlanks($0).oneLine(limit: 260) }
    }
}

/// The upload ID in the answer to CreateMultipartUpload; nil if the body is something else.
func s3UploadID(_ body: [UInt8]) -> String? {
    var id: String?
    do throws(XMLError) {
        try XMLReader.read(body) { (path, text) throws(XMLError) in
            if path == ["InitiateMultipartUploadResult", "UploadId"] { id = text }
        }
    } catch {
        return nil
    }
    return id?.isEmpty == true ? nil : id
}

/// The ETag in the answer to CompleteMultipartUpload, without quotes; empty if there is none.
///
/// - Throws: if the answer is something else, which does not mean that the upload is complete.
func s3UploadETag(_ body: [UInt8]) throws(XMLError) -> String {
    var etag = ""
    try XMLReader.read(body) { (path, text) throws(XMLError) in
        guard path.first == "CompleteMultipartUploadResult" else {
            throw XMLError(
                problem: "\((path.first ?? "").oneLine(limit: 40)) is not the result of an upload", offset: 0)
        }
        if path.count == 2, path.last == "ETag" { etag = text }
    }
    return withoutQuotes(withoutBlanks(etag))
}

/// The MD5 of the body if the ETag is one: not for objects that were uploaded in parts or are
/// encrypted with keys held by the server.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>
@Sendable func md5InETag(_ headers: [String: String]) -> String? {
    guard let etag = headers["etag"], !headers.keys.contains(where: { $0.hasPrefix("x-amz-server-side-encryption") })
    else { return nil }
    let value = withoutQuotes(etag)
    guard value.utf8.count == 32, value.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else { return nil }
    return value.lowercased()
}
