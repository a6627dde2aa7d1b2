import Glibc
import LMDB
import Support

/// The entries of a snapshot that change the local LMDB, found under a read transaction, kept for the write
/// transaction that follows.
///
/// The entries are spooled: a plan of any size takes constant memory, and the write lock is only held for writing.
package struct MergePlan: Sendable {
    /// A database that the plan writes to.
    package struct Target: Sendable {
        /// The name of the application's DBI.
        package var name: String
        /// Whether it was missing and is to be created.
        package var isMissing: Bool
        /// The flags that it has, or is to be created with.
        package var flags: DatabaseFlags
        /// The size of the planned keys, where they are integers and so have all the same.
        package var integerKeySize: Int?
    }

    /// The indices of targets have 2 bytes.
    static let mostTargets = 1 << 16

    /// Where the versions are that the snapshot was compared with.
    package let schema: Schema
    /// The transaction that the snapshot was compared with.
    package let comparedWith: UInt64
    /// What is written to; entries refer to these by index.
    package let targets: [Target]
    /// The entries, each a header with key and value behind it.
    package let entries: Spool
    /// Whether no key occurs twice, so that the comparison still holds if nobody has written since.
    package let isOrdered: Bool
    /// How many entries are to be written.
    package let count: Int
    /// How many entries of the snapshot change nothing here.
    package let kept: Int
    /// How many entries that would change something are left out, as ``MergeInspection`` wants it.
    package let held: Int

    /// Whether the local LMDB has everything already.
    package var isEmpty: Bool { count == 0 && !targets.contains(where: \.isMissing) }
}

/// One entry of a plan.
///
/// In the spool: target index (2 bytes), flags (1: 0x01 Deleted, 0x02 behind the last key), 1 unused, key size (4),
/// value size (8), timestamp (8), all in native byte order; then key and value.
struct PlannedEntry {
    static let headerSize = 24
    private static let deleted: UInt8 = 0x01
    private static let behindLast: UInt8 = 0x02

    var target: Int
    var version: MergeRule.Version
    /// Whether the key was above every key of its database when the plan was made.
    var isBehindLast: Bool
    var key: UnsafeRawBufferPointer

    func encodeHeader(into buffer: UnsafeMutableRawBufferPointer) {
        buffer.storeBytes(of: UInt16(truncatingIfNeeded: target), as: UInt16.self)
        buffer.storeBytes(
            of: (version.isDeleted ? Self.deleted : 0) | (isBehindLast ? Self.behindLast : 0), toByteOffset: 2,
            as: UInt8.self)
        buffer.storeBytes(of: 0, toByteOffset: 3, as: UInt8.self)
        buffer.storeBytes(of: UInt32(truncatingIfNeeded: key.count), toByteOffset: 4, as: UInt32.self)
        buffer.storeBytes(of: UInt64(version.value.count), toByteOffset: 8, as: UInt64.self)
        buffer.storeBytes(of: version.timestamp, toByteOffset: 16, as: UInt64.self)
    }

    struct Header {
        var target: Int
        var isDeleted: Bool
        var isBehindLast: Bool
        var keySize: Int
        var valueSize: Int
        var timestamp: UInt64

        init(_ bytes: UnsafeRawBufferPointer) {
            target = Int(bytes.loadUnaligned(fromByteOffset: 0, as: UInt16.self))
            let flags = bytes.loadUnaligned(fromByteOffset: 2, as: UInt8.self)
            isDeleted = flags & PlannedEntry.deleted != 0
            isBehindLast = flags & PlannedEntry.behindLast != 0
            keySize = Int(bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            valueSize = Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            timestamp = bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        }

        var size: Int { PlannedEntry.headerSize + keySize + valueSize }
    }
}

/// Collects the entries of a plan.
struct MergePlanWriter: ~Copyable {
    private let buffer: UnsafeMutableRawBufferPointer
    private var used = 0
    private var spool: SpoolWriter? = SpoolWriter()
    private(set) var count = 0

    init() { buffer = .allocate(byteCount: 256 << 10, alignment: 16) }

    deinit { buffer.deallocate() }

    /// - Parameter looked: is told of each part of a large value that has been copied.
    mutating func append(_ entry: PlannedEntry, looked: (UnsafeRawBufferPointer) -> Void = { _ in }) throws {
        let size = PlannedEntry.headerSize + entry.key.count + entry.version.value.count
        if size > buffer.count - used { try flush() }
        count += 1
        guard size <= buffer.count else {
            entry.encodeHeader(into: buffer)
            used = PlannedEntry.headerSize
            try flush()
            try spool?.write(entry.key)
            let value = entry.version.value
            for start in stride(from: 0, to: value.count, by: Self.pieceSize) {
                let piece = UnsafeRawBufferPointer(rebasing: value[start..<min(start + Self.pieceSize, value.count)])
                try spool?.write(piece)
                looked(piece)
            }
            return
        }
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer[used..<used + size])
        entry.encodeHeader(into: room)
        UnsafeMutableRawBufferPointer(rebasing: room[PlannedEntry.headerSize...]).copyMemory(from: entry.key)
        UnsafeMutableRawBufferPointer(rebasing: room[(PlannedEntry.headerSize + entry.key.count)...])
            .copyMemory(from: entry.version.value)
        used += size
    }

    private static let pieceSize = 1 << 20

    consuming func finish() throws -> Spool {
        try flush()
        guard let writer = spool.take() else { return Spool([]) }
        return try writer.finish()
    }

    private mutating func flush() throws {
        try spool?.write(UnsafeRawBufferPointer(rebasing: buffer[..<used]))
        used = 0
    }
}

/// Reads the entries of a plan back, one after another.
struct MergePlanReader: ~Copyable {
    /// A larger entry is not copied to memory.
    private static let largestInMemory = 4 << 20

    private let spool: Spool
    /// The present entry, when it is a large one.
    private var mapping: MappedBytes?
    private var buffer: UnsafeMutableRawBufferPointer
    /// The part of the buffer that is filled and not yet used.
    private var position = 0
    private var filled = 0
    /// The offset in the spool of what comes behind the filled part.
    private var offset = 0

    init(_ spool: Spool) {
        self.spool = spool
        buffer = .allocate(byteCount: 256 << 10, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// The next entry, nil at the end. Its key and value are valid until the next call.
    mutating func next() throws -> PlannedEntry? {
        if filled - position < PlannedEntry.headerSize {
            try fill(atLeast: PlannedEntry.headerSize)
            if filled == position { return nil }
        }
        mapping = nil
        let header = PlannedEntry.Header(UnsafeRawBufferPointer(rebasing: buffer[position..<filled]))
        if header.size > Self.largestInMemory, let entry = try large(header) { return entry }
        if filled - position < header.size { try fill(atLeast: header.size) }
        let keyStart = position + PlannedEntry.headerSize
        let valueStart = keyStart + header.keySize
        position = valueStart + header.valueSize
        return entry(
            header, key: UnsafeRawBufferPointer(rebasing: buffer[keyStart..<valueStart]),
            value: UnsafeRawBufferPointer(rebasing: buffer[valueStart..<position]))
    }

    private func entry(
        _ header: PlannedEntry.Header, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) -> PlannedEntry {
        PlannedEntry(
            target: header.target,
            version: .init(timestamp: header.timestamp, isDeleted: header.isDeleted, value: value),
            isBehindLast: header.isBehindLast, key: key)
    }

    /// Maps an entry's place in the spool's file; nil for a spool in memory.
    private mutating func large(_ header: PlannedEntry.Header) throws -> PlannedEntry? {
        let start = offset - (filled - position)
        guard start + header.size <= spool.count else {
            throw SystemError("read from", "a spooled merge plan", code: EIO)
        }
        mapping = try MappedBytes.map(spool, start..<start + header.size)
        guard let bytes = mappedBytes else { return nil }
        (position, filled) = (0, 0)
        offset = start + header.size
        let valueStart = PlannedEntry.headerSize + header.keySize
        return entry(
            header, key: UnsafeRawBufferPointer(rebasing: bytes[PlannedEntry.headerSize..<valueStart]),
            value: UnsafeRawBufferPointer(rebasing: bytes[valueStart...]))
    }

    private var mappedBytes: UnsafeRawBufferPointer? {
        switch mapping {
        case .some(let mapping): mapping.bytes
        case .none: nil
        }
    }

    private mutating func fill(atLeast size: Int) throws {
        let rest = UnsafeRawBufferPointer(rebasing: buffer[position..<filled])
        if size > buffer.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
            larger.copyMemory(from: rest)
            buffer.deallocate()
            buffer = larger
        } else {
            buffer.copyMemory(from: rest)
        }
        filled = rest.count
        position = 0
        let count = try spool.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
        offset += count
        filled += count
        // The spool was written by this process; an entry cut short means that its disk lies.
        if filled > 0 && filled < size { throw SystemError("read from", "a spooled merge plan", code: EIO) }
    }
}
