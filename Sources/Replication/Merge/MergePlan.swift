import Glibc
import LMDB
import Support

/// The entries of a snapshot to write to the local LMDB, found in a read transaction, for the following write
/// transaction.
///
/// The entries are spooled: a plan of any size takes constant memory, and the write lock is held for writing only.
package struct MergePlan: Sendable {
    /// A DBI that the plan writes to.
    package struct Target: Sendable {
        /// The name of the application's DBI.
        package var name: String
        /// Whether it is missing and must be created.
        package var isMissing: Bool
        /// Its flags, or the flags to create it with.
        package var flags: DatabaseFlags
        /// The size of the planned keys if they are integers, and so all have the same size.
        package var integerKeySize: Int?
    }

    /// The index of a target has 2 bytes.
    static let mostTargets = 1 << 16

    /// Where the versions are stored that the snapshot was compared with.
    package let schema: Schema
    /// The transaction that the snapshot was compared with.
    package let comparedWith: UInt64
    /// The targets; entries refer to them by index.
    package let targets: [Target]
    /// The entries, each a header followed by key and value.
    package let entries: Spool
    /// Whether no key occurs twice, so that the comparison is valid until the next transaction.
    package let isOrdered: Bool
    /// The number of entries to write.
    package let count: Int
    /// The number of entries that change nothing.
    package let kept: Int
    /// The number of entries that ``MergeInspection`` holds.
    package let held: Int

    /// Whether there is nothing to write.
    package var isEmpty: Bool { count == 0 && !targets.contains(where: \.isMissing) }
}

/// One entry of a plan.
///
/// Format in the spool: timestamp (8 bytes), value size (4), target index (2), key size (2) with two flags in its upper
/// bits (0x8000 Deleted, 0x4000 behind the last key), all in native byte order; then key and value. A key is shorter
/// than half a page of LMDB, which has 32 KiB at most.
struct PlannedEntry {
    static let headerSize = 16
    private static let deleted: UInt16 = 0x8000
    private static let behindLast: UInt16 = 0x4000

    var target: Int
    var version: MergeRule.Version
    /// Whether the key was above all keys of its DBI at the comparison.
    var isBehindLast: Bool
    var key: UnsafeRawBufferPointer

    /// The size in the spool, in bytes.
    @inline(__always) var size: Int { Self.headerSize + key.count + version.value.count }

    @inline(__always)
    func encodeHeader(into buffer: UnsafeMutableRawPointer) {
        let flags = (version.isDeleted ? Self.deleted : 0) | (isBehindLast ? Self.behindLast : 0)
        buffer.storeBytes(of: version.timestamp, as: UInt64.self)
        buffer.storeBytes(of: UInt32(truncatingIfNeeded: version.value.count), toByteOffset: 8, as: UInt32.self)
        buffer.storeBytes(of: UInt16(truncatingIfNeeded: target), toByteOffset: 12, as: UInt16.self)
        buffer.storeBytes(of: UInt16(truncatingIfNeeded: key.count) | flags, toByteOffset: 14, as: UInt16.self)
    }

    struct Header {
        private var timestamp: UInt64
        private var target: Int
        private var flags: UInt16
        let keySize: Int
        private var valueSize: Int

        /// - Parameter bytes: ``PlannedEntry/headerSize`` bytes.
        @inline(__always)
        init(_ bytes: UnsafeRawPointer) {
            timestamp = bytes.loadUnaligned(as: UInt64.self)
            valueSize = Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
            target = Int(bytes.loadUnaligned(fromByteOffset: 12, as: UInt16.self))
            flags = bytes.loadUnaligned(fromByteOffset: 14, as: UInt16.self)
            keySize = Int(flags & ~(PlannedEntry.deleted | PlannedEntry.behindLast))
        }

        @inline(__always) var size: Int { PlannedEntry.headerSize + keySize + valueSize }

        /// Reads the entry with this header.
        ///
        /// - Parameter bytes: ``size`` bytes, including the header.
        @inline(__always)
        func entry(_ bytes: UnsafeRawPointer) -> PlannedEntry {
            let key = bytes + PlannedEntry.headerSize
            return PlannedEntry(
                target: target,
                version: .init(
                    timestamp: timestamp, isDeleted: flags & PlannedEntry.deleted != 0,
                    value: UnsafeRawBufferPointer(start: key + keySize, count: valueSize)),
                isBehindLast: flags & PlannedEntry.behindLast != 0,
                key: UnsafeRawBufferPointer(start: key, count: keySize))
        }
    }
}

/// Collects the entries of a plan.
struct MergePlanWriter: ~Copyable {
    private static let capacity = 256 << 10

    private let buffer: UnsafeMutableRawPointer
    private var used = 0
    private var spool: SpoolWriter? = SpoolWriter()
    private(set) var count = 0

    init() { buffer = .allocate(byteCount: Self.capacity, alignment: 16) }

    deinit { buffer.deallocate() }

    /// - Parameter looked: called with each copied part of a large value.
    @inline(__always)
    mutating func append(_ entry: PlannedEntry, looked: (UnsafeRawBufferPointer) -> Void = { _ in }) throws {
        let size = entry.size
        if size > Self.capacity - used {
            try flush()
            if size > Self.capacity { return try appendLarge(entry, looked) }
        }
        count += 1
        let room = buffer + used
        entry.encodeHeader(into: room)
        Self.copy(entry.key, to: room + PlannedEntry.headerSize)
        Self.copy(entry.version.value, to: room + PlannedEntry.headerSize + entry.key.count)
        used += size
    }

    @inline(__always)
    private static func copy(_ bytes: UnsafeRawBufferPointer, to place: UnsafeMutableRawPointer) {
        if let start = bytes.baseAddress { place.copyMemory(from: start, byteCount: bytes.count) }
    }

    @inline(never)
    private mutating func appendLarge(_ entry: PlannedEntry, _ looked: (UnsafeRawBufferPointer) -> Void) throws {
        count += 1
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
    }

    private static let pieceSize = 1 << 20

    consuming func finish() throws -> Spool {
        try flush()
        guard let writer = spool.take() else { return Spool([]) }
        return try writer.finish()
    }

    @inline(never)
    private mutating func flush() throws {
        try spool?.write(UnsafeRawBufferPointer(start: buffer, count: used))
        used = 0
    }
}

/// Reads the entries of a plan sequentially.
struct MergePlanReader: ~Copyable {
    /// Larger entries are mapped, not copied to memory.
    private static let largestInMemory = 4 << 20

    private let spool: Spool
    /// The current entry if it is a large one.
    private var mapping: MappedBytes?
    private var isMapped = false
    private var buffer: UnsafeMutableRawBufferPointer
    /// The filled, unread part of the buffer.
    private var position: UnsafeMutableRawPointer
    private var filled = 0
    /// The offset in the spool after the filled part.
    private var offset = 0

    init(_ spool: Spool) {
        self.spool = spool
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 256 << 10, alignment: 16)
        buffer = UnsafeMutableRawBufferPointer(start: memory, count: 256 << 10)
        position = memory
    }

    deinit { buffer.deallocate() }

    /// The next entry; nil at the end. Its key and value are valid until the next call.
    @inline(__always)
    mutating func next() throws -> PlannedEntry? {
        if filled >= PlannedEntry.headerSize {
            let header = PlannedEntry.Header(position)
            if header.size <= filled { return take(header) }
        }
        return try nextWithCare()
    }

    @inline(never)
    private mutating func nextWithCare() throws -> PlannedEntry? {
        if filled < PlannedEntry.headerSize {
            try fill(atLeast: PlannedEntry.headerSize)
            if filled == 0 { return nil }
        }
        let header = PlannedEntry.Header(position)
        if header.size > Self.largestInMemory, let entry = try large(header) { return entry }
        if filled < header.size { try fill(atLeast: header.size) }
        return take(header)
    }

    @inline(__always)
    private mutating func take(_ header: PlannedEntry.Header) -> PlannedEntry {
        if isMapped { unmap() }
        let entry = header.entry(position)
        position += header.size
        filled -= header.size
        return entry
    }

    private mutating func unmap() {
        mapping = nil
        isMapped = false
    }

    /// Maps an entry in the spool's file; nil if the spool is in memory.
    private mutating func large(_ header: PlannedEntry.Header) throws -> PlannedEntry? {
        unmap()
        let start = offset - filled
        guard start + header.size <= spool.count else {
            throw SystemError("read from", "a spooled merge plan", code: EIO)
        }
        mapping = try MappedBytes.map(spool, start..<start + header.size)
        guard let bytes = mappedBytes?.baseAddress else { return nil }
        isMapped = true
        filled = 0
        offset = start + header.size
        return header.entry(bytes)
    }

    private var mappedBytes: UnsafeRawBufferPointer? {
        switch mapping {
        case .some(let mapping): mapping.bytes
        case .none: nil
        }
    }

    private mutating func fill(atLeast size: Int) throws {
        let rest = UnsafeRawBufferPointer(start: position, count: filled)
        if size > buffer.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
            larger.copyMemory(from: rest)
            buffer.deallocate()
            buffer = larger
        } else {
            buffer.copyMemory(from: rest)
        }
        if let start = buffer.baseAddress { position = start }
        let count = try spool.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
        offset += count
        filled += count
        // The spool was written by this process: a truncated entry indicates a disk error.
        if filled > 0 && filled < size { throw SystemError("read from", "a spooled merge plan", code: EIO) }
    }
}
