import Replication
import ServiceLifecycle

/// The syncing of one database.
protocol DatabaseRunner: Sendable {
    /// Syncs until everything is done, until ``shutDown()``, or until a permanent failure.
    func run() async throws
    /// Makes ``run()`` start no new work and return soon.
    func shutDown()
}

extension DatabaseSyncer: DatabaseRunner {}

/// The concurrent syncing of all databases as one service.
///
/// One service instead of one for each: a service group shuts its services down one after another, but all databases share
/// the time for a shutdown.
struct SyncService: Service {
    /// The permanent failure of a database.
    struct Failure: Error, CustomStringConvertible {
        var database: String
        var error: any Error
        var description: String { "database \(database): \(Advice.line(error))" }
    }

    var databases: [(name: String, runner: any DatabaseRunner)]

    /// Runs until all databases are done. If one fails, the others are shut down, and its ``Failure`` is thrown.
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
