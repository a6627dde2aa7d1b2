import LMDB
import Snapshots
import Support

/// One of the messages of a ``DeltaJoin``: a position in it, and the check of its order.
final class JoinedPart {
    /// The index of the part.
    let number: Int
    private(set) var reader: SnapshotReader
    /// The DBI that the part is at; nil at its end, when everything has been checked.
    private(set) var database: String?
    /// The LMDB flags of this DBI.
    private(set) var flags: UInt64 = 0
    /// The transform of its keys, "" for none.
    private(set) var transform = ""
    /// Whether the part is at an entry of this DBI.
    private(set) var hasEntry = false
    /// What follows the last entry of this DBI.
    private var following: SnapshotReader.Event
    private var lastKey = KeptBytes(capacity: JoinedPart.longestKey)
    private var hasLastKey = false

    /// LMDB stores the size of a key in 16 bits.
    private static let longestKey = 0xffff
    /// Values from this size on are released when they have been written.
    private static let largeValue = 1 << 20

    /// Goes to the first DBI.
    init(_ spool: Spool, number: Int) throws {
        self.number = number
        reader = SnapshotReader(spool, maximumEntrySize: Schema.largestValue)
        following = .end
        following = try next()
        try enterNext()
    }

    /// Whether the part is at this DBI.
    func isAt(_ name: String) -> Bool { database?.utf8.elementsEqual(name.utf8) ?? false }

    /// Goes to the next DBI, from behind the last entry of this one.
    func enterNext() throws {
        guard following == .databaseBegin else {
            guard following == .end else { throw unexpected() }
            database = nil
            return
        }
        let name = reader.databaseName
        guard reader.formatVersion >= 3 else { throw failure(.formatVersion(reader.formatVersion)) }
        guard !PrivateDatabases.contains(name) else { throw failure(.privateDatabase(name)) }
        if let database, !database.utf8.lexicographicallyPrecedes(name.utf8) { throw failure(.databaseOrder(name)) }
        (database, flags, transform) = (name, reader.databaseFlags, reader.databaseTransform)
        hasLastKey = false
    }

    /// Goes to the next entry of the DBI, in whichever chunk it is. Sets ``hasEntry``.
    func advance(_ order: KeyOrder) throws {
        if hasEntry {
            lastKey.keep(reader.key)
            hasLastKey = true
        }
        hasEntry = false
        while true {
            let event = try next()
            switch event {
            case .entry:
                try check(order)
                hasEntry = true
                return
            case .databaseEnd: try checkFlags()
            case .databaseBegin where isAt(reader.databaseName): try checkFlags()
            case .databaseBegin, .end:
                following = event
                return
            }
        }
    }

    /// Writes the entry.
    func write(to writer: inout SnapshotWriter) throws {
        try writer.append(
            key: reader.key, value: reader.value, timestamp: reader.timestamp, isDeleted: reader.isDeleted)
        if reader.value.count >= Self.largeValue { reader.forget(reader.value) }
    }

    private func next() throws(DeltaJoin.Failure) -> SnapshotReader.Event {
        do throws(SnapshotError) {
            return try reader.next()
        } catch {
            throw failure(.rejected(error))
        }
    }

    @inline(__always)
    private func check(_ order: KeyOrder) throws(DeltaJoin.Failure) {
        let key = reader.key
        if key.count > Self.longestKey { throw failure(.longKey(database: database ?? "", size: key.count)) }
        if hasLastKey, order.compare(lastKey.bytes, key) >= 0 {
            throw failure(.keyOrder(database: database ?? "", key: printable(key)))
        }
    }

    private func checkFlags() throws(DeltaJoin.Failure) {
        guard reader.databaseFlags == flags, reader.databaseTransform == transform else {
            throw failure(.otherFlags(database: database ?? ""))
        }
    }

    private func unexpected() -> DeltaJoin.Failure {
        failure(.rejected(SnapshotError(.malformed, "an entry is outside of a DBI", offset: 0)))
    }

    private func failure(_ problem: DeltaJoin.Failure.Problem) -> DeltaJoin.Failure {
        DeltaJoin.Failure(part: number, problem: problem)
    }
}
