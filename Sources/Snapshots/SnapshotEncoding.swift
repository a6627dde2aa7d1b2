import Glibc

/// The encoded parts of a snapshot's message. Zero and empty fields are omitted.
enum SnapshotEncoding {
    /// The tag of a DBI in the message.
    static let databaseTag: UInt8 = 0x1a

    /// Format version, compatible version and meta.
    static func start(_ meta: SnapshotMeta) -> [UInt8] {
        var bytes: [UInt8] = []
        append(SnapshotFields.formatVersion, SnapshotFields.currentVersion, to: &bytes)
        append(SnapshotFields.compatVersion, SnapshotFields.writtenCompatVersion, to: &bytes)
        append(SnapshotFields.meta, encoded(meta), to: &bytes)
        return bytes
    }

    /// Name, flags and transform of a DBI.
    static func head(_ name: String, _ flags: UInt64, _ transform: String) -> [UInt8] {
        var bytes: [UInt8] = []
        append(SnapshotFields.DBI.name, Array(name.utf8), to: &bytes)
        append(SnapshotFields.DBI.flags, flags, to: &bytes)
        append(SnapshotFields.DBI.transform, Array(transform.utf8), to: &bytes)
        return bytes
    }

    private static func encoded(_ meta: SnapshotMeta) -> [UInt8] {
        var bytes: [UInt8] = []
        append(SnapshotFields.Meta.generationID, Array(meta.generationID.utf8), to: &bytes)
        append(SnapshotFields.Meta.instanceID, Array(meta.instanceID.utf8), to: &bytes)
        append(SnapshotFields.Meta.hostname, Array(meta.hostname.utf8), to: &bytes)
        append(SnapshotFields.Meta.databaseName, Array(meta.databaseName.utf8), to: &bytes)
        append(SnapshotFields.Meta.transactionID, UInt64(bitPattern: meta.transactionID), to: &bytes)
        append(SnapshotFields.Meta.timestamp, fixed: meta.timestamp, to: &bytes)
        append(SnapshotFields.Meta.fromTransactionID, UInt64(bitPattern: meta.fromTransactionID), to: &bytes)
        append(SnapshotFields.Meta.from, fixed: meta.from, to: &bytes)
        for (instance, timestamp) in written(meta.positions) {
            var position: [UInt8] = []
            append(SnapshotFields.Position.instance, Array(instance.utf8), to: &position)
            append(SnapshotFields.Position.timestamp, fixed: timestamp, to: &position)
            append(SnapshotFields.Meta.positions, position, to: &bytes)
        }
        append(SnapshotFields.Meta.readsDeltas, meta.readsDeltas ? 1 : 0, to: &bytes)
        append(SnapshotFields.Meta.proof, meta.proof, to: &bytes)
        return bytes
    }

    /// A part of a message with nothing but metadata. Those of a message that follows are added to it.
    static func part(_ meta: SnapshotMeta) -> [UInt8] {
        var bytes: [UInt8] = []
        append(SnapshotFields.meta, encoded(meta), to: &bytes)
        return bytes
    }

    // By instance. A position that is left out means that nothing of that instance was merged, which is always safe.
    private static func written(_ positions: [String: UInt64]) -> [(key: String, value: UInt64)] {
        var positions = positions.filter { !$0.key.isEmpty && $0.value > 0 }
        if positions.count > SnapshotFields.Meta.mostPositions {
            let newest = positions.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            positions = Dictionary(newest.prefix(SnapshotFields.Meta.mostPositions).map { ($0.key, $0.value) }) { $1 }
        }
        return positions.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    private static func append(_ number: UInt32, fixed value: UInt64, to bytes: inout [UInt8]) {
        guard value != 0 else { return }
        append(tag: number, .eightBytes, to: &bytes)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func append(_ number: UInt32, _ value: UInt64, to bytes: inout [UInt8]) {
        guard value != 0 else { return }
        append(tag: number, .varint, to: &bytes)
        append(varint: value, to: &bytes)
    }

    private static func append(_ number: UInt32, _ value: [UInt8], to bytes: inout [UInt8]) {
        guard !value.isEmpty else { return }
        append(tag: number, .length, to: &bytes)
        append(varint: UInt64(value.count), to: &bytes)
        bytes.append(contentsOf: value)
    }

    private static func append(tag number: UInt32, _ type: WireType, to bytes: inout [UInt8]) {
        append(varint: UInt64(number) << 3 | UInt64(type.rawValue), to: &bytes)
    }

    private static func append(varint value: UInt64, to bytes: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Writes a field of an entry and advances `next`. There must be space for it.
    @inline(__always)
    static func write(_ tag: UInt8, _ bytes: UnsafeRawBufferPointer, _ next: inout UnsafeMutablePointer<UInt8>) {
        next.pointee = tag
        next += 1
        Varint.write(UInt64(UInt(bitPattern: bytes.count)), &next)
        if let base = bytes.baseAddress { memcpy(next, base, bytes.count) }
        next += bytes.count
    }
}
