import LMDB
import Snapshots
import Support

/// The entries of the application's DBIs, and of their shadows, that differ between two transactions.
struct CaptureChanges: Sendable {
    /// Changed entries.
    struct Part: Sendable {
        /// The names of the application's DBIs that the keys refer to by index.
        fileprivate(set) var names: [String] = []
        /// Planned entries that contain keys only; those of one DBI are consecutive.
        fileprivate(set) var keys = Spool([])
    }

    /// Those of the application's DBIs.
    fileprivate(set) var inApplication = Part()
    /// Those of the shadows.
    fileprivate(set) var inShadows = Part()
    /// The DBIs of the application in which something has changed, but it is not known what.
    fileprivate(set) var uncompared: Set<String> = []

    /// Collects what a comparison of pages finds.
    struct Writer: ~Copyable {
        private var inApplication = PartWriter()
        private var inShadows = PartWriter()
        private let signal: CancellationSignal
        /// The DBI of the last change.
        private var current: (database: String, isShadow: Bool) = ("", false)
        private var count = 0

        init(signal: CancellationSignal) { self.signal = signal }

        /// Whether the changes of a DBI matter.
        static func includes(_ database: Database) -> Bool {
            !PrivateDatabases.contains(database.name) || Schema.application(of: database.name) != nil
        }

        /// Adds a change. Those of one DBI come one after the other.
        mutating func add(_ change: PageDiff.Change) throws {
            if count & 0xffff == 0 { try signal.check() }
            count += 1
            if change.database.name != current.database { begin(change.database.name) }
            try current.isShadow ? inShadows.append(change.key) : inApplication.append(change.key)
        }

        private mutating func begin(_ database: String) {
            let name = Schema.application(of: database)
            current = (database, name != nil)
            if let name { inShadows.names.append(name) } else { inApplication.names.append(database) }
        }

        /// - Parameter uncompared: the names of DBIs in which something has changed, but it is not known what.
        consuming func finish(uncompared: [String]) throws -> CaptureChanges {
            CaptureChanges(
                inApplication: try inApplication.finish(), inShadows: try inShadows.finish(),
                uncompared: Set(uncompared.map { Schema.application(of: $0) ?? $0 }))
        }
    }

    private struct PartWriter: ~Copyable {
        var names: [String] = []
        private var writer = MergePlanWriter()

        mutating func append(_ key: UnsafeRawBufferPointer) throws {
            let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
            try writer.append(
                PlannedEntry(
                    target: names.count - 1, version: .init(timestamp: 0, isDeleted: false, value: nothing),
                    isBehindLast: false, key: key))
        }

        consuming func finish() throws -> Part { Part(names: names, keys: try writer.finish()) }
    }
}
