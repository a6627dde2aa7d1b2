import CLMDB
import Foundation
import TestSupport
import Testing

@testable import LMDB

/// Files that are not what they should be. Offsets are those of data format version 1.
@Suite struct DamageTests {
    private static let pageSize = sysconf(Int32(_SC_PAGESIZE))

    // MARK: Not an LMDB file

    private static let foreign: [(String, Data)] = [
        ("a word", Data("hello".utf8)), ("text", Data(repeating: UInt8(ascii: "x"), count: 10_000)),
        ("zeros", Data(count: 65_536)), ("the head of SQLite", Data("SQLite format 3\0".utf8) + Data(count: 8176)),
        ("less than a header", Data(count: 140)),
    ]

    @Test(arguments: foreign) func aFileOfAnotherFormatIsRefusedAndLeftAlone(_ name: String, _ contents: Data) throws {
        let scratch = try Scratch()
        try contents.write(to: URL(fileURLWithPath: scratch.file))
        let before = try scratch.snapshot()
        for readOnly in [false, true] {
            let error = lmdbError { _ = try scratch.open(readOnly: readOnly, mapSize: 1 << 20) }
            #expect(error?.code == .notLMDB)
            #expect(error?.description.contains("\(scratch.file): it is not an LMDB data file") == true)
        }
        #expect(try scratch.snapshot() == before)
    }

    @Test(arguments: [0, 2, 999] as [UInt32]) func anUnknownFormatVersionIsRefusedAndLeftAlone(_ version: UInt32) throws
    {
        let scratch = try Scratch()
        try scratch.fill()
        unlink(scratch.lockFile)
        try Self.patch(scratch.file) { $0.metaPages { $0.store(version, 20) } }
        let before = try scratch.snapshot()
        let error = lmdbError { _ = try scratch.open() }
        #expect(error?.code == .versionMismatch)
        let text = error?.description ?? ""
        #expect(
            text.contains("data format version \(version), and liblmdb \(LMDBVersion.text) supports only version 1"))
        #expect(text.contains(scratch.file))
        #expect(try scratch.snapshot() == before)
    }

    private static let badMetaPages: [(String, @Sendable (inout FileImage) -> Void)] = [
        ("page size 0", { $0.metaPages { $0.store(0 as UInt32, 40) } }),
        ("page size 3", { $0.metaPages { $0.store(3 as UInt32, 40) } }),
        ("page size 2 GiB", { $0.metaPages { $0.store(1 << 31 as UInt32, 40) } }),
        ("last page 0", { $0.metaPages { $0.store(0 as UInt, 136) } }),
        ("last page huge", { $0.metaPages { $0.store(UInt.max, 136) } }),
        ("no second meta page", { $0.bytes.removeLast($0.bytes.count - DamageTests.pageSize) }),
        ("half a second meta page", { $0.bytes.removeLast($0.bytes.count - DamageTests.pageSize - 100) }),
        ("second meta page of zeros", { $0.bytes.resetBytes(in: DamageTests.pageSize..<2 * DamageTests.pageSize) }),
        ("different page sizes", { $0.store(8192 as UInt32, DamageTests.pageSize + 40) }),
    ]

    @Test(arguments: badMetaPages.indices) func damagedMetaPagesAreRefused(_ index: Int) throws {
        let scratch = try Scratch()
        try scratch.fill()
        unlink(scratch.lockFile)
        try Self.patch(scratch.file, Self.badMetaPages[index].1)
        let before = try scratch.snapshot()
        for readOnly in [false, true] {
            let error = lmdbError { _ = try scratch.open(readOnly: readOnly) }
            #expect(error?.code == .corrupted, "\(Self.badMetaPages[index].0)")
            #expect(error?.description.contains("the file is damaged") == true)
        }
        #expect(try scratch.snapshot() == before)
    }

    @Test func aTransactionIDThatIsNegativeAsAnIntegerIsNoTrap() throws {
        let scratch = try Scratch()
        try scratch.fill()
        try Self.patch(scratch.file) { $0.store(UInt.max - 1, Self.pageSize + 144) }
        let environment = try scratch.open(readOnly: true)
        #expect(environment.info.lastTransactionID >= 1)
        _ = try environment.read { $0.id }
    }

    // MARK: Truncated and short files

    @Test func aTruncatedFileIsRefusedWhereverItEnds() throws {
        let scratch = try Scratch()
        try scratch.fill(2000)
        let environment = try scratch.open()
        try environment.put([("large", String(repeating: "x", count: 30_000))])
        let size = environment.info.usedBytes
        let whole = try #require(FileManager.default.contents(atPath: scratch.file))
        for pages in 2..<size / Self.pageSize {
            for rest in [0, 100] {
                let copy = try Scratch()
                try whole.prefix(pages * Self.pageSize + rest).write(to: URL(fileURLWithPath: copy.file))
                for readOnly in [false, true] {
                    let error = lmdbError { _ = try copy.open(readOnly: readOnly) }
                    #expect(error?.code == .corrupted, "\(pages) pages and \(rest) bytes")
                    #expect(error?.description.contains("it is truncated") == true)
                }
            }
        }
        let copy = try Scratch()
        try whole.write(to: URL(fileURLWithPath: copy.file))
        #expect(try copy.open().entries()?.count == 2001)
    }

    /// LMDB does not write pages that a transaction took and gave back.
    @Test func aFileThatIsShortForItsFreePagesIsSound() throws {
        var shortFiles = 0
        for seed in 0..<12 as Range<UInt64> {
            let scratch = try Scratch()
            var random = SeededGenerator(seed: seed)
            for _ in 0..<6 {
                let environment = try scratch.open(mapSize: 64 << 20)
                try environment.write { transaction in
                    let database = try transaction.database("a", creating: [])
                    for _ in 0..<Int.random(in: 0..<300, using: &random) {
                        try key(Int.random(in: 0..<1000, using: &random)).withBytes { key in
                            if Bool.random(using: &random) {
                                try transaction.delete(database, key)
                            } else {
                                try String(repeating: "x", count: Int.random(in: 0..<3000, using: &random))
                                    .withBytes { try transaction.put(database, key, $0) }
                            }
                        }
                    }
                    if Bool.random(using: &random) {
                        for number in 0..<1000 {
                            try key(number).withBytes { _ = try transaction.delete(database, $0) }
                        }
                    }
                    return .commit(())
                }
                var status = stat()
                #expect(stat(scratch.file, &status) == 0)
                if status.st_size < environment.info.usedBytes { shortFiles += 1 }
            }
            #expect(try scratch.open(readOnly: true).entries() != nil, "seed \(seed)")
        }
        // Otherwise this test says nothing.
        #expect(shortFiles > 0)
    }

    /// The list of free pages is then too long for a page, and for a node.
    @Test func aLongListOfFreePagesIsRead() throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: 256 << 20)
        try environment.put((0..<12_000).map { (key($0), String(repeating: "x", count: 2500)) })
        try environment.write { transaction in
            let database = try #require(try transaction.database("a"))
            for number in 0..<12_000 { try key(number).withBytes { _ = try transaction.delete(database, $0) } }
            return .commit(())
        }
        let descriptor = open(scratch.file, O_RDWR)
        defer { close(descriptor) }
        let meta = try MetaPage.read(descriptor).newer
        #expect(try !MissingPages.areNeeded(descriptor, meta))
        // All pages of the former entries are free; those of the lists themselves come last.
        #expect(ftruncate(descriptor, off_t(meta.lastPage) * off_t(Self.pageSize)) == 0)
        #expect(try MissingPages.areNeeded(descriptor, meta))
    }

    // MARK: Damaged pages

    @Test func aSizeBeyondTheFileIsAnErrorAndNotACrash() throws {
        let scratch = try Scratch()
        try scratch.fill()
        // The sizes of the values, in the nodes of the leaf page.
        try Self.patch(scratch.file) { file in
            let leaf = file.leaf(holding: "value 1")
            for node in file.nodes(leaf) { file.store(0x7fff_fff0 as UInt32, node) }
        }
        try Self.expectCorruption(scratch)
    }

    @Test func aValueInOverflowPagesThatIsTooLongIsAnError() throws {
        let scratch = try Scratch()
        let value = String(repeating: "x", count: 9000)
        try scratch.open().put([(key(0), value), (key(1), value)])
        #expect(try scratch.open().entries()?.count == 2)
        try Self.patch(scratch.file) { file in
            let leaf = file.leaf(holding: key(1))
            for node in file.nodes(leaf) { file.store(0x7fff_fff0 as UInt32, node) }
        }
        try Self.expectCorruption(scratch)
    }

    @Test(arguments: [10_000_000, 1 << 47] as [UInt]) func aPageBeyondTheLastIsAnError(_ page: UInt) throws {
        let scratch = try Scratch()
        try scratch.fill()
        // The root of the database, in its record of 48 bytes, whose last 8 it is.
        try Self.patch(scratch.file) { file in
            let leaf = file.leaf(holding: "a", lengthOfValue: 48)
            file.store(page, file.nodes(leaf)[0] + 8 + 1 + 40)
        }
        try Self.expectCorruption(scratch)
    }

    @Test func aPageOfAnotherKindIsAnError() throws {
        let scratch = try Scratch()
        try scratch.fill()
        try Self.patch(scratch.file) { $0.store(0 as UInt16, $0.leaf(holding: "value 1") + 10) }
        try Self.expectCorruption(scratch)
    }

    private static func expectCorruption(_ scratch: Scratch) throws {
        for readOnly in [false, true] {
            let environment = try scratch.open(readOnly: readOnly)
            let errors = [
                lmdbError { _ = try environment.entries() },
                lmdbError {
                    try environment.read { transaction in
                        let database = try #require(try transaction.database("a"))
                        try key(1).withBytes { _ = try transaction.get(database, $0) }
                    }
                },
            ]
            for error in errors {
                #expect(error?.code == .corrupted)
                #expect(error?.description.contains("the file is damaged") == true)
                #expect(error?.description.contains(scratch.file) == true)
            }
        }
    }

    /// What liblmdb has no error code for ends the process, with a line that says why.
    @Test func anAssertionOfLMDBEndsTheProcessWithALine() async throws {
        let scratch = try Scratch()
        try scratch.fill(1000)
        try Self.patch(scratch.file) { $0.store(0 as UInt16, $0.leaf(holding: key(999)) + 10) }
        let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
            [file = scratch.file as String] in
            _ = try LMDB.Environment(EnvironmentOptions(path: file, noSubdirectory: true)).entries()
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("LMDB \(scratch.file): the file is damaged ("))
        #expect(text.contains("Assertion") && text.contains("let it be rebuilt"))
    }

    fileprivate static func patch(_ path: String, _ change: (inout FileImage) throws -> Void) throws {
        var image = FileImage(bytes: try #require(FileManager.default.contents(atPath: path)))
        try change(&image)
        // In place, as an open lock file is mapped by others.
        let descriptor = open(path, O_WRONLY)
        defer { close(descriptor) }
        #expect(image.bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) } == image.bytes.count)
        if !path.hasSuffix("-lock") { #expect(ftruncate(descriptor, off_t(image.bytes.count)) == 0) }
    }
}

/// A data file in memory, to be damaged.
struct FileImage {
    var bytes: Data
    private static let pageSize = sysconf(Int32(_SC_PAGESIZE))

    mutating func store<T: FixedWidthInteger>(_ value: T, _ offset: Int) {
        withUnsafeBytes(of: value) { bytes.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }

    func load<T: FixedWidthInteger>(_ offset: Int, as: T.Type) -> T {
        bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
    }

    /// Applies a change to each of the two meta pages.
    mutating func metaPages(_ change: (inout FileImage) -> Void) {
        for page in 0..<2 {
            let range = page * Self.pageSize..<(page + 1) * Self.pageSize
            var image = FileImage(bytes: Data(bytes[range]))
            change(&image)
            bytes.replaceSubrange(range, with: image.bytes)
        }
    }

    /// The offset of the leaf page in use, the newest, with a text in it.
    func leaf(holding text: String, lengthOfValue: Int? = nil) -> Int {
        let starts = stride(from: 2 * Self.pageSize, to: bytes.count, by: Self.pageSize).filter { start in
            guard load(start + 10, as: UInt16.self) == 0x02 else { return false }
            if let lengthOfValue {
                return nodes(start).contains { node in
                    load(node, as: UInt32.self) == lengthOfValue
                        && bytes[node + 8..<node + 8 + text.utf8.count] == Data(text.utf8)
                }
            }
            return bytes[start..<start + Self.pageSize].range(of: Data(text.utf8)) != nil
        }
        return starts.last ?? 0
    }

    /// The offsets of the nodes of a page.
    func nodes(_ page: Int) -> [Int] {
        (0..<(Int(load(page + 12, as: UInt16.self)) - 16) / 2).map {
            page + Int(load(page + 16 + 2 * $0, as: UInt16.self))
        }
    }
}

/// Damage while another process has the file open.
@Suite struct DamageLiveTests {
    @Test func aLockFileOfAnotherFormatInUseIsAClearError() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        let baton = Baton(path: scratch.path + "/step")
        let peer = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, step = baton.path as String] in
                let environment = RawEnvironment(file)
                Baton(path: step).reach("open")
                Baton(path: step).wait(for: "refused")
                environment.close()
            }
        }
        try await baton.reached("open")
        for (offset, code) in [(4, LMDBError.Code.versionMismatch), (0, .corrupted)] {
            try DamageTests.patch(scratch.lockFile) { $0.store(0x1234_5678 as UInt32, offset) }
            let error = lmdbError { _ = try scratch.open() }
            #expect(error?.code == code)
            #expect(error?.description.contains("lock file \(scratch.lockFile) is in use") == true)
        }
        baton.reach("refused")
        await peer.value
        // Nobody uses it now, so it is made anew.
        #expect(try scratch.open().entries()?.count == 3)
    }
}
