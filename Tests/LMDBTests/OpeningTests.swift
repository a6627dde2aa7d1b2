import CLMDB
import Foundation
import Testing

@testable import LMDB

/// Opening: which files are taken, which are made, and that the others are left alone.
@Suite struct OpeningTests {
    // MARK: Nothing there, or something else

    @Test(arguments: [
        ("pdns.lmdb", true, false), ("none/pdns.lmdb", true, false), ("none", false, false), (".", false, false),
        ("pdns.lmdb", true, true), ("none/deep", false, true), (".", false, true),
    ])
    func aMissingFileIsAnErrorAndNothingIsCreated(_ name: String, _ noSubdirectory: Bool, _ readOnly: Bool) throws {
        let scratch = try Scratch()
        let before = try scratch.snapshot()
        let options = EnvironmentOptions(
            path: scratch.path + "/" + name, noSubdirectory: noSubdirectory, readOnly: readOnly,
            // For reading only, nothing is ever created.
            create: readOnly)
        let error = lmdbError { _ = try LMDB.Environment(options) }
        #expect(error?.code == .missingFile)
        #expect(error?.description.contains(options.dataFile + ": there is no such file") == true)
        #expect(error?.description.contains("there is no such file") == true)
        #expect(try scratch.snapshot() == before)
    }

    @Test(arguments: [false, true]) func anEmptyFileIsAnErrorUnlessItMayBeCreated(_ readOnly: Bool) throws {
        let scratch = try Scratch()
        #expect(FileManager.default.createFile(atPath: scratch.file, contents: nil))
        let before = try scratch.snapshot()
        let error = lmdbError { _ = try scratch.open(readOnly: readOnly, create: readOnly) }
        #expect(error?.code == .missingFile)
        #expect(error?.description.contains("the file is empty") == true)
        #expect(try scratch.snapshot() == before)
        try scratch.open().put([("k", "v")])
        #expect(try scratch.open().entries()?.count == 1)
    }

    @Test(arguments: ["", "a\0b"]) func aPathThatIsNoneIsAnError(_ path: String) {
        for noSubdirectory in [false, true] {
            let options = EnvironmentOptions(path: path, noSubdirectory: noSubdirectory, create: true)
            #expect(lmdbError { _ = try LMDB.Environment(options) }?.code == .badName)
        }
    }

    @Test(arguments: [false, true]) func aDirectoryIsNotAFileNorAFileADirectory(_ create: Bool) throws {
        let scratch = try Scratch()
        try scratch.fill()
        let subdirectory = scratch.path + "/directory"
        try LMDB.Environment(EnvironmentOptions(path: subdirectory, create: true)).put([("k", "v")])
        let before = try scratch.snapshot()
        let asFile = EnvironmentOptions(path: subdirectory, noSubdirectory: true, create: create)
        let error = lmdbError { _ = try LMDB.Environment(asFile) }
        #expect(error?.code == .isDirectory)
        #expect(error?.description.hasSuffix("it is a directory") == true)
        let asDirectory = EnvironmentOptions(path: scratch.file, noSubdirectory: false, create: create)
        let other = lmdbError { _ = try LMDB.Environment(asDirectory) }
        #expect(other?.code == .isNotDirectory)
        #expect(other?.description.contains("it is a file, not a directory") == true)
        #expect(try scratch.snapshot() == before)
    }

    @Test func whatIsNoRegularFileIsAnError() throws {
        let scratch = try Scratch()
        #expect(mkfifo(scratch.file, 0o644) == 0)
        #expect(lmdbError { _ = try scratch.open() }?.code == .other(EINVAL))
        try FileManager.default.createDirectory(
            atPath: scratch.path + "/sub/data.mdb", withIntermediateDirectories: true)
        let error = lmdbError { _ = try LMDB.Environment(EnvironmentOptions(path: scratch.path + "/sub")) }
        #expect(error?.code == .other(EINVAL))
        #expect(error?.description.contains("/sub/data.mdb: it is not a regular file") == true)
    }

    // MARK: Once a process

    @Test func aSecondOpeningIsRefusedAndDoesNoHarm() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        let link = scratch.path + "/link"
        #expect(symlink(scratch.file, link + ".lmdb") == 0)
        #expect(symlink(scratch.lockFile, link + ".lmdb-lock") == 0)
        try environment.read { _ in
            for path in [scratch.file, link + ".lmdb"] {
                for readOnly in [false, true] {
                    let options = EnvironmentOptions(path: path, noSubdirectory: true, readOnly: readOnly)
                    let error = lmdbError { _ = try LMDB.Environment(options) }
                    #expect(error?.code == .alreadyOpen)
                }
            }
            #expect(environment.info.readers == 1)
        }
        // Were the first one's locks gone, this would initialise the reader table.
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            must(RawEnvironment(file).readers == 1, "the lock file was taken for abandoned")
        }
        #expect(try environment.entries()?.count == 1)
    }

    @Test func itCanBeOpenedAgainAfterwards() throws {
        let scratch = try Scratch()
        for count in 1...3 {
            let environment = try scratch.open()
            try environment.put([("key \(count)", "v")])
            #expect(try environment.entries()?.count == count)
        }
        // Failures let go as well.
        for _ in 0..<2 { #expect(lmdbError { _ = try scratch.open(mapSize: 1 << 60) }?.code == .noMemory) }
        #expect(try scratch.open().entries()?.count == 3)
    }

    @Test func twoFilesAreTwoEnvironments() throws {
        let (one, two) = (try Scratch(), try Scratch())
        let (a, b) = (try one.open(), try two.open())
        try a.read { _ in try b.put([("k", "v")]) }
        #expect(try a.entries() == nil)
        #expect(try b.entries()?.count == 1)
    }

    // MARK: For reading only

    @Test func readingOnlyChangesNothing() throws {
        let scratch = try Scratch()
        try scratch.fill()
        unlink(scratch.lockFile)
        let before = try scratch.snapshot()
        do {
            let environment = try scratch.open(readOnly: true, mapSize: 64 << 20)
            #expect(try environment.entries()?.count == 3)
            #expect(environment.clearStaleReaders() == 0)
            #expect(try scratch.snapshot() == before)
        }
        #expect(try scratch.snapshot() == before)
    }

    @Test func readingOnlyUsesTheLockFileThatIsThere() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        let before = try FileState(scratch.file)
        let environment = try scratch.open(readOnly: true)
        try environment.read { _ in #expect(environment.info.readers == 1) }
        #expect(try environment.entries()?.count == 3)
        #expect(try FileState(scratch.file) == before)
        // Another process's changes are seen.
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            RawEnvironment(file).put([("x", "y")])
        }
        #expect(try environment.entries()?.count == 4)
    }

    @Test func readingOnlyCannotWrite() throws {
        let scratch = try Scratch()
        try scratch.fill()
        let environment = try scratch.open(readOnly: true)
        let error = lmdbError { try environment.put([("k", "v")]) }
        #expect(error?.code == .noPermission)
        #expect(error?.description.contains("opened read-only") == true)
        #expect(try environment.entries()?.count == 3)
    }

    // MARK: In place

    @Test func aReplacedOrRemovedFileIsNoticed() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        #expect(environment.isInPlace)
        try environment.put([("k", "v")])
        #expect(environment.isInPlace)
        let copy = scratch.path + "/copy"
        try FileManager.default.copyItem(atPath: scratch.file, toPath: copy)
        #expect(environment.isInPlace)
        #expect(rename(copy, scratch.file) == 0)
        #expect(!environment.isInPlace)
        unlink(scratch.file)
        #expect(!environment.isInPlace)
        // What is open goes on.
        #expect(try environment.entries()?.count == 1)
    }

    @Test func sizesAndCountersAreThoseOfLMDB() throws {
        let scratch = try Scratch()
        try scratch.fill(1000)
        let environment = try scratch.open()
        let info = environment.info
        #expect(info.pageSize == sysconf(Int32(_SC_PAGESIZE)))
        #expect(info.lastTransactionID == 1)
        #expect(info.maximumReaders == 126)
        #expect(info.usedBytes == (info.lastPage + 1) * info.pageSize)
        #expect(environment.maximumKeySize == 511)
        let statistics = try environment.read { try $0.statistics(try #require(try $0.database("a"))) }
        #expect(statistics.entries == 1000)
        #expect(statistics.depth == 2)
        #expect(statistics.branchPages == 1)
        #expect(statistics.overflowPages == 0)
        #expect(statistics.usedBytes == (statistics.leafPages + 1) * statistics.pageSize)
        #expect(statistics.usedBytes < info.usedBytes)
    }

    @Test func damagedCountersDoNotOverflow() {
        let info = EnvironmentInfo(
            mapSize: 0, pageSize: 4096, lastPage: .max, lastTransactionID: 0, readers: 0, maximumReaders: 0)
        #expect(info.usedBytes == .max)
        let statistics = DatabaseStatistics(
            entries: 0, depth: 0, branchPages: .max, leafPages: .max, overflowPages: .max, pageSize: 4096)
        #expect(statistics.usedBytes == .max)
    }
}
