import Foundation
import HTTP
import Support
import Testing

@testable import BlobStorage

/// Against a real server, which checks signatures.
@Suite(.s3Server, .timeLimit(.minutes(5)))
struct S3ServerLiveTests {
    private let server: S3TestServer

    init() throws { server = try #require(S3TestServer.current) }

    /// An empty bucket of the test's own.
    private func bucket(_ change: (inout S3Options) -> Void = { _ in }) async throws -> S3Store {
        var options = server.options(bucket: "test-\(UUID().uuidString.lowercased())")
        change(&options)
        return try await S3Store.open(options)
    }

    @Test func whatWasStoredIsLoadedListedReplacedAndDeleted() async throws {
        let store = try await bucket()
        try await expectObjectsToComeAndGo(in: store)
        let error = await storageError { _ = try await store.load("main__a__1.pb.gz") }
        #expect(error?.kind == .notFound)
        #expect(
            error?.description.hasPrefix(
                "cannot load main__a__1.pb.gz in bucket \(store.options.bucket): HTTP 404 NoSuchKey") == true)
    }

    @Test(arguments: [
        "a b", "a+b", "a%b", "a%2Bb", "a=b&c?d#e", "ü", "日本", "(x)'!*", "~-._", "a\"b<c>", "x:y;z,@$",
    ])
    func namesWithOddCharactersSurvive(_ name: String) async throws {
        let store = try await bucket { $0.globalPrefix = "pre fix+" }
        try await store.store(name, Spool(name))
        #expect(
            try await store.list(prefix: String(name.prefix(1))).undated == [Blob(name: name, size: name.utf8.count)])
        #expect(try await store.load(name).bytes == Array(name.utf8))
        try await store.delete(name)
        #expect(try await listed(store, []) == [])
    }

    @Test func theVersionOfWhatWasStoredIsThatOfListings() async throws {
        try await expectVersionsToBeThoseOfListings(in: try await bucket())
    }

    @Test func listingsOfManyPagesAreCompleteAndSorted() async throws {
        let store = try await bucket()
        let names = (0..<1030).map { "main__n\(String(format: "%05d", $0 * 7919 % 100_000))" }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in names { group.addTask { try await store.store(name, Spool(name)) } }
            try await group.waitForAll()
        }
        try await store.store("other", Spool("x"))
        #expect(try await store.list(prefix: "main__").map(\.name) == names.sorted())
    }

    @Test func aLargeBodyGoesInPartsAndComesBackWhole() async throws {
        let store = try await bucket {
            $0.partSize = 5 << 20
            $0.parallelParts = 3
        }
        let body = try Spool.pattern((22 << 20) + 12345)
        let version = try await store.store("large", body)
        #expect(try await store.list(prefix: "").map(\.version) == [version])
        #expect(try await store.list(prefix: "").undated == [Blob(name: "large", size: body.count)])
        let loaded = try await store.load("large")
        #expect(loaded.count == body.count)
        #expect(try Digest.sha256(loaded.bytes) == Digest.sha256(body.bytes))
        // A body of medium size in one request, from a file.
        let medium = try Spool.pattern(5 << 20, memoryLimit: 0)
        try await store.store("medium", medium)
        #expect(try await store.load("medium").bytes == medium.bytes)
    }

    @Test func theGlobalPrefixIsInvisible() async throws {
        let store = try await bucket { $0.globalPrefix = "site/" }
        let whole = try await S3Store.open(server.options(bucket: store.options.bucket, create: false))
        try await whole.store("outside", Spool("x"))
        try await store.store("inside", Spool("xy"))
        #expect(try await store.list(prefix: "").undated == [Blob(name: "inside", size: 2)])
        #expect(try await whole.list(prefix: "").map(\.name) == ["outside", "site/inside"])
        try await store.delete("outside")
        #expect(try await whole.load("site/inside").bytes == Array("xy".utf8))
        #expect(try await whole.list(prefix: "").count == 2)
    }

    @Test(arguments: [(true, false), (false, true)])
    func foldersAreHidden(_ hide: Bool, _ prefix: Bool) async throws {
        let all = try await bucket()
        for name in ["main__a", "main__b/c", "folder/x"] { try await all.store(name, Spool("x")) }
        var options = all.options
        (options.hideFolders, options.prefixFolders) = (hide, prefix)
        let some = try await S3Store.open(options)
        #expect(try await all.list(prefix: "").map(\.name) == ["folder/x", "main__a", "main__b/c"])
        #expect(try await some.list(prefix: "").map(\.name) == ["main__a"])
        #expect(try await some.list(prefix: "main__").map(\.name) == ["main__a"])
    }

    @Test func aReadersKeySufficesForListingAndLoading() async throws {
        let writer = try await bucket()
        try await writer.store("main__a", Spool("x"))
        var options = server.options(bucket: writer.options.bucket, create: false)
        (options.accessKey, options.secretKey) = ("labreader", "labreadersecret1")
        let reader = try await S3Store.open(options)
        #expect(try await reader.list(prefix: "main__").count == 1)
        #expect(try await reader.load("main__a").bytes == Array("x".utf8))
        for (operation, permission, body) in [
            ("store", "s3:PutObject", { try await reader.store("main__b", Spool("x")) }),
            ("delete", "s3:DeleteObject", { try await reader.delete("main__a") }),
        ] as [(String, String, () async throws -> Void)] {
            let error = await storageError(body)
            #expect(error?.kind == .accessDenied)
            #expect(error?.code == "AccessDenied")
            #expect(error?.description.hasPrefix("cannot \(operation) main__") == true)
            #expect(
                error?.description.hasSuffix(
                    "this key needs the permission \(permission) on \(writer.options.bucket)/*") == true)
        }
    }

    @Test func wrongKeysAndBucketsAreToldApart() async throws {
        let store = try await bucket()
        var wrongSecret = server.options(bucket: store.options.bucket, create: false)
        wrongSecret.secretKey = "not-the-secret"
        var wrongKey = wrongSecret
        wrongKey.accessKey = "nobody"
        for (options, code) in [
            (wrongSecret, "SignatureDoesNotMatch"),
            (wrongKey, "InvalidAccessKeyId"),
            (server.options(bucket: "no-such-bucket", create: false), "NoSuchBucket"),
        ] {
            let error = await storageError { _ = try await S3Store.open(options).list(prefix: "main__") }
            #expect(error?.code == code)
            #expect(error?.description.contains("cannot list main__* in bucket \(options.bucket): HTTP 40") == true)
            #expect(error?.description.contains("not-the-secret") == false)
        }
    }

    /// This server speaks http only.
    @Test func httpsAgainstAPortThatSpeaksHTTPIsSaid() async throws {
        var options = server.options(bucket: "b", create: false)
        options.endpointURL = server.endpoint.replacingOccurrences(of: "http://", with: "https://")
        let error = await storageError { _ = try await S3Store.open(options).list(prefix: "") }
        #expect(
            error?.description.hasSuffix(
                ": this port does not speak https") == true)
        #expect(error?.description.contains("certificate") == false)
    }

    @Test func manyOpenersCreateTheBucketOnce() async throws {
        let options = server.options(bucket: "shared-\(UUID().uuidString.lowercased())")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<4 {
                group.addTask { try await S3Store.open(options).store("n\(number)", Spool("x")) }
            }
            try await group.waitForAll()
        }
        #expect(try await S3Store.open(options).list(prefix: "").count == 4)
    }

    @Test func aStorageClassAndNoContentMD5AreAccepted() async throws {
        let store = try await bucket {
            $0.storageClass = "STANDARD_IA"
            $0.disableSendContentMD5 = true
            $0.region = "eu-central-1"
        }
        try await store.store("x", Spool("x"))
        #expect(try await store.load("x").bytes == Array("x".utf8))
    }
}
