import Foundation
import TestSupport
import Testing

@testable import Support

@Suite("Spools")
struct SpoolTests {
    private static func written(_ parts: [[UInt8]], limit: Int, in directory: TemporaryDirectory) throws -> Spool {
        var writer = SpoolWriter(memoryLimit: limit, directory: directory.path)
        for part in parts { try part.withUnsafeBytes { try writer.write($0) } }
        #expect(writer.count == parts.reduce(0) { $0 + $1.count })
        return try writer.finish()
    }

    private static func read(_ spool: Spool, blockSize: Int) throws -> [UInt8] {
        var reader = spool.reader()
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: blockSize)
        while true {
            let count = try block.withUnsafeMutableBytes { try reader.read(into: $0) }
            if count == 0 { return bytes }
            bytes += block[..<count]
        }
    }

    static let blockSize = 256 << 10
    // No two places look alike.
    private static let noise: [UInt8] = (0..<UInt32(4 * blockSize)).map {
        UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13)
    }
    static let shapes: [[Int]] = [
        [], [0], [1], [10], [11], [9, 1, 1], [5, 0, 5, 0, 5], [1, 1000], [1000, 1], [300, 700, 1],
        [blockSize], [blockSize - 1, 1, 1], [1, blockSize, 1], [blockSize + 1, blockSize - 1, 2 * blockSize, 3],
        [Int](repeating: 1777, count: 500), [3 * blockSize],
    ]

    @Test("give back what was written, from memory and from a file", arguments: shapes, [0, 1, 10, 1000, 1 << 20])
    func roundTrip(_ sizes: [Int], _ limit: Int) throws {
        let directory = try TemporaryDirectory()
        var parts: [[UInt8]] = []
        var all: [UInt8] = []
        for size in sizes {
            parts.append(Array(Self.noise[all.count % 1000..<all.count % 1000 + size]))
            all += Self.noise[all.count % 1000..<all.count % 1000 + size]
        }
        let spool = try Self.written(parts, limit: limit, in: directory)
        #expect(spool.count == all.count)
        #expect((spool.fileDescriptor == nil) == (all.count <= limit))
        #expect(try directory.names == [])
        for blockSize in [100_000, 1 << 20] { #expect(try Self.read(spool, blockSize: blockSize) == all) }
    }

    @Test("can be read at any place, again and again, by several at once", arguments: [0, 1000])
    func readAt(_ limit: Int) async throws {
        let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let spool = try Self.written([bytes], limit: limit, in: TemporaryDirectory())
        try await withThrowingTaskGroup { group in
            for offset in 0...310 {
                group.addTask {
                    for count in [0, 1, 10, 300, 400] {
                        var block = [UInt8](repeating: 0xee, count: count)
                        let read = try block.withUnsafeMutableBytes { try spool.read(at: offset, into: $0) }
                        #expect(read == max(0, min(count, 300 - offset)))
                        #expect(Array(block[..<read]) == Array(bytes.dropFirst(offset).prefix(count)))
                        // Nothing else is touched.
                        #expect(block[read...].allSatisfy { $0 == 0xee })
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("have two readers that do not disturb each other")
    func readers() throws {
        let spool = Spool([1, 2, 3, 4])
        var one = spool.reader()
        var two = spool.reader()
        var block: [UInt8] = [0, 0, 0]
        #expect(try block.withUnsafeMutableBytes { try one.read(into: $0) } == 3)
        #expect(try block.withUnsafeMutableBytes { try two.read(into: $0) } == 3)
        #expect(block == [1, 2, 3])
        #expect(try block.withUnsafeMutableBytes { try one.read(into: $0) } == 1)
        #expect(block[0] == 4)
        #expect(try block.withUnsafeMutableBytes { try one.read(into: $0) } == 0)
    }

    @Test("close their file in the end, finished or not")
    func descriptors() throws {
        let directory = try TemporaryDirectory()
        var descriptor: Int32 = -1
        do {
            let spool = try Self.written([[1, 2, 3]], limit: 0, in: directory)
            descriptor = try #require(spool.fileDescriptor)
            #expect(Self.isOurs(descriptor, directory))
            #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
        }
        #expect(!Self.isOurs(descriptor, directory))

        do {
            var writer = SpoolWriter(memoryLimit: 0, directory: directory.path)
            try [UInt8](repeating: 1, count: 10).withUnsafeBytes { try writer.write($0) }
            #expect((3..<4096).contains { Self.isOurs($0, directory) })
        }
        #expect(!(3..<4096).contains { Self.isOurs($0, directory) })
    }

    // Whether a descriptor is of a file that was made in this directory. Other tests open and close files meanwhile.
    private static func isOurs(_ descriptor: Int32, _ directory: TemporaryDirectory) -> Bool {
        let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")
        return link?.hasPrefix(directory.path) == true
    }

    @Test("say which disk is full: that of the storage, or that of temporary files")
    func fullDisk() throws {
        var writer = SpoolWriter(memoryLimit: 0, stagingDirectory: "/dev/shm", directory: "/nonexistent")
        try [UInt8](repeating: 1, count: 10).withUnsafeBytes { try writer.write($0) }
        #expect(writer.subject == "a new file in /dev/shm")
        let directory = try TemporaryDirectory()
        var fallback = SpoolWriter(memoryLimit: 0, stagingDirectory: "/nonexistent", directory: directory.path)
        try [UInt8](repeating: 1, count: 10).withUnsafeBytes { try fallback.write($0) }
        #expect(fallback.subject == "a temporary file in \(directory.path) (set TMPDIR to use another directory)")
    }

    @Test("say where a file could not be made, and what helps")
    func noDirectory() throws {
        var writer = SpoolWriter(memoryLimit: 3, directory: "/nonexistent")
        try [1, 2, 3].withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            try writer.write(UnsafeRawBufferPointer(rebasing: bytes.prefix(3)))
        }
        var message = ""
        do {
            try [UInt8](repeating: 1, count: 1).withUnsafeBytes { try writer.write($0) }
        } catch {
            message = "\(error)"
        }
        #expect(
            message
                == "cannot create a temporary file in /nonexistent (set TMPDIR to use another directory): "
                + "No such file or directory")
    }

    @Test("notice a file that became shorter")
    func truncated() throws {
        let spool = try Self.written([[UInt8](repeating: 1, count: 100)], limit: 0, in: TemporaryDirectory())
        let descriptor = try #require(spool.fileDescriptor)
        #expect(ftruncate(descriptor, 50) == 0)
        var block = [UInt8](repeating: 0, count: 100)
        let error = #expect(throws: SystemError.self) {
            try block.withUnsafeMutableBytes { buffer throws(SystemError) in try spool.read(at: 0, into: buffer) }
        }
        #expect(error?.code == EIO)
    }

    @Test("that are not open are an error, not an end")
    func closedDescriptor() throws {
        let spool = Spool(owning: 1 << 20, count: 10)
        var block = [UInt8](repeating: 0, count: 100)
        let error = #expect(throws: SystemError.self) {
            try block.withUnsafeMutableBytes { buffer throws(SystemError) in try spool.read(at: 0, into: buffer) }
        }
        #expect(error?.description == "cannot read from a spooled file: Bad file descriptor")
    }

    @Test("use a directory for temporary files")
    func temporaryDirectory() {
        #expect(access(SpoolWriter.temporaryDirectory, W_OK) == 0)
    }
}

@Suite("System calls")
struct SystemCallTests {
    @Test("are repeated when a signal interrupts them")
    func interrupted() throws {
        var calls = 0
        let result = try systemCall("do", "it") {
            calls += 1
            errno = EINTR
            return calls < 3 ? -1 : 7
        }
        #expect(result == 7)
        #expect(calls == 3)
    }

    @Test("that fail say what, on what and why")
    func failed() {
        let error = #expect(throws: SystemError.self) {
            try systemCall("open", "/x") {
                errno = EACCES
                return -1
            }
        }
        #expect(error == SystemError("open", "/x", code: EACCES))
        #expect(error?.description == "cannot open /x: Permission denied")
    }
}
