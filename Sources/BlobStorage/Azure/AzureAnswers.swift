import FoundationEssentials
import HTTP
import Support

/// One page of the answer to List Blobs.
///
/// <https://learn.microsoft.com/rest/api/storageservices/list-blobs>
struct AzureListPage: Sendable {
    var blobs: [Blob] = []
    /// The start of the next page; nil if this is the last one.
    var nextMarker: String?

    init(_ body: [UInt8]) throws(XMLError) {
        var marker: String?
        var name: String?
        var isDirectory = false
        // Of the current object, whose end follows.
        var blob = Blob(name: "", size: -1)
        var found: [Blob] = []
        try XMLReader.read(body) { (path, text) throws(XMLError) in
            guard path.first == "EnumerationResults" else {
                throw XMLError(problem: "\((path.first ?? "").oneLine(limit: 40)) is not a listing", offset: 0)
            }
            switch path.dropFirst() {
            case ["NextMarker"]: marker = text
            case ["Blobs", "Blob", "Name"]:
                guard name == nil else { throw XMLError(problem: "an object with two names", offset: 0) }
                name = text
            case ["Blobs", "Blob", "Properties", "Content-Length"]:
                guard let size = Int(withoutBlanks(text)), size >= 0 else {
                    throw XMLError(problem: "a length is \(text.oneLine(limit: 40)), not a number", offset: 0)
                }
                blob.size = size
            case ["Blobs", "Blob", "Properties", "Last-Modified"]:
                blob.modified = WallTime(httpDate: withoutBlanks(text))?.nanosecondsSinceEpoch
            case ["Blobs", "Blob", "Properties", "Etag"]:
                let etag = withoutQuotes(withoutBlanks(text))
                blob.version = etag.isEmpty ? nil : etag
            // Accounts with a hierarchical namespace list their directories.
            case ["Blobs", "Blob", "Properties", "ResourceType"]: isDirectory = withoutBlanks(text) == "directory"
            case ["Blobs", "Blob"]:
                guard let known = name, !known.isEmpty, isDirectory || blob.size >= 0 else {
                    throw XMLError(problem: "an object without name or length", offset: 0)
                }
                blob.name = known
                if !isDirectory { found.append(blob) }
                (name, isDirectory, blob) = (nil, false, Blob(name: "", size: -1))
            default: break
            }
        }
        // The last page has an empty one: without it, nothing says that the listing is complete.
        guard let marker else { throw XMLError(problem: "a listing without NextMarker", offset: 0) }
        nextMarker = marker.isEmpty ? nil : marker
        blobs = found
    }
}

/// The answer to a failed request.
///
/// <https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2>
struct AzureErrorAnswer: Sendable, Hashable {
    var code: String
    var message = ""

    /// nil if the answer is from something else.
    init?(_ answer: HTTPAnswer) {
        var code: String?
        var message = ""
        do throws(XMLError) {
            try XMLReader.read(answer.body) { (path, text) throws(XMLError) in
                switch path {
                case ["Error", "Code"]: code = text
                case ["Error", "Message"]: message = text
                default: break
                }
            }
        } catch {
            (code, message) = (nil, "")
        }
        // HEAD has no body, and proxies may drop it.
        guard let code = code ?? answer.headers["x-ms-error-code"], !code.isEmpty else { return nil }
        self.code = code.oneLine(limit: 80)
        // The next lines are numbers for Microsoft's support.
        let first = message.split(whereSeparator: \.isNewline).first ?? ""
        var text = String(first).oneLine(limit: 240)[...]
        while text.last == "." || text.last == " " { text = text.dropLast() }
        self.message = String(text)
    }
}

/// The MD5 that an object has been stored with, in hexadecimal digits; nil if it has none.
@Sendable func contentMD5(_ headers: [String: String]) -> String? {
    guard let text = headers["content-md5"], let bytes = Data(base64Encoded: text), bytes.count == 16 else {
        return nil
    }
    return hexadecimal(Array(bytes))
}
