import CLMDB
import Foundation
import Testing

@testable import LMDB

/// The reader table, which liblmdb shares between processes.
@Suite struct ReaderLiveTests {
    @Test func slotsOfDeadProcessesAreFreedAtTheStart() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        // The number of slots is that of the process that makes the file.
        unlink(scratch.lockFile)
        let baton = Baton(path: scratch.path + "/step")
        // The keeper's being there keeps the lock file from being initialised by the next one to open it.
        let keeper = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, step = baton.path as String] in
                let environment = RawEnvironment(file, readers: 4)
                Baton(path: step).reach("open")
                Baton(path: step).wait(for: "opened")
                // All slots have been used; were they not free, this would find none.
                for _ in 0..<4 { _ = environment.begin(MDB_RDONLY) }
                _exit(0)
            }
        }
        try await baton.reached("open")
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            let environment = RawEnvironment(file)
            for _ in 0..<4 { _ = environment.begin(MDB_RDONLY) }
            _exit(0)
        }
        let environment = try scratch.open()
        #expect(environment.info.maximumReaders == 4)
        #expect(environment.info.readers == 4)
        #expect(environment.clearStaleReaders() == 0)
        baton.reach("opened")
        await keeper.value
    }

    @Test func slotsOfDeadProcessesAreFreedWhenAskedFor() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        for _ in 0..<2 {
            await #expect(processExitsWith: .success) { [file = scratch.file as String] in
                let environment = RawEnvironment(file)
                _ = environment.begin(MDB_RDONLY)
                _ = environment.begin(MDB_RDONLY)
                _exit(0)
            }
        }
        // A live process's slot stays, also this one's.
        try environment.read { _ in #expect(environment.clearStaleReaders() == 4) }
        #expect(environment.clearStaleReaders() == 0)
    }

    @Test func slotsOfLiveProcessesAreLeftAlone() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let baton = Baton(path: scratch.path + "/step")
        let reader = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, step = baton.path as String] in
                _ = RawEnvironment(file).begin(MDB_RDONLY)
                Baton(path: step).reach("reading")
                Baton(path: step).wait(for: "checked")
                _exit(0)
            }
        }
        try await baton.reached("reading")
        #expect(environment.clearStaleReaders() == 0)
        baton.reach("checked")
        await reader.value
        #expect(environment.clearStaleReaders() == 1)
    }

    @Test func aFullTableIsClearedOfDeadReadersAndElseAClearError() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        // The number of slots is that of the process that makes the file.
        unlink(scratch.lockFile)
        let baton = Baton(path: scratch.path + "/step")
        let peer = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, step = baton.path as String] in
                let (environment, baton) = (RawEnvironment(file, readers: 3), Baton(path: step))
                _ = environment.begin(MDB_RDONLY)
                baton.reach("one")
                baton.wait(for: "fill")
                let second = environment.begin(MDB_RDONLY)
                let third = environment.begin(MDB_RDONLY)
                baton.reach("full")
                baton.wait(for: "refused")
                mdb_txn_abort(second)
                mdb_txn_abort(third)
                baton.reach("room")
                baton.wait(for: "end")
                _exit(0)
            }
        }
        try await baton.reached("one")
        let environment = try scratch.open()
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            let environment = RawEnvironment(file)
            _ = environment.begin(MDB_RDONLY)
            _ = environment.begin(MDB_RDONLY)
            _exit(0)
        }
        // Two of the three slots belong to a dead process.
        #expect(try environment.entries()?.count == 3)
        baton.reach("fill")
        try await baton.reached("full")
        let error = lmdbError { _ = try environment.entries() }
        #expect(error?.code == .readersFull)
        #expect(error?.description.contains("all 3 reader slots") == true)
        #expect(error?.description.contains(scratch.file) == true)
        // Writing takes no slot.
        try environment.put([("x", "y")])
        baton.reach("refused")
        try await baton.reached("room")
        #expect(try environment.entries()?.count == 4)
        baton.reach("end")
        await peer.value
    }

    @Test func aFullTableIsAClearErrorAtTheStart() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        // The number of slots is that of the process that makes the file.
        unlink(scratch.lockFile)
        let baton = Baton(path: scratch.path + "/step")
        let peer = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, step = baton.path as String] in
                _ = RawEnvironment(file, readers: 1).begin(MDB_RDONLY)
                Baton(path: step).reach("full")
                Baton(path: step).wait(for: "refused")
                _exit(0)
            }
        }
        try await baton.reached("full")
        let error = lmdbError { _ = try scratch.open() }
        #expect(error?.code == .readersFull)
        #expect(error?.description.contains("all 1 reader slots") == true)
        baton.reach("refused")
        await peer.value
        // The failed attempt has let go of the file.
        #expect(try scratch.open().entries()?.count == 3)
    }

    @Test func aProcessOfTheSameIDInAnotherContainerIsAClearError() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        let baton = Baton(path: scratch.path + "/step")
        let pid = getpid()
        let peer = alongside {
            _ = await #expect(processExitsWith: .success) {
                [lock = scratch.lockFile as String, step = baton.path as String, pid = pid as Int32] in
                // What a process does that has the ID of this one in its own namespace.
                let descriptor = open(lock, O_RDWR)
                var range = flock(
                    l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: off_t(pid), l_len: 1, l_pid: 0)
                must(fcntl(descriptor, F_SETLK, &range) == 0, "lock")
                Baton(path: step).reach("locked")
                Baton(path: step).wait(for: "refused")
            }
        }
        try await baton.reached("locked")
        let error = lmdbError { _ = try scratch.open() }
        #expect(error?.code == .samePID)
        #expect(error?.description.contains("the same process ID (\(pid))") == true)
        #expect(error?.description.contains("with the same process ID") == true)
        baton.reach("refused")
        await peer.value
        #expect(try scratch.open().entries()?.count == 3)
    }
}
