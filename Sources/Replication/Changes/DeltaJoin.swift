import LMDB
import Snapshots
import Support

/// Joins consecutive deltas into one.
///
/// The newest entry of each key stays, whatever its timestamp: the parts are readings of one LMDB, of which a later one is
/// what is there now. Deleted entries stay, too. Memory is constant: a window for each part.
package enum DeltaJoin {
    /// Merges snapshot messages, whose DBIs are in bytewise order of names, and whose keys are in the order of the DBI.
    ///
    /// A DBI gets flags and transform of the newest part that has it.
    ///
    /// - Parameters:
    ///   - parts: the messages, oldest first. A DBI may come in several chunks.
    ///   - meta: the metadata of the result.
    ///   - schema: where the sender's versions are stored, which determines the order of keys.
    ///   - stagingDirectory: where to create the file of a large result.
    ///   - signal: cancels the join.
    /// - Returns: the compressed message, and the number of its entries.
    /// - Throws: ``Failure`` if a part is damaged, not in this order, or of a different kind than the newest.
    package static func run(
        _ parts: [Spool], meta: SnapshotMeta, schema: Schema, stagingDirectory: String?, signal: CancellationSignal
    ) throws -> (body: Spool, entries: Int) {
        var writer = try SnapshotWriter(meta, stagingDirectory: stagingDirectory)
        let parts = try parts.enumerated().map { try JoinedPart($0.element, number: $0.offset) }
        var entries = 0
        while let name = firstName(parts) {
            let having = parts.filter { $0.isAt(name) }
            guard let newest = having.last else { break }
            let order = order(newest, schema)
            if let other = having.first(where: { Self.order($0, schema) != order || $0.transform != newest.transform })
            {
                throw Failure(part: other.number, problem: .otherFlags(database: name))
            }
            do {
                try writer.beginDatabase(name, flags: newest.flags, transform: newest.transform)
            } catch let error as SnapshotError {
                throw Failure(part: newest.number, problem: .rejected(error))
            }
            entries += try joinEntries(having, order, &writer, signal)
            try writer.endDatabase()
            for part in having { try part.enterNext() }
        }
        return (try writer.finish(), entries)
    }

    /// The first of the DBIs that the parts have not passed yet.
    private static func firstName(_ parts: [JoinedPart]) -> String? {
        parts.compactMap(\.database).min { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func order(_ part: JoinedPart, _ schema: Schema) -> KeyOrder {
        let flags = DatabaseFlags(rawValue: UInt32(truncatingIfNeeded: part.flags))
        return KeyOrder(schema.versionFlags(of: flags))
    }

    /// Merges the entries of the DBI that all parts are at.
    private static func joinEntries(
        _ parts: [JoinedPart], _ order: KeyOrder, _ writer: inout SnapshotWriter, _ signal: CancellationSignal
    ) throws -> Int {
        var entries = 0
        for part in parts { try part.advance(order) }
        // There are few parts, so that a heap would not be faster.
        while var next = parts.first(where: { $0.hasEntry }) {
            if entries & 0xfff == 0 { try signal.check() }
            for part in parts where part.hasEntry && part !== next {
                if order.compare(part.reader.key, next.reader.key) < 0 { next = part }
            }
            let key = next.reader.key
            let newest = parts.last { $0.hasEntry && order.compare($0.reader.key, key) == 0 } ?? next
            try newest.write(to: &writer)
            entries += 1
            // The key is that of `next`, which moves last.
            for part in parts where part.hasEntry && part !== next && order.compare(part.reader.key, key) == 0 {
                try part.advance(order)
            }
            try next.advance(order)
        }
        return entries
    }
}

extension DeltaJoin {
    /// A part that cannot be joined with the others.
    package struct Failure: Error, Equatable, CustomStringConvertible {
        /// What is wrong with a part.
        package enum Problem: Sendable, Equatable {
            /// It is not a valid snapshot, or cannot be read.
            case rejected(SnapshotError)
            /// It has a format version in which messages need not say everything.
            case formatVersion(UInt32)
            /// A DBI that must not be in a snapshot.
            case privateDatabase(String)
            /// A DBI follows one that should come later, or is there twice.
            case databaseOrder(String)
            /// A key follows one that should come later, or is there twice; the key is printable.
            case keyOrder(database: String, key: String)
            /// A key is longer than LMDB supports.
            case longKey(database: String, size: Int)
            /// The flags of a DBI follow its entries, change, or mean another order than those of the newest part.
            case otherFlags(database: String)
        }

        /// The index of the part.
        package var part: Int
        /// What is wrong with it.
        package var problem: Problem

        /// One line: the number of the part, from 1 on, and the problem.
        package var description: String { "cannot join part \(part + 1): \(text)" }

        private var text: String {
            switch problem {
            case .rejected(let error): "\(error)"
            case .formatVersion(let version): "it has format version \(version)"
            case .privateDatabase(let name): "it contains the private DBI \(name)"
            case .databaseOrder(let name): "DBI \(name) is out of order"
            case .keyOrder(let name, let key): "the key \(key) of DBI \(name) is out of order"
            case .longKey(let name, let size): "a key of DBI \(name) has \(size) bytes"
            case .otherFlags(let name): "DBI \(name) has other flags than in a later part"
            }
        }
    }
}
