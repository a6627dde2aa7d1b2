import Replication
import ServiceLifecycle

/// The syncing of one database.
protocol DatabaseRunner: Sendable {
    /// Syncs until everything is done, until ``shutDown()``, or until it can't go on.
    func run() async throws
    /// Asks ``run()`` to begin nothing new and to return soon.
    func shutDown()
}

extension DatabaseSyncer: DatabaseRunner {}

/// All databases, side by side, as one service.
///
/// One and not one each: a group of services shuts them down one after another, but all databases share the
/// time that a shutdown may take.
struct SyncService: Service {
    /// A database that can't be synced any more.
    struct Failure: Error, CustomStringConvertible {
        var database: String
        var error: any Error
        var description: String { "database \(database): \(error)" }
    }

    var databases: [(name: String, runner: any DatabaseRunner)]

    /// Runs until all databases are done. When one fails, the others are shut down, and its ``Failure`` is thrown.
    func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (name, runner) in databases {
                    group.addTask {
                        do {
                            try await runner.run()
                        } catch let error as CancellationError {
                            throw error
                        } catch {
                            throw Failure(database: name, error: error)
                        }
                    }
                }
                var first: (any Error)?
                while let result = await group.nextResult() {
                    guard case .failure(let error) = result else { continue }
                    if first == nil {
                        first = error
                        shutDown()
                    }
                }
                if let first { throw first }
            }
        } onGracefulShutdown: {
            shutDown()
        }
    }

    private func shutDown() {
        for (_, runner) in databases { runner.shutDown() }
    }
}
