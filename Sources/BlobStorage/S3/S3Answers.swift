/// One page of a ListObjectsV2 answer.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
struct S3ListPage: Sendable {
    var blobs: [Blob] = []
    var isTruncated = false
    var nextToken: String?

    /// Where the next page begins; some servers forget the token. nil when there can be none.
    var next: S3Request.Continuation? {
        if let nextToken { return .token(nextToken) }
        return blobs.last.map { .name($0.name) }
    }

    init(_ body: [UInt8]) throws(XMLError) {
        var isEncoded = false
        var key: String?
        var size: Int?
        var modified: UInt64?
        var found: [(key: String, size: Int, modified: UInt64?)] = []
        try XMLReader.read(body) { (path, text) throws(XMLError) in
            guard path.first == "ListBucketResult" else {
                throw XMLError(problem: "\((path.first ?? "").oneLine(limit: 40)) is not a listing", offset: 0)
            }
            switch path.dropFirst() {
            case ["IsTruncated"]: isTruncated = text == "true"
            case ["NextContinuationToken"]: nextToken = text.isEmpty ? nil : text
            case ["EncodingType"]: isEncoded = text == "url"
            case ["Contents", "Key"]: key = text
            case ["Contents", "Size"]: size = Int(text)
            case ["Contents", "LastModified"]: modified = nanoseconds(isoTime: text)
            case ["Contents"]:
                guard let name = key, let count = size, count >= 0 else {
                    throw XMLError(problem: "an object without key or size", offset: 0)
                }
                found.append((name, count, modified))
                (key, size, modified) = (nil, nil, nil)
            default: break
            }
        }
        // The element that tells the encoding may come last.
        for (key, size, modified) in found {
            guard let name = isEncoded ? percentDecoded(key) : key else {
                throw XMLError(problem: "the key \(key.oneLine(limit: 80)) is not encoded properly", offset: 0)
            }
            blobs.append(Blob(name: name, size: size, modified: modified))
        }
    }
}

/// The answer to a refused request.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
struct S3ErrorAnswer: Sendable, Hashable {
    var code: String
    var message = ""
    /// The region the request should have been signed for.
    var region: String?

    /// nil when the body is something else.
    init?(_ body: [UInt8]) {
        var code: String?
        var message = ""
        var region: String?
        do throws(XMLError) {
            try XMLReader.read(body) { (path, text) throws(XMLError) in
                switch path {
                case ["Error", "Code"]: code = text
                case ["Error", "Message"]: message = text
                case ["Error", "Region"]: region = text
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
    }
}

/// The upload ID in the answer to CreateMultipartUpload; nil when the body is something else.
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

/// The ETag in the answer to CompleteMultipartUpload, without quotes; empty when there is none.
func s3UploadETag(_ body: [UInt8]) -> String {
    var etag = ""
    do throws(XMLError) {
        try XMLReader.read(body) { (path, text) throws(XMLError) in
            if path == ["CompleteMultipartUploadResult", "ETag"] { etag = text }
        }
    } catch {
        return ""
    }
    return withoutQuotes(etag)
}

/// ETags are quoted in headers and in XML.
func withoutQuotes(_ etag: String) -> String {
    String(decoding: etag.utf8.filter { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
}
