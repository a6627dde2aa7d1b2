/// The header in front of every synced value in an LMDB.
///
/// 24 bytes, integers big-endian: timestamp (8), transaction ID (8), version (1, always 0), flags (1),
/// reserved (4, zero), number N of extension blocks (2); then N × 8 bytes of extensions, then the
/// application's value. The layout is shared with every other program that writes such an LMDB.
public struct EntryHeader: Equatable, Sendable {
    /// When the entry was last changed, in nanoseconds since the UNIX epoch.
    public var timestamp: UInt64
    /// The LMDB transaction that wrote the entry; it only means something inside that LMDB.
    public var transactionID: UInt64
    /// ``deletedFlag`` and bits of unknown meaning.
    public var flags: UInt8

    /// A header without extensions.
    @inlinable
    public init(timestamp: UInt64, transactionID: UInt64, flags: UInt8 = 0) {
        self.timestamp = timestamp
        self.transactionID = transactionID
        self.flags = flags
    }

    /// Bytes of a header without extensions.
    public static let size = 24
    /// The flag of an entry that only says that its key was deleted.
    public static let deletedFlag: UInt8 = 1
    @usableFromInline static let extensionSize = 8

    /// Whether the entry only says that its key was deleted.
    @inlinable public var isDeleted: Bool { flags & Self.deletedFlag != 0 }

    /// Bytes that ``write(to:paddingBlock:)`` writes.
    @inlinable
    public static func size(paddingBlock: Bool) -> Int { paddingBlock ? size + extensionSize : size }

    /// Takes a value of an LMDB apart. Extensions, reserved bytes and unknown flags are not looked at.
    @inlinable @inline(__always)
    public static func parse(_ value: UnsafeRawBufferPointer) throws(EntryHeaderError) -> ParsedEntry {
        guard value.count >= size, let base = value.baseAddress else { throw .tooShort(value.count) }
        let version = base.load(fromByteOffset: 16, as: UInt8.self)
        guard version == 0 else { throw .unsupportedVersion(version) }
        let extensions = Int(UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 22, as: UInt16.self)))
        let start = size &+ extensions &* extensionSize
        guard start <= value.count else { throw .extensionsCutOff(extensions: extensions, size: value.count) }
        return ParsedEntry(
            header: EntryHeader(
                timestamp: UInt64(bigEndian: base.loadUnaligned(as: UInt64.self)),
                transactionID: UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                flags: base.load(fromByteOffset: 17, as: UInt8.self)),
            payload: UnsafeRawBufferPointer(start: base + start, count: value.count &- start))
    }

    /// The transaction that wrote a value which ``parse(_:)`` has taken apart before.
    @inlinable @inline(__always)
    public static func transactionID(of value: UnsafeRawBufferPointer) -> UInt64 {
        value.count >= size ? UInt64(bigEndian: value.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) : 0
    }

    /// Writes the header to the first ``size(paddingBlock:)`` bytes of `target`, which must have room for them.
    ///
    /// Flags of unknown meaning are left out.
    ///
    /// - Parameter paddingBlock: whether one extension block of zeroes follows; a help for tests of readers.
    @inlinable
    public func write(to target: UnsafeMutableRawBufferPointer, paddingBlock: Bool = false) {
        target.storeBytes(of: timestamp.bigEndian, toByteOffset: 0, as: UInt64.self)
        target.storeBytes(of: transactionID.bigEndian, toByteOffset: 8, as: UInt64.self)
        target.storeBytes(of: 0, toByteOffset: 16, as: UInt8.self)
        target.storeBytes(of: flags & Self.deletedFlag, toByteOffset: 17, as: UInt8.self)
        target.storeBytes(of: 0, toByteOffset: 18, as: UInt32.self)
        target.storeBytes(of: UInt16(paddingBlock ? 1 : 0).bigEndian, toByteOffset: 22, as: UInt16.self)
        if paddingBlock { target.storeBytes(of: 0, toByteOffset: Self.size, as: UInt64.self) }
    }

    /// Replaces timestamp and transaction ID in a value that has a header, and leaves everything else as it is.
    public func rewriteTime(in value: UnsafeMutableRawBufferPointer) {
        guard value.count >= Self.size else { return }
        value.storeBytes(of: timestamp.bigEndian, toByteOffset: 0, as: UInt64.self)
        value.storeBytes(of: transactionID.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
}

/// A value of an LMDB, taken apart.
public struct ParsedEntry {
    /// The header in front of the application's value.
    public var header: EntryHeader
    /// The application's value; valid as long as the bytes that were parsed.
    public var payload: UnsafeRawBufferPointer

    /// Puts a header and a value side by side, without copying.
    @inlinable
    public init(header: EntryHeader, payload: UnsafeRawBufferPointer) {
        self.header = header
        self.payload = payload
    }
}

/// Why a value of an LMDB has no usable ``EntryHeader``.
public enum EntryHeaderError: Error, Equatable, CustomStringConvertible {
    /// The value has this many bytes, fewer than a header.
    case tooShort(Int)
    /// The header is of this version, about which nothing is known.
    case unsupportedVersion(UInt8)
    /// The header announces more extension blocks than the value has room for.
    case extensionsCutOff(extensions: Int, size: Int)

    /// What is wrong, and what it may come from.
    public var description: String {
        switch self {
        case .tooShort(let size):
            "the value has \(size) bytes and so no Lightning Stream header, which has \(EntryHeader.size): "
                + "was it written by an application without Lightning Stream support?"
        case .unsupportedVersion(let version):
            "the Lightning Stream header has version \(version), only version 0 is known: "
                + "was it written by an application without Lightning Stream support?"
        case .extensionsCutOff(let extensions, let size):
            "the Lightning Stream header announces \(extensions) extension blocks of 8 bytes, "
                + "but the whole value has \(size) bytes"
        }
    }
}
