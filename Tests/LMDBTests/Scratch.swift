import Foundation

@testable import LMDB

/// A new directory under the system's one for temporary files, removed with its contents at the end.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/lmdb-tests-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        // Other users look into it in some tests.
        chmod(path, 0o755)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The data file that most tests use, without subdirectory.
    var file: String { path + "/pdns.lmdb" }
    var lockFile: String { file + "-lock" }

    func options(
        readOnly: Bool = false, create: Bool = true, mapSize: Int = 0, maximumDatabases: Int = 16
    ) -> EnvironmentOptions {
        EnvironmentOptions(
            path: file, noSubdirectory: true, readOnly: readOnly, create: create, mapSize: mapSize,
            maximumDatabases: maximumDatabases)
    }

    func open(
        readOnly: Bool = false, create: Bool = true, mapSize: Int = 0, maximumDatabases: Int = 16
    ) throws -> LMDB.Environment {
        try LMDB.Environment(
            options(readOnly: readOnly, create: create, mapSize: mapSize, maximumDatabases: maximumDatabases))
    }

    /// Opens and closes it, with some entries in a database.
    func fill(_ entries: Int = 3, database: String = "a", flags: DatabaseFlags = []) throws {
        let environment = try open()
        try environment.put((0..<entries).map { (key($0), "value \($0)") }, database: database, flags: flags)
    }

    /// Everything below the directory: names, contents, modes and owners.
    func snapshot() throws -> [String: FileState] {
        var states: [String: FileState] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
            states[name] = try FileState(path + "/" + name)
        }
        return states
    }
}

/// What a file is, to see whether it has changed.
struct FileState: Equatable {
    var mode: mode_t
    var owner: uid_t
    var group: gid_t
    var contents: Data?

    init(_ path: String) throws {
        var status = stat()
        guard stat(path, &status) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        mode = status.st_mode & 0o7777
        owner = status.st_uid
        group = status.st_gid
        contents = FileManager.default.contents(atPath: path)
    }
}

/// A key of eight digits.
func key(_ number: Int) -> String { String(String(100_000_000 + number).dropFirst()) }

extension UnsafeRawBufferPointer {
    var text: String { String(decoding: self, as: UTF8.self) }
}

extension String {
    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try Array(utf8).withUnsafeBytes(body)
    }
}

extension LMDB.Environment {
    func put(_ entries: [(String, String)], database name: String = "a", flags: DatabaseFlags = []) throws {
        try write { transaction in
            let database = try transaction.database(name, creating: flags)
            for (key, value) in entries {
                try key.withBytes { key in try value.withBytes { try transaction.put(database, key, $0) } }
            }
            return .commit(())
        }
    }

    /// The entries of a database, nil when there is none of that name.
    func entries(_ name: String = "a") throws -> [[String]]? {
        try read { transaction in
            guard let database = try transaction.database(name) else { return nil }
            var cursor = try transaction.openCursor(database)
            var found: [[String]] = []
            while try cursor.next() { found.append([cursor.key.text, cursor.value.text]) }
            return found
        }
    }
}

/// The error that `body` throws; nil when it throws none or another kind.
func lmdbError(_ body: () throws -> Void) -> LMDBError? {
    do {
        try body()
        return nil
    } catch {
        return error as? LMDBError
    }
}

/// Runs what waits for another process on a thread that may wait.
func onOwnThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}

/// Watches over a child process that runs while the test goes on.
///
/// Waiting for a child process takes the thread of the task; the few that tests share would soon be used up.
func alongside(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
    Task(executorPreference: ThreadExecutor(), operation: body)
}

/// Runs each piece of a task on a thread of its own.
private final class ThreadExecutor: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread { job.runSynchronously(on: self.asUnownedTaskExecutor()) }.start()
    }
}
