import Foundation
import HTTP
import Support
import TestSupport
import Testing

@testable import BlobStorage

/// What every storage promises, against stand-ins for S3 services that refuse and answer as each of them does.
@Suite(.s3Kinds, .timeLimit(.minutes(5)))
struct S3KindsLiveTests {
    private static let styles = [S3Options.Addressing.path, .virtual]

    private let servers: S3Kinds

    init() throws { servers = try #require(S3Kinds.current) }

    private func open(_ kind: S3Kind, _ style: S3Options.Addressing) async throws -> S3Store {
        try await S3Store.open(try servers.options(kind, style))
    }

    @Test(arguments: S3Kind.allCases, styles)
    func whatWasStoredIsLoadedListedReplacedAndDeleted(_ kind: S3Kind, _ style: S3Options.Addressing) async throws {
        let store = try await open(kind, style)
        try await expectObjectsToComeAndGo(in: store)
        let error = await storageError { _ = try await store.load("main__a__1.pb.gz") }
        #expect(error?.kind == .notFound)
    }

    @Test(arguments: S3Kind.allCases, styles)
    func theVersionOfWhatWasStoredIsThatOfListings(_ kind: S3Kind, _ style: S3Options.Addressing) async throws {
        try await expectVersionsToBeThoseOfListings(in: try await open(kind, style))
    }

    /// Encoded or not, and over several pages: these servers return seven names at a time.
    @Test(arguments: S3Kind.allCases, styles)
    func listingsAreCompleteAndSorted(_ kind: S3Kind, _ style: S3Options.Addressing) async throws {
        let store = try await open(kind, style)
        let odd = ["a b", "a+b", "a%2Bb", "a=b&c?d#e", "ü", "日本", "(x)'!*", "~-._", "a\"b<c>", "x:y;z,@$"]
        let names = odd + (0..<23).map { "main__n\($0 * 7919 % 1000)" }
        for name in names { try await store.store(name, Spool(name)) }
        let sorted = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(try await store.list(prefix: "").map(\.name) == sorted)
        #expect(try await store.list(prefix: "main__").count == 23)
        for name in odd {
            #expect(try await store.load(name).bytes == Array(name.utf8))
            try await store.delete(name)
        }
        #expect(try await store.list(prefix: "").count == 23)
    }

    @Test(arguments: S3Kind.allCases, styles)
    func aLargeBodyGoesInPartsAndComesBackWhole(_ kind: S3Kind, _ style: S3Options.Addressing) async throws {
        let store = try await open(kind, style)
        let body = try Spool.pattern((11 << 20) + 12345)
        let version = try await store.store("large", body)
        #expect(version?.isEmpty == false)
        #expect(try await store.list(prefix: "").map(\.version) == [version])
        let loaded = try await store.loadVersion("large", atMost: body.count)
        #expect(loaded.version == version)
        #expect(try loaded.body.bytes == body.bytes)
    }

    @Test(arguments: S3Kind.allCases)
    func foldersAreHidden(_ kind: S3Kind) async throws {
        var options = try servers.options(kind)
        let all = try await S3Store.open(options)
        for number in 0..<9 { try await all.store("main__b\(number)/c", Spool("x")) }
        for name in ["main__a", "main__b9", "main__z"] { try await all.store(name, Spool("x")) }
        (options.hideFolders, options.createBucket) = (true, false)
        let some = try await S3Store.open(options)
        #expect(try await all.list(prefix: "").count == 12)
        #expect(try await some.list(prefix: "").map(\.name) == ["main__a", "main__b9", "main__z"])
    }

    @Test(arguments: S3Kind.allCases)
    func aStorageClassIsAcceptedOrRefusedInOneLine(_ kind: S3Kind) async throws {
        var options = try servers.options(kind)
        options.storageClass = "STANDARD"
        try await S3Store.open(options).store("x", Spool("x"))
        options.storageClass = "REDUCED"
        let store = try await S3Store.open(options)
        let error = await storageError { try await store.store("x", Spool("x")) }
        #expect(
            error?.description.hasSuffix("cannot store x in bucket \(options.bucket): HTTP 400 InvalidStorageClass")
                == true)
    }

    @Test(arguments: S3Kind.allCases)
    func changesAreNotAnnounced(_ kind: S3Kind) async throws {
        var options = try servers.options(kind)
        options.notifications = .auto
        #expect(try await S3Store.open(options).announcesChanges() == false)
    }

    // MARK: regions

    @Test(arguments: S3Kind.allCases, styles)
    func aWrongRegionIsOneLine(_ kind: S3Kind, _ style: S3Options.Addressing) async throws {
        var options = try servers.options(kind, style)
        _ = try await S3Store.open(options)
        (options.region, options.createBucket) = ("eu-north-1", false)
        let store = try await S3Store.open(options)
        let error = await storageError { _ = try await store.list(prefix: "") }
        guard kind.checksRegion else {
            #expect(error == nil)
            return
        }
        guard kind != .r2 else {
            #expect(error?.code == "InvalidRegionName")
            let meaning =
                if case .refused(let refusal) = error?.cause { refusal.meaning } else { S3Refusal.Meaning.none }
            #expect(meaning == .region(used: "eu-north-1", expected: nil))
            return
        }
        #expect(error?.code == "AuthorizationHeaderMalformed")
        #expect(
            error?.description.hasSuffix("; the bucket is in region \(kind.region), not eu-north-1") == true,
            "\(String(describing: error))")
    }

    /// Also for the bucket that is created.
    @Test(arguments: S3Kind.allCases, styles)
    func aRegionThatIsNotSetIsLearnt(_ kind: S3Kind, _ style: S3Options.Addressing) async throws {
        var options = try servers.options(kind, style)
        options.region = "us-east-1"
        options.learnsRegion = true
        let store = try await S3Store.open(options)
        #expect(store.route.current.region == (kind == .r2 || !kind.checksRegion ? "us-east-1" : kind.region))
        try await store.store("x", Spool("x"))
        #expect(try await store.load("x").bytes == Array("x".utf8))
    }

    // MARK: what the stand-ins refuse

    @Test(arguments: S3Kind.allCases)
    func otherKeysAreRefused(_ kind: S3Kind) async throws {
        var options = try servers.options(kind)
        _ = try await S3Store.open(options)
        options.createBucket = false
        options.secretKey = "another"
        let forged = try await S3Store.open(options)
        #expect(await storageError { _ = try await forged.list(prefix: "") }?.code == "SignatureDoesNotMatch")
        options.accessKey = "nobody"
        let unknown = try await S3Store.open(options)
        #expect(await storageError { _ = try await unknown.list(prefix: "") }?.code == "InvalidAccessKeyId")
    }

    /// As the SDKs of AWS do by default.
    @Test(arguments: [S3Kind.r2, .gcs])
    func bodiesInSignedChunksAreRefused(_ kind: S3Kind) async throws {
        let store = try await open(kind, .path)
        var request = S3Request(.store, "PUT", key: "x")
        request.body = try await store.body(Spool("x"), 0..<1)
        request.headers = [("Content-Encoding", "aws-chunked")]
        let encoded = await storageError { [request] in try await store.send(request) { _ in } }
        #expect(encoded?.code == "NotImplemented")
        request.headers = []
        request.body?.digest.sha256 = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
        let streamed = await storageError { [request] in try await store.send(request) { _ in } }
        #expect(streamed?.code == "NotImplemented")
        #expect(try await store.list(prefix: "") == [])
    }

    @Test(
        arguments: [
            (S3Kind.r2, ("x-amz-acl", "private"), "NotImplemented"),
            (.b2, ("x-amz-checksum-crc32", "AAAAAA=="), "InvalidArgument"),
            (.gcs, ("Accept-Encoding", "identity"), "SignatureDoesNotMatch"),
        ] as [(S3Kind, (name: String, value: String), String)])
    func otherHeadersAreRefused(_ kind: S3Kind, _ header: (name: String, value: String), _ code: String) async throws {
        let store = try await open(kind, .path)
        var request = S3Request(.store, "PUT", key: "x")
        request.body = try await store.body(Spool("x"), 0..<1)
        request.headers = [header]
        let error = await storageError { [request] in try await store.send(request) { _ in } }
        #expect(error?.code == code)
    }

    @Test(arguments: [(S3Kind.r2, false), (.garage, true)])
    func partsOfDifferentSizesAreRefused(_ kind: S3Kind, _ isAccepted: Bool) async throws {
        let store = try await open(kind, .path)
        var begin = S3Request(.store, "POST", key: "x")
        begin.query = [("uploads", "")]
        begin.body = try await store.body(Spool(""), 0..<0)
        let id = try await store.send(begin) { s3UploadID($0.body) ?? "" }
        var parts = ""
        for (number, size) in [5 << 20, 6 << 20, 1].enumerated() {
            var part = S3Request(.store, "PUT", key: "x")
            part.query = [("partNumber", "\(number + 1)"), ("uploadId", id)]
            part.body = try await store.body(try Spool.pattern(size), 0..<size)
            let etag = try await store.send(part) { withoutQuotes($0.headers["etag"] ?? "") }
            parts += "<Part><PartNumber>\(number + 1)</PartNumber><ETag>\(etag)</ETag></Part>"
        }
        var end = S3Request(.store, "POST", key: "x")
        end.query = [("uploadId", id)]
        let list = Spool("<CompleteMultipartUpload>\(parts)</CompleteMultipartUpload>")
        end.body = try await store.body(list, 0..<list.count)
        let error = await storageError { [end] in try await store.send(end) { _ in } }
        #expect(error?.code == (isAccepted ? nil : "InvalidPart"))
    }

    // MARK: buckets of another region

    /// The first request is redirected, and sent once more with a new signature; the others go to the right place at once.
    @Test(arguments: ["-301", "-307", "-308"], styles)
    func aMovedBucketIsFoundOnce(_ end: String, _ style: S3Options.Addressing) async throws {
        let upstream = try servers.endpoint(.wasabi)
        let proxy = try FaultServer(upstream: upstream) { _, _ in .forward }
        defer { proxy.stop() }
        var options = try servers.options(.wasabi, style, end: end)
        options.endpointURL = "http://s3.localhost:\(proxy.port)"
        let store = try await S3Store.open(options)
        try await expectObjectsToComeAndGo(in: store)
        let body = try Spool.pattern(6 << 20)
        try await store.store("large", body)
        #expect(try await store.load("large").bytes == body.bytes)
        let label = style == .virtual ? "\(options.bucket)." : ""
        let hosts = proxy.requests.map { $0.headers["host"] ?? "" }
        #expect(hosts.first == "\(label)s3.localhost:\(proxy.port)")
        #expect(Set(hosts.dropFirst()) == ["\(label)ap-south-1.s3.localhost:\(proxy.port)"])
        #expect(hosts.count > 10)
        let credentials = Set(
            proxy.requests.dropFirst().map { $0.headers["authorization"]?.contains("/ap-south-1/s3/") })
        #expect(credentials == [true])
    }
}
