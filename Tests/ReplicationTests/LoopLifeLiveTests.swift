import BlobStorage
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// What shows that a sync loop is not stuck.
@Suite struct LoopLifeLiveTests {
    // A storage that does not answer is nobody's hung loop.
    @Test func itTurnsWhileTheStorageHangs() async throws {
        let store = HookedStore(MemoryStore())
        store.onCall { _, _ in try await Task.sleep(for: .seconds(3600)) }
        let instance = try Instance("a", store)
        let syncer = instance.syncer()
        #expect(syncer.turns == 0)
        let running = Task { try await syncer.run() }
        for _ in 0..<3 {
            let before = syncer.turns
            syncer.probe()
            try await eventually { syncer.turns > before }
        }
        syncer.shutDown()
        running.cancel()
        _ = await running.result
    }

    // Each thread that wakes another one up costs an idle daemon time.
    @Test func whatDoesNotBlockRunsOnOneThread() async throws {
        let store = HookedStore(MemoryStore())
        let threads = Mutex<[pthread_t]>([])
        store.onCall { operation, _ in
            if operation == "list" { threads.withLock { $0.append(pthread_self()) } }
        }
        try await withSyncers([Instance("a", store)]) {
            try await eventually { threads.withLock(\.count) >= 10 }
        }
        #expect(Set(threads.withLock(\.self)).count == 1)
    }
}
