import Support
import Testing

@testable import BlobStorage

/// Every storage names the version of an object that it has stored as its listings do, and another one for other bytes.
func expectVersionsToBeThoseOfListings(in store: any BlobStore) async throws {
    var versions: Set<String> = []
    for number in 0..<20 {
        let version = try await store.store("main__v.delta", Spool("bytes \(number)"))
        let blob = try #require(try await store.list(prefix: "main__v").first)
        #expect(blob.version == version)
        #expect(try await store.list(prefix: "main__v").first?.version == version)
        versions.insert(try #require(version))
        #expect(version?.contains("\"") == false && version?.isEmpty == false)
    }
    #expect(versions.count == 20)
    try await store.delete("main__v.delta")
}

/// What every storage does with objects, begun with an empty one; in the end `main__a__1.pb.gz` has come, been replaced
/// and gone.
func expectObjectsToComeAndGo(in store: any BlobStore) async throws {
    #expect(try await store.list(prefix: "") == [])
    try await store.store("main__a__1.pb.gz", Spool("one"))
    try await store.store("main__b__1.pb.gz", Spool(""))
    try await store.store("other__a__1.pb.gz", Spool("three"))
    #expect(
        try await store.list(prefix: "main__").undated == [
            Blob(name: "main__a__1.pb.gz", size: 3), Blob(name: "main__b__1.pb.gz", size: 0),
        ])
    #expect(try await store.load("main__a__1.pb.gz").bytes == Array("one".utf8))
    #expect(try await store.load("main__b__1.pb.gz").bytes == [])

    try await store.store("main__a__1.pb.gz", Spool("longer"))
    #expect(try await store.load("main__a__1.pb.gz").bytes == Array("longer".utf8))

    try await store.delete("main__a__1.pb.gz")
    try await store.delete("main__a__1.pb.gz")
    let left = ["main__b__1.pb.gz", "other__a__1.pb.gz"]
    #expect(try await listed(store, left) == left)
}
