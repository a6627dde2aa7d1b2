import CLMDB
import Foundation
import Testing

@testable import LMDB

/// A read transaction that stays open beyond a closure.
@Suite(.timeLimit(.minutes(5))) struct PinnedReaderLiveTests {
    /// What a pinned reader sees in the database `a`.
    private func entries(_ reader: inout PinnedReader) throws -> [[String]]? {
        try reader.read { transaction in
            guard let database = try transaction.database("a") else { return nil }
            var cursor = try transaction.openCursor(database)
            var found: [[String]] = []
            while try cursor.next() { found.append([cursor.key.text, cursor.value.text]) }
            return found
        }
    }

    private func loss(_ body: () throws -> Void) -> PinnedReader.Loss? {
        do {
            try body()
            return nil
        } catch {
            return error as? PinnedReader.Loss
        }
    }

    private func hasSlot(_ environment: LMDB.Environment, _ id: UInt64) -> Bool { environment.hasReader(at: id) }

    @Test func whatItSeesStaysWhileOthersWrite() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put((0..<200).map { (key($0), "old") })
        let expected = try environment.entries()
        var reader = try environment.pin()
        let id = reader.id
        #expect(id == environment.info.lastTransactionID)
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            let raw = RawEnvironment(file)
            must(mdb_env_set_flags(raw.pointer, UInt32(MDB_NOSYNC), 1))
            for round in 1...30 { raw.put((0..<200).map { (key($0), "new \(round)") }) }
        }
        // This process writes, reads and opens databases beside it, too.
        try environment.put([("mine", "v")], database: "b")
        #expect(try environment.entries("b") == [["mine", "v"]])
        #expect(try environment.entries()?.first == [key(0), "new 30"])
        #expect(!environment.activity.isBusy)
        let seen = try entries(&reader)
        #expect(seen == expected)
        let newer = try reader.read { try $0.database("b") != nil }
        #expect(!newer)
        let (last, lost) = (reader.id, reader.loss)
        #expect(last == id && lost == nil)
        #expect(hasSlot(environment, id))
        reader.release()
        #expect(!hasSlot(environment, id))
    }

    @Test func itEndsWithItsValueAndKeepsItsEnvironmentOpen() throws {
        let scratch = try Scratch()
        try scratch.fill()
        func pin() throws -> PinnedReader { try scratch.open().pin() }
        do {
            var reader = try pin()
            let count = try entries(&reader)?.count
            #expect(count == 3)
            #expect(lmdbError { _ = try scratch.open() }?.code == .alreadyOpen)
        }
        #expect(try scratch.open().entries()?.count == 3)
    }

    @Test func twoAreReadBesideEachOther() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "1")])
        var old = try environment.pin()
        try environment.put([("k", "2")])
        var new = try environment.pin()
        try environment.put([("k", "3")])
        let values = try old.read(beside: &new) { old, new in
            let (a, b) = (try #require(try old.database("a")), try #require(try new.database("a")))
            return try "k".withBytes { [try old.get(a, $0)?.text, try new.get(b, $0)?.text] }
        }
        #expect(values == ["1", "2"])
        old = consume new
        let moved = try entries(&old)
        #expect(moved == [["k", "2"]])
    }

    @Test func aResizeGivesItUp() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: 1 << 20)
        try environment.put([("k", "v")])
        var reader = try environment.pin()
        let id = reader.id
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            RawEnvironment(file, mapSize: 64 << 20).put(
                (0..<10_000).map { (key($0), String(repeating: "x", count: 200)) })
        }
        // Nothing is resized yet.
        let before = try entries(&reader)
        #expect(before == [["k", "v"]])
        #expect(try environment.entries()?.count == 10_001)
        #expect(environment.info.mapSize == 64 << 20)
        #expect(loss { _ = try entries(&reader) } == .mapResized)
        let why = reader.loss
        #expect(why == .mapResized)
        #expect(!hasSlot(environment, id))
        reader = try environment.pin()
        let after = try entries(&reader)?.count
        #expect(after == 10_001)
    }

    @Test func aDroppedDatabaseGivesItUp() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        var reader = try environment.pin()
        try environment.write { transaction in
            try transaction.drop(try #require(try transaction.database("a")))
            return .abort(())
        }
        #expect(loss { _ = try entries(&reader) } == .handleClosed)
        reader = try environment.pin()
        let there = try entries(&reader)
        #expect(there == [["k", "v"]])
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            let raw = RawEnvironment(file)
            raw.drop("a")
            RawEnvironment(file).put([("l", "w")], flags: MDB_DUPSORT)
        }
        #expect(try environment.entries() == [["l", "w"]])
        #expect(loss { _ = try entries(&reader) } == .handleClosed)
    }

    @Test func aSlotThatWasTakenAwayIsNoticedAndNotFreed() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        var reader = try environment.pin()
        let id = reader.id
        // Otherwise a later transaction of ours could stand at the same ID.
        try environment.put([("k", "w")])
        let baton = Baton(path: scratch.path + "/step")
        let other = alongside {
            _ = await #expect(processExitsWith: .success) {
                [
                    lockFile = scratch.lockFile as String, file = scratch.file as String, id = id as UInt64,
                    owner = getpid() as pid_t, step = baton.path as String
                ] in
                let (raw, baton) = (RawEnvironment(file), Baton(path: step))
                baton.wait(for: "reading")
                freeSlot(lockFile, id, owner)
                // The slot is the first one that is free.
                _ = raw.begin(MDB_RDONLY)
                baton.reach("taken")
                baton.wait(for: "released")
                _exit(0)
            }
        }
        let found = loss {
            try reader.read { _ in
                baton.reach("reading")
                for _ in 0..<6000 where access(baton.path + ".taken", F_OK) != 0 { usleep(10_000) }
            }
        }
        #expect(found == .slotTaken)
        let why = reader.loss
        #expect(why == .slotTaken)
        let slots = { ReaderTable.parse(ReaderTable.text(of: environment.pointer) ?? "") }
        let theirs = try #require(slots().first { $0.processID != Int(getpid()) })
        #expect(theirs.transactionID == environment.info.lastTransactionID)
        reader.release()
        #expect(slots().contains { $0.processID == theirs.processID && $0.transactionID == theirs.transactionID })
        baton.reach("released")
        await other.value
        // The next one is sound.
        var next = try environment.pin()
        let entries = try entries(&next)
        #expect(entries == [["k", "w"]])
    }

    @Test func aReplacedFileGivesItUp() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "v")])
        var reader = try environment.pin()
        try FileManager.default.moveItem(atPath: scratch.file, toPath: scratch.path + "/old")
        try FileManager.default.copyItem(atPath: scratch.path + "/old", toPath: scratch.file)
        #expect(loss { _ = try entries(&reader) } == .fileReplaced)
        // There is no way back.
        unlink(scratch.file)
        try FileManager.default.moveItem(atPath: scratch.path + "/old", toPath: scratch.file)
        let why = reader.loss
        #expect(why == .fileReplaced)
    }

    @Test func withoutAReaderTableThereIsNone() throws {
        let scratch = try Scratch()
        try scratch.fill()
        unlink(scratch.lockFile)
        let environment = try scratch.open(readOnly: true, create: false)
        #expect(loss { _ = try environment.pin() } == .slotTaken)
        #expect(try environment.entries()?.count == 3)
    }
}

/// Frees the slot of a process in the reader table, as one does that takes it for dead.
///
/// A slot begins at a multiple of 64: transaction ID (8 bytes), process ID (4).
private func freeSlot(_ lockFile: String, _ transaction: UInt64, _ processID: pid_t) {
    // Stays open: to close it would give up the locks that liblmdb has on this file.
    let file = open(lockFile, O_RDWR)
    must(file >= 0, "lock file")
    var slot = [UInt8](repeating: 0, count: 64)
    var offset = 0
    while pread(file, &slot, 64, offset) == 64 {
        let (id, owner) = slot.withUnsafeBytes {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: pid_t.self))
        }
        if id == transaction && owner == processID {
            var nobody: pid_t = 0
            must(pwrite(file, &nobody, 4, offset + 8) == 4, "free the slot")
            return
        }
        offset += 64
    }
    must(false, "no such slot")
}
