import CLMDB
import Foundation
import Testing

@testable import LMDB

/// The size of the map: what is asked for, what is had, and what happens at its end.
@Suite struct MapTests {
    fileprivate static let mebibyte = 1 << 20

    // MARK: Sizes at opening

    @Test(arguments: [(0, 1 << 30), (3 << 20, 3 << 20)])
    func aNewFileGetsTheConfiguredSizeOrOneGibibyte(_ configured: Int, _ expected: Int) throws {
        let scratch = try Scratch()
        #expect(try scratch.open(mapSize: configured).info.mapSize == expected)
    }

    @Test func anEmptyFileIsLikeANewOne() throws {
        let scratch = try Scratch()
        #expect(FileManager.default.createFile(atPath: scratch.file, contents: nil))
        #expect(try scratch.open().info.mapSize == 1 << 30)
    }

    @Test func zeroKeepsTheSizeOfTheFile() throws {
        let scratch = try Scratch()
        try scratch.open(mapSize: 5 * Self.mebibyte).put([("k", "v")])
        let environment = try scratch.open(mapSize: 0)
        #expect(environment.info.mapSize == 5 * Self.mebibyte)
        try environment.put([("k", "w")])
        #expect(environment.info.mapSize == 5 * Self.mebibyte)
    }

    @Test(arguments: [2, 9])
    func theConfiguredSizeIsUsedExactly(_ mebibytes: Int) throws {
        let scratch = try Scratch()
        try scratch.open(mapSize: 5 * Self.mebibyte).put([("k", "v")])
        let environment = try scratch.open(mapSize: mebibytes * Self.mebibyte)
        try environment.put([("k", "w")])
        #expect(environment.info.mapSize == mebibytes * Self.mebibyte)
    }

    @Test func aSizeBelowWhatIsUsedLeavesNoRoomButLetsRead() throws {
        let scratch = try Scratch()
        try scratch.fill(20_000)
        let used = try scratch.open().info.usedBytes
        let environment = try scratch.open(mapSize: 65_536)
        #expect(environment.info.mapSize == used)
        #expect(try environment.entries()?.count == 20_000)
        let error = lmdbError { try environment.put((0..<9000).map { (key(50_000 + $0), "value") }) }
        #expect(error?.code == .mapFull)
        #expect(error?.description.contains("\(used) of \(used) bytes used") == true)
    }

    @Test func aSizeThatNoAddressSpaceHoldsCreatesNothing() throws {
        let scratch = try Scratch()
        let before = try scratch.snapshot()
        let error = lmdbError { _ = try scratch.open(mapSize: 1 << 60) }
        #expect(error?.code == .noMemory)
        #expect(error?.description.contains("a map of \(1 << 60) bytes") == true)
        #expect(try scratch.snapshot() == before)
        // An existing file is left as it is, too.
        try scratch.fill()
        #expect(lmdbError { _ = try scratch.open(mapSize: 1 << 60) }?.code == .noMemory)
        #expect(try scratch.open().entries()?.count == 3)
    }

    // MARK: Growth by another process

    fileprivate static func grow(_ scratch: Scratch, to size: Int, entries: Int) async {
        await #expect(processExitsWith: .success) {
            [file = scratch.file as String, size = size as Int, entries = entries as Int] in
            let environment = RawEnvironment(file, mapSize: size)
            environment.put((0..<entries).map { (key(1_000_000 + $0), String(repeating: "x", count: 1000)) })
            environment.close()
        }
    }

    @Test func readersFollowTheMapThatAnotherProcessMadeLarger() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: Self.mebibyte)
        try environment.put([("k", "v")])
        await Self.grow(scratch, to: 64 * Self.mebibyte, entries: 10_000)
        #expect(try environment.entries()?.count == 10_001)
        #expect(environment.info.mapSize == 64 * Self.mebibyte)
        #expect(environment.info.usedBytes > Self.mebibyte)
    }

    @Test func writersFollowTheMapThatAnotherProcessMadeLarger() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: Self.mebibyte)
        try environment.put([("k", "v")])
        await Self.grow(scratch, to: 64 * Self.mebibyte, entries: 10_000)
        try environment.put([("l", "v")])
        #expect(environment.info.mapSize == 64 * Self.mebibyte)
        #expect(try environment.entries()?.count == 10_002)
        // And once more, now that it has done so before.
        await Self.grow(scratch, to: 128 * Self.mebibyte, entries: 80_000)
        try environment.put([("m", "v")])
        #expect(try environment.entries()?.count == 80_003)
    }

    // MARK: No room

    @Test func aFullMapIsAClearErrorAndNothingIsApplied() throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: Self.mebibyte)
        try environment.put([("k", "v")])
        let id = environment.info.lastTransactionID
        let error = lmdbError {
            try environment.put((0..<5000).map { (key($0), String(repeating: "x", count: 1000)) })
        }
        #expect(error?.code == .mapFull)
        let text = error?.description ?? ""
        #expect(text.contains("of \(Self.mebibyte) bytes used"))
        #expect(text.contains(scratch.file) && text.contains("the map is full ("))
        #expect(environment.info.lastTransactionID == id)
        #expect(try environment.entries() == [["k", "v"]])
        try environment.put([("l", "w")])
        #expect(try environment.entries()?.count == 2)
    }

    /// Before there is need of it: by then others could not read while a writer waits for the write lock.
    @Test func aLargerMapOfTheFileIsAdoptedByTheNextWriter() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: Self.mebibyte)
        let entries = (0..<3000).map { (key($0), String(repeating: "x", count: 1000)) }
        try environment.put([("k", "v")])
        // No page of it is beyond our map, so liblmdb sees no reason to follow.
        await Self.grow(scratch, to: 16 * Self.mebibyte, entries: 1)
        #expect(try environment.entries()?.count == 2)
        #expect(environment.info.mapSize == Self.mebibyte)
        try environment.put(entries)
        #expect(environment.info.mapSize == 16 * Self.mebibyte)
        #expect(try environment.entries()?.count == 3002)
    }

    @Test func aFullMapIsFollowedByALargerOneOfTheFile() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: Self.mebibyte)
        try environment.put([("k", "v")])
        let entries = (0..<3000).map { (key($0), String(repeating: "x", count: 1000)) }
        #expect(lmdbError { try environment.put(entries) }?.code == .mapFull)
        // Who only looks whether there is more room does not wait for somebody who waits for the write lock.
        environment.turns.beginWriting()
        await Self.grow(scratch, to: 16 * Self.mebibyte, entries: 1)
        #expect(try !environment.growsMap())
        environment.turns.endWriting()
        #expect(environment.info.mapSize == Self.mebibyte)
        #expect(try environment.growsMap())
        #expect(environment.info.mapSize == 16 * Self.mebibyte)
        try environment.put(entries)
        #expect(try environment.entries()?.count == 3002)
        #expect(try !environment.growsMap())
    }

    @Test func theMapStaysAsItIsWhenTheFileHasNoLargerOne() throws {
        let scratch = try Scratch()
        try scratch.open(mapSize: Self.mebibyte).put([("k", "v")])
        let environment = try scratch.open(mapSize: 2 * Self.mebibyte)
        let entries = (0..<5000).map { (key($0), String(repeating: "x", count: 1000)) }
        for _ in 0..<2 {
            #expect(lmdbError { try environment.put(entries) }?.code == .mapFull)
            #expect(environment.info.mapSize == 2 * Self.mebibyte)
        }
    }
}

/// Maps that move while another process goes on.
@Suite struct MapLiveTests {
    @Test func countersCanBeReadWhileTheMapMoves() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: MapTests.mebibyte)
        try environment.put([("k", "v")])
        let baton = Baton(path: scratch.path + "/step")
        let steps = 400
        let grower = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, steps = steps as Int, step = baton.path as String] in
                let environment = RawEnvironment(file)
                must(mdb_env_set_flags(environment.pointer, UInt32(MDB_NOSYNC), 1))
                let value = String(repeating: "x", count: 100_000)
                for number in 1...steps {
                    // Hardly more than is needed, so that the next step goes beyond it.
                    must(mdb_env_set_mapsize(environment.pointer, environment.usedBytes + 160_000))
                    environment.put([(key(2 * number), value), (key(2 * number + 1), "")])
                    usleep(1000)
                }
                Baton(path: step).reach("grown")
            }
        }
        let watcher = Thread {
            var last: UInt64 = 0
            while access(baton.path + ".end", F_OK) != 0 {
                for _ in 0..<1000 { last = max(last, environment.info.lastTransactionID) }
            }
            if last == steps + 1 { baton.reach("all seen") }
            baton.reach("stopped")
        }
        watcher.start()
        try await onOwnThread {
            // Each of these may find the map too small.
            while access(baton.path + ".grown", F_OK) != 0 { _ = try environment.read { $0.id } }
        }
        await grower.value
        #expect(try environment.entries()?.count == 2 * steps + 1)
        baton.reach("end")
        try await baton.reached("stopped")
        #expect(access(baton.path + ".all seen", F_OK) == 0)
    }

    @Test func aMapThatCannotFollowIsAnErrorEverAfter() async throws {
        let scratch = try Scratch()
        try scratch.open(mapSize: MapTests.mebibyte).put([("k", "v")])
        let baton = Baton(path: scratch.path + "/step")
        let child = alongside {
            _ = await #expect(processExitsWith: .success) {
                [path = scratch.path as String, step = baton.path as String] in
                let environment = try LMDB.Environment(
                    EnvironmentOptions(path: path + "/pdns.lmdb", noSubdirectory: true))
                let baton = Baton(path: step)
                baton.reach("open")
                baton.wait(for: "grown")
                let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[0]
                // Room for what reading needs, not for the map.
                var limit = rlimit()
                limit.rlim_cur = UInt(pages).map { $0 * 4096 + (200 << 20) } ?? 0
                limit.rlim_max = limit.rlim_cur
                must(setrlimit(__rlimit_resource_t(9), &limit) == 0, "setrlimit")
                for _ in 0..<2 {
                    must(lmdbError { _ = try environment.entries() }?.code == .noMemory, "read")
                    must(lmdbError { _ = try environment.put([("x", "y")]) }?.code == .noMemory, "write")
                }
                must(environment.info.mapSize == 0, "info")
            }
        }
        try await baton.reached("open")
        await MapTests.grow(scratch, to: 1 << 40, entries: 10_000)
        baton.reach("grown")
        await child.value
    }
}
