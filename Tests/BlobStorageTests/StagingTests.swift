import Glibc
import Support
import TestSupport
import Testing

@testable import BlobStorage

/// A large snapshot is written to a directory once, not twice.
@Suite struct StagingTests {
    private func spool(in directory: String?, size: Int = 5 << 20) throws -> Spool {
        var writer = SpoolWriter(stagingDirectory: directory)
        var block = [UInt8](repeating: 0, count: 1 << 20)
        for part in 0..<size >> 20 {
            for index in block.indices { block[index] = UInt8(truncatingIfNeeded: index &* 31 &+ part) }
            try block.withUnsafeBytes { try writer.write($0) }
        }
        return try writer.finish()
    }

    private func inode(_ path: String) -> UInt {
        var status = stat()
        return stat(path, &status) == 0 ? UInt(status.st_ino) : 0
    }

    @Test func stagedSpoolIsGivenItsNameWithoutCopy() async throws {
        let directory = try TemporaryDirectory()
        let store = try FileSystemStore(rootPath: directory.path)
        let body = try spool(in: store.stagingDirectory)
        #expect(try await store.list(prefix: "").isEmpty, "nothing is visible before it is stored")
        let descriptor = try #require(body.fileDescriptor)
        var status = stat()
        fstat(descriptor, &status)

        try await store.store("a.pb.gz", body)
        #expect(inode(directory.file("a.pb.gz")) == UInt(status.st_ino))
        #expect(try await store.load("a.pb.gz").bytes == body.bytes)
        #expect(try await store.list(prefix: "").map(\.name) == ["a.pb.gz"])
    }

    @Test func stagedSpoolCanBeStoredAgainAfterItsFileIsGone() async throws {
        let directory = try TemporaryDirectory()
        let store = try FileSystemStore(rootPath: directory.path)
        let body = try spool(in: store.stagingDirectory)
        try await store.store("a.pb.gz", body)
        try await store.delete("a.pb.gz")
        try await store.store("b.pb.gz", body)
        #expect(try await store.load("b.pb.gz").bytes == body.bytes)
    }

    @Test func spoolFromElsewhereIsCopied() async throws {
        let directory = try TemporaryDirectory()
        let store = try FileSystemStore(rootPath: directory.path)
        let body = try spool(in: "/nonexistent/directory")
        try await store.store("a.pb.gz", body)
        #expect(try await store.load("a.pb.gz").bytes == body.bytes)
    }
}
