import CLMDB
import Foundation
import TestSupport
import Testing

@testable import LMDB

/// The comparison of pages beside other processes, and what can take its pages away.
@Suite(.timeLimit(.minutes(5))) struct PageDiffLiveTests {
    @Test(arguments: [1 as UInt64, 2]) func anotherProcessWrites(seed: UInt64) async throws {
        let scratch = try Scratch()
        createLMDB(scratch.file, pageSize: 4096, mapSize: 64 << 20)
        let baton = Baton(path: scratch.path + "/step")
        let rounds = 60
        let other = alongside {
            _ = await #expect(processExitsWith: .success) {
                [
                    path = scratch.path as String, file = scratch.file as String, seed = seed as UInt64,
                    rounds = rounds as Int
                ] in
                let baton = Baton(path: path + "/step")
                let environment = try LMDB.Environment(
                    .init(path: file, noSubdirectory: true, mapSize: 64 << 20, maximumDatabases: 16))
                mdb_env_set_flags(environment.pointer, UInt32(MDB_NOSYNC), 1)
                var writer = RandomWriter(seed: seed, pageSize: 4096, drops: true)
                for round in 0..<rounds {
                    for _ in 0..<5 { try writer.round(environment) }
                    baton.reach("wrote\(round)")
                    baton.wait(for: "read\(round)")
                }
            }
        }
        defer { other.cancel() }
        try await baton.reached("wrote0")
        let environment = try scratch.open(mapSize: 64 << 20)
        var base = try DiffBase(environment)
        var before = try base.contents()
        var (compared, found) = (0, 0)
        for round in 1..<rounds {
            baton.reach("read\(round - 1)")
            try await baton.reached("wrote\(round)")
            var later = try DiffBase(environment)
            let after = try later.contents()
            do {
                let changes = try base.changes(to: &later).changes
                expectSame(changes, before, after, "round \(round)")
                compared += 1
                found += changes.count
            } catch PinnedReader.Loss.handleClosed {
                // A DBI was dropped and recreated.
            }
            guard round % 3 != 0 else { continue }
            base = later
            before = after
        }
        baton.reach("read\(rounds - 1)")
        await other.value
        #expect(compared > rounds / 2 && found > 300)
    }

    /// A writer in another process, within its transaction, while both transactions are pinned.
    @Test func aWriterInBetweenIsNotSeen() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put((0..<500).map { (key($0), "old") })
        let baton = Baton(path: scratch.path + "/step")
        let other = alongside {
            _ = await #expect(processExitsWith: .success) {
                [path = scratch.path as String, file = scratch.file as String] in
                let baton = Baton(path: path + "/step")
                RawEnvironment(file).put((0..<500).map { (key($0), "new") }) {
                    baton.reach("writing")
                    baton.wait(for: "compared")
                }
                baton.reach("committed")
            }
        }
        defer { other.cancel() }
        try await baton.reached("writing")
        var base = try DiffBase(environment)
        var later = try DiffBase(environment)
        #expect(try base.changes(to: &later).changes.isEmpty)
        baton.reach("compared")
        try await baton.reached("committed")
        later = try DiffBase(environment)
        #expect(try base.changes(to: &later).changes.count == 500)
        await other.value
    }

    private func loss(_ base: inout DiffBase, _ later: inout DiffBase) -> PinnedReader.Loss? {
        do {
            _ = try base.changes(to: &later)
            return nil
        } catch {
            return error as? PinnedReader.Loss
        }
    }

    @Test func aResizedMapEndsIt() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: 1 << 20)
        try environment.put([("k", "v")])
        var base = try DiffBase(environment)
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            RawEnvironment(file, mapSize: 64 << 20).put(
                (0..<10_000).map { (key($0), String(repeating: "x", count: 200)) })
        }
        var later = try DiffBase(environment)
        #expect(loss(&base, &later) == .mapResized)
    }

    @Test func aReplacedFileEndsIt() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        var base = try DiffBase(environment)
        try environment.put([("k", "w")])
        var later = try DiffBase(environment)
        try FileManager.default.moveItem(atPath: scratch.file, toPath: scratch.path + "/other")
        try FileManager.default.copyItem(atPath: scratch.path + "/other", toPath: scratch.file)
        #expect(loss(&base, &later) == .fileReplaced)
    }

    /// A process that takes this one for dead, as one in another PID namespace does, clears the slot while it compares.
    @Test func aSlotThatIsTakenAwayEndsIt() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v"), ("l", "v")])
        var base = try DiffBase(environment)
        try environment.put([("k", "w"), ("l", "w")])
        var later = try DiffBase(environment)
        var calls = 0
        #expect(throws: PinnedReader.Loss.slotTaken) {
            _ = try PageDiff.run(from: &base, to: &later) { _ in
                calls += 1
                if calls == 1 { try clearReaderTable(scratch.lockFile) }
            }
        }
        #expect(calls == 2)
    }

    /// Clears the process IDs of all slots: 64 bytes each, after a header of 128 bytes; the ID is at 8.
    private func clearReaderTable(_ lockFile: String) throws {
        let descriptor = open(lockFile, O_WRONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        // The descriptor stays open: closing it would release the locks of this process.
        for slot in 0..<4 {
            var zero: Int32 = 0
            #expect(pwrite(descriptor, &zero, 4, off_t(128 + 64 * slot + 8)) == 4)
        }
    }
}
