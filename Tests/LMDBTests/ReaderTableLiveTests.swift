import CLMDB
import Foundation
import Testing

@testable import LMDB

/// The reader table as an onlooker sees it.
@Suite struct ReaderTableLiveTests {
    private func options(_ scratch: Scratch) -> EnvironmentOptions {
        EnvironmentOptions(path: scratch.file, noSubdirectory: true)
    }

    @Test func isEmptyWithoutALockFileAndMakesNone() throws {
        let scratch = try Scratch()
        try scratch.fill()
        unlink(scratch.lockFile)
        #expect(try ReaderTable.read(options(scratch)) == ReaderTable())
        #expect(access(scratch.lockFile, F_OK) != 0)
    }

    @Test func tellsLiveReadersFromDeadOnes() async throws {
        let scratch = try Scratch()
        try scratch.fill()
        let baton = Baton(path: scratch.path + "/step")
        let reader = alongside {
            _ = await #expect(processExitsWith: .success) {
                [file = scratch.file as String, step = baton.path as String] in
                _ = RawEnvironment(file).begin(MDB_RDONLY)
                try? "\(getpid())".write(toFile: step + ".pid", atomically: true, encoding: .utf8)
                Baton(path: step).reach("reading")
                Baton(path: step).wait(for: "checked")
                _exit(0)
            }
        }
        try await baton.reached("reading")
        // While somebody has it open, slots of the dead stay.
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in
            _ = RawEnvironment(file).begin(MDB_RDONLY)
            _exit(0)
        }
        let pid = try #require(Int(try String(contentsOfFile: baton.path + ".pid", encoding: .utf8)))
        for _ in 0..<2 {
            let table = try ReaderTable.read(options(scratch))
            #expect(table.slots.count == 2, "looking frees no slot, and takes none")
            #expect(table.slots.filter { $0.owner == .alive }.map(\.processID) == [pid])
            #expect(table.slots.filter { $0.owner == .gone }.count == 1)
            #expect(table.slots.allSatisfy { $0.transactionID != nil })
            #expect(!table.isOwnIDTaken)
        }
        baton.reach("checked")
        await reader.value
    }

    @Test func isRefusedForAnLMDBThatThisProcessHasOpen() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        let error = #expect(throws: LMDBError.self) { try ReaderTable.read(options(scratch)) }
        #expect(error?.code == .alreadyOpen)
        // Its locks are as before.
        try environment.read { _ in }
    }

    @Test func aFileThatIsNoLMDBIsRefused() throws {
        let scratch = try Scratch()
        try Data(repeating: 7, count: 8192).write(to: URL(fileURLWithPath: scratch.file))
        #expect(throws: LMDBError.self) { try ReaderTable.read(options(scratch)) }
    }

    @Test func parsesWhatLiblmdbWrites() {
        #expect(ReaderTable.parse("(no active readers)\n").isEmpty)
        let text = "    pid     thread     txnid\n        17 7f0c1db0c740 4\n       200 7f0c1db0c740 -\n"
        #expect(ReaderTable.parse(text).map(\.processID) == [17, 200])
        #expect(ReaderTable.parse(text).map(\.transactionID) == [4, nil])
    }

    @Test(arguments: [
        ("        17 7f0c1db0c740 4\n", true), ("17 7f0c1db0c740 4", true), ("    117 7f0c1db0c740 4\n", false),
        ("        17 4 14\n", false), ("        17 4 -\n", false), ("        17 4", false), ("17", false),
        ("    pid     thread     txnid\n", false), ("(no active readers)\n", false), ("", false),
        ("17 4 18446744073709551620\n", false),
    ])
    func findsASlotInALine(_ line: String, _ isFound: Bool) {
        var search = ReaderSearch(processID: 17, transactionID: 4)
        line.withCString { search.take($0) }
        #expect(search.isFound == isFound)
    }
}
