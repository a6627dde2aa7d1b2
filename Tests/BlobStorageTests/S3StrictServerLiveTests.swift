import Foundation
import Support
import Testing

@testable import BlobStorage

/// Against a server that refuses what AWS refuses: wrong regions, and bodies that don't match their signed hash.
@Suite(.strictS3Server, .timeLimit(.minutes(5)))
struct S3StrictServerLiveTests {
    private let server: S3TestServer

    init() throws { server = try #require(S3TestServer.current) }

    @Test func bodiesOfAllKindsAreAccepted() async throws {
        var options = server.options(bucket: "strict-\(UUID().uuidString.lowercased())")
        options.partSize = 5 << 20
        let store = try await S3Store.open(options)
        for name in ["a b", "a+b%", "ü=&<>", "main__ns1__20261120-173955-012345678__GX.pb.gz"] {
            try await store.store(name, Spool(name))
            #expect(try await store.load(name).bytes == Array(name.utf8))
        }
        try await store.store("empty", Spool(""))
        #expect(try await store.load("empty").count == 0)
        let large = try Spool.pattern(11 << 20)
        let version = try await store.store("large", large)
        #expect(try await store.list(prefix: "large").map(\.version) == [version])
        #expect(try await store.load("large").bytes == large.bytes)
        #expect(try await store.list(prefix: "").count == 6)
        #expect(try await store.list(prefix: "main__").count == 1)
        for blob in try await store.list(prefix: "") { try await store.delete(blob.name) }
        try await store.delete("none")
        #expect(try await store.list(prefix: "") == [])
    }

    @Test func theVersionOfWhatWasStoredIsThatOfListings() async throws {
        let options = server.options(bucket: "versions-\(UUID().uuidString.lowercased())")
        try await expectVersionsToBeThoseOfListings(in: try await S3Store.open(options))
    }

    /// Signature, Host header and path must agree about where the bucket is.
    @Test func theBucketMayBeInTheHostName() async throws {
        var options = server.options(bucket: "virtual-\(UUID().uuidString.lowercased())")
        options.partSize = 5 << 20
        let path = try await S3Store.open(options)
        options.addressing = .virtual
        options.endpointURL = options.endpointURL.replacingOccurrences(of: "127.0.0.1", with: "localhost")
        let virtual = try await S3Store.open(options)
        for name in ["a b", "a+b%/c", "ü=&<>"] {
            try await virtual.store(name, Spool(name))
            #expect(try await path.load(name).bytes == Array(name.utf8))
            #expect(try await virtual.load(name).bytes == Array(name.utf8))
        }
        let large = try Spool.pattern(6 << 20)
        try await virtual.store("large", large)
        #expect(try await path.load("large").bytes == large.bytes)
        #expect(try await virtual.list(prefix: "a").map(\.name) == ["a b", "a+b%/c"])
        for blob in try await path.list(prefix: "") { try await virtual.delete(blob.name) }
        #expect(try await virtual.list(prefix: "") == [])
    }

    @Test func theRightRegionIsNamed() async throws {
        var options = server.options(bucket: "region-\(UUID().uuidString.lowercased())")
        _ = try await S3Store.open(options)
        options.createBucket = false
        options.region = "eu-west-1"
        let store = try await S3Store.open(options)
        for error in [
            await storageError { _ = try await store.list(prefix: "") },
            await storageError { try await store.store("x", Spool("x")) },
        ] {
            #expect(error?.code == "AuthorizationHeaderMalformed")
            #expect(error?.description.hasSuffix("; the bucket is in region us-east-1, not eu-west-1") == true)
        }
    }
}
