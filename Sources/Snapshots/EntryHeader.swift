/// The header of every synced value in an LMDB.
///
/// 24 bytes, integers big-endian: timestamp (8), transaction ID (8), version (1, always 0), flags (1),
/// reserved (4, zero), number N of extension blocks (2); then N × 8 bytes of extensions, then the
/// application's value. The layout is shared with every other program that writes such an LMDB.
public struct EntryHeader: Equatable, Sendable {
    /// When the entry was last changed, in nanoseconds since the UNIX epoch.
    public var timestamp: UInt64
    /// The LMDB transaction that wrote the entry; only meaningful inside that LMDB.
    public var transactionID: UInt64
    /// ``deletedFlag`` and unknown bits.
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
    /// The flag of an entry that marks a deleted key.
    public static let deletedFlag: UInt8 = 1
    @usableFromInline static let extensionSize = 8

    /// Whether the entry marks a deleted key.
    @inlinable public var isDeleted: Bool { flags & Self.deletedFlag != 0 }

    /// The number of bytes written by ``write(to:paddingBlock:)``.
    @inlinable
    public static func size(paddingBlock: Bool) -> Int { paddingBlock ? size + extensionSize : size }

    /// Parses a value of an LMDB. Extensions, reserved bytes and unknown flags are ignored.
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

    /// The transaction that wrote a value that ``parse(_:)`` has accepted.
    @inlinable @inline(__always)
    public static func transactionID(of value: UnsafeRawBufferPointer) -> UInt64 {
        value.count >= size ? UInt64(bigEndian: value.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) : 0
    }

    /// Writes the header to the first ``size(paddingBlock:)`` bytes of `target`, which must be large enough.
    ///
    /// Unknown flags are omitted.
    ///
    /// - Parameter paddingBlock: whether to add one extension block of zeroes, for testing readers.
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

    /// Replaces timestamp and transaction ID in a value with a header, and keeps everything else.
    public func rewriteTime(in value: UnsafeMutableRawBufferPointer) {
        guard value.count >= Self.size else { return }
        value.storeBytes(of: timestamp.bigEndian, toByteOffset: 0, as: UInt64.self)
        value.storeBytes(of: transactionID.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
}

/// A parsed value of an LMDB.
public struct ParsedEntry {
    /// The header of the application's value.
    public var header: EntryHeader
    /// The application's value; valid as long as the parsed bytes.
    public var payload: UnsafeRawBufferPointer

    /// Combines a header and a value without copying.
    @inlinable
    public init(header: EntryHeader, payload: UnsafeRawBufferPointer) {
        self.header = header
        self.payload = payload
    }
}

/// The reason why a value of an LMDB has no valid ``EntryHeader``.
public enum EntryHeaderError: Error, Equatable, CustomStringConvertible {
    /// The value has this many bytes, less than a header.
    case tooShort(Int)
    /// The header has this unknown version.
    case unsupportedVersion(UInt8)
    /// The header announces more extension blocks than fit in the value.
    case extensionsCutOff(extensions: Int, size: Int)

    /// The problem and its likely cause.
    public var description: String {
        switch self {
        case .tooShort(let size):
            "the value has \(size) bytes, too few for a Lightning Stream header of \(EntryHeader.size): "
                + "it may be written by an application without Lightning Stream support"
        case .unsupportedVersion(let version):
            "the Lightning Stream header has version \(version); only version 0 is supported: "
                + "it may be written by an application without Lightning Stream support"
        case .extensionsCutOff(let extensions, let size):
            "the Lightning Stream header announces \(extensions) extension blocks of 8 bytes, "
                + "but the whole value has \(size) bytes"
        }
    }
}
