import Support

/// Reads a snapshot from start to end in constant memory, and rejects invalid ones.
///
/// The format is described in docs/snapshot-format.md: gzip of a protobuf message. The contents must not be
/// applied before ``next()`` has returned ``Event/end``: only then has everything been checked.
package struct SnapshotReader: ~Copyable {
    /// The result of ``next()``.
    package enum Event: Sendable {
        /// Start of a DBI or of a part of it: a DBI may come in several parts. Its name is known.
        case databaseBegin
        /// An entry of the DBI.
        case entry
        /// End of the DBI or of the part. Its flags and transform are known.
        case databaseEnd
        /// End of the snapshot; everything has been checked.
        case end
    }

    private enum State {
        case betweenDatabases
        // Before a field of a DBI.
        case inDatabase
        // Before the length of an entry.
        case beforeEntryLength
        case ended
        case failed(SnapshotError)
    }

    private let spool: Spool
    private let maximumEntrySize: UInt64
    private var window: ByteWindow
    private var state = State.betweenDatabases
    // Entries that end before this pointer are completely in memory. At the cursor if no entry can follow.
    private var entriesEnd: UnsafePointer<UInt8>
    private var databaseEnd: UInt64 = 0
    // Number of DBI messages, for finding names that follow the entries.
    private var databaseIndex = -1
    private var lateNames: SnapshotScan?

    /// The format version; complete at the first ``Event/databaseBegin``.
    package private(set) var formatVersion: UInt32 = 0
    /// The snapshot's metadata; complete at ``Event/end``.
    package private(set) var meta = SnapshotMeta(generationID: "")
    /// The name of the current DBI.
    package private(set) var databaseName = ""
    /// The LMDB flags of the current DBI; final at ``Event/databaseEnd``.
    package private(set) var databaseFlags: UInt64 = 0
    /// The transform of keys of the current DBI, "" for none; final at ``Event/databaseEnd``.
    package private(set) var databaseTransform = ""
    /// The key of the entry, valid until the next call of ``next()``.
    package private(set) var key: UnsafeRawBufferPointer
    /// The application's value of the entry; valid until the next call of ``next()``.
    package private(set) var value: UnsafeRawBufferPointer
    /// When the entry was last changed, in nanoseconds since the UNIX epoch.
    package private(set) var timestamp: UInt64 = 0
    /// Whether the entry marks its key as deleted. It may still have a value.
    package private(set) var isDeleted = false

    /// - Parameter maximumEntrySize: an entry with a larger message is rejected before it is read. Entries of more
    ///   than a few MiB go through a temporary file.
    package init(_ spool: Spool, maximumEntrySize: Int) {
        self.spool = spool
        self.maximumEntrySize = UInt64(clamping: maximumEntrySize)
        window = ByteWindow(spool)
        entriesEnd = window.cursor
        key = UnsafeRawBufferPointer(start: nil, count: 0)
        value = key
    }

    /// Advances to the next event. After an error it throws the same error again.
    package mutating func next() throws(SnapshotError) -> Event {
        // Most entries are completely in memory, with a length of one or two bytes.
        let start = window.cursor
        let left = entriesEnd - start
        if left > 3 && start.pointee == SnapshotFields.entryTag {
            var length = Int(start[1])
            var message = start + 2
            if length >= 0x80 {
                length = length & 0x7f | Int(start[2]) << 7
                message += 1
            }
            if start[2] < 0x80 || message == start + 2, length <= entriesEnd - message,
                UInt64(UInt(bitPattern: length)) <= maximumEntrySize
            {
                window.cursor = message + length
                do {
                    try readEntry(message, message + length)
                } catch {
                    throw failed(error)
                }
                return .entry
            }
        }
        do {
            let event = try nextWithCare()
            rememberEntriesEnd()
            return event
        } catch {
            throw failed(error)
        }
    }

    /// Releases the memory of a processed part of ``value`` if a large value is in a file. It can be read
    /// again.
    package func forget(_ part: UnsafeRawBufferPointer) { window.forget(part) }

    private mutating func nextWithCare() throws(SnapshotError) -> Event {
        switch state {
        case .betweenDatabases: return try nextDatabase()
        case .inDatabase: return try nextInDatabase()
        case .beforeEntryLength: return try nextEntry()
        case .ended: return .end
        case .failed(let error): throw error
        }
    }

    private mutating func failed(_ error: SnapshotError) -> SnapshotError {
        if case .failed(let first) = state { return first }
        var error = error
        switch state {
        case .inDatabase, .beforeEntryLength: error.database = error.database ?? databaseName
        default: break
        }
        state = .failed(error)
        entriesEnd = window.cursor
        return error
    }
}

// MARK: - The message and its DBIs

extension SnapshotReader {
    private mutating func nextDatabase() throws(SnapshotError) -> Event {
        while try window.ensure(1) {
            let tag = try window.readTag(limit: .max)
            switch tag.number {
            case SnapshotFields.formatVersion: try readFormatVersion(tag)
            case SnapshotFields.meta: try window.readMeta(tag, into: &meta)
            case SnapshotFields.databases: return try beginDatabase(tag)
            case SnapshotFields.compatVersion: try window.readCompatVersion(tag)
            default: try window.skipValue(tag, limit: .max)
            }
        }
        guard formatVersion > 0 else { throw window.noFormatVersion }
        state = .ended
        return .end
    }

    private mutating func readFormatVersion(_ tag: FieldTag) throws(SnapshotError) {
        let version = try window.readFormatVersion(tag)
        guard databaseIndex < 0 || version == formatVersion else {
            throw window.refusal("formatVersion changes from \(formatVersion) to \(version)")
        }
        formatVersion = version
    }

    private mutating func beginDatabase(_ tag: FieldTag) throws(SnapshotError) -> Event {
        try window.expect(tag, .length, of: "a DBI")
        let length = try window.readLength(limit: .max, of: "a DBI")
        databaseEnd = window.offset &+ length
        databaseIndex += 1
        databaseName = ""
        databaseFlags = 0
        databaseTransform = ""
        state = .inDatabase
        if formatVersion == 0 {
            // The version determines how entries are parsed, so the reader scans ahead for it.
            formatVersion = try SnapshotScan(spool).findFormatVersion()
            guard formatVersion > 0 else { throw window.noFormatVersion }
        }
        while window.offset < databaseEnd && !isBeforeEntry { try readDatabaseField() }
        if databaseName.isEmpty { databaseName = try findName() }
        return .databaseBegin
    }

    private var isBeforeEntry: Bool {
        if case .beforeEntryLength = state { true } else { false }
    }

    private mutating func findName() throws(SnapshotError) -> String {
        let scan = lateNames ?? SnapshotScan(spool)
        lateNames = scan
        guard let name = try scan.findName(ofDatabase: databaseIndex), !name.isEmpty else {
            throw window.refusal("a DBI has no name")
        }
        return name
    }

    // Reads a field of a DBI, but of an entry only the tag.
    private mutating func readDatabaseField() throws(SnapshotError) {
        let tag = try window.readTag(limit: databaseEnd)
        switch tag.number {
        case SnapshotFields.DBI.entries:
            try window.expect(tag, .length, of: "an entry")
            state = .beforeEntryLength
        case SnapshotFields.DBI.name:
            let name = try SnapshotFields.readDatabaseName(tag, &window, limit: databaseEnd)
            guard databaseName.isEmpty || name == databaseName else {
                throw window.refusal("it has a second name, \"\(name)\"")
            }
            databaseName = name
        case SnapshotFields.DBI.flags:
            try window.expect(tag, .varint, of: "the flags")
            databaseFlags = try window.readVarint(limit: databaseEnd)
        case SnapshotFields.DBI.transform:
            try window.expect(tag, .length, of: "the transform")
            databaseTransform = try window.readString(limit: databaseEnd, maximum: 256, of: "the transform")
            guard databaseTransform.isEmpty || databaseTransform == SnapshotFields.dupSortTransform else {
                throw window.refusal("the transform \"\(databaseTransform)\" is unknown", .unsupported)
            }
        default: try window.skipValue(tag, limit: databaseEnd)
        }
    }

    private mutating func nextInDatabase() throws(SnapshotError) -> Event {
        while window.offset < databaseEnd {
            try readDatabaseField()
            if isBeforeEntry { return try nextEntry() }
        }
        if formatVersion >= 3, let reason = SnapshotFields.contradiction(databaseFlags, databaseTransform) {
            throw window.refusal(reason, .unsupported)
        }
        state = .betweenDatabases
        return .databaseEnd
    }

    private mutating func nextEntry() throws(SnapshotError) -> Event {
        let length = try window.readLength(limit: databaseEnd, of: "an entry")
        guard length <= maximumEntrySize else {
            throw window.refusal(
                "an entry has \(length) bytes, but only \(maximumEntrySize) could fit into the local LMDB", .tooLarge)
        }
        let count = Int(length)
        guard try window.ensure(count) else { throw window.cutOff }
        let message = window.cursor
        window.cursor = message + count
        state = .inDatabase
        try readEntry(message, message + count)
        return .entry
    }

    private mutating func rememberEntriesEnd() {
        if case .inDatabase = state {
            entriesEnd = window.pointer(to: databaseEnd)
        } else {
            entriesEnd = window.cursor
        }
    }
}

// MARK: - Entries

extension SnapshotReader {
    // The message is completely in memory. This code does not allocate or retain.
    @inline(__always)
    private mutating func readEntry(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) throws(SnapshotError) {
        var next = start
        key = UnsafeRawBufferPointer(start: start, count: 0)
        value = key
        timestamp = 0
        var flags: UInt64 = 0
        while next < end {
            switch next.pointee {
            case SnapshotFields.KV.keyTag:
                next += 1
                key = try readBytes(&next, end)
            case SnapshotFields.KV.valueTag:
                next += 1
                value = try readBytes(&next, end)
            case SnapshotFields.KV.timestampTag:
                guard end - next >= 9 else { throw entryRefusal("the timestamp of an entry is truncated", next) }
                timestamp = UInt64(
                    littleEndian: UnsafeRawPointer(next).loadUnaligned(fromByteOffset: 1, as: UInt64.self))
                next += 9
            case SnapshotFields.KV.flagsTag:
                next += 1
                guard let number = Varint.read(&next, end) else {
                    throw badNumber(next)
                }
                flags = number
            default:
                if let number = try readUnusualField(&next, end) { flags = number }
            }
        }
        isDeleted = formatVersion > 1 ? flags & SnapshotFields.KV.deletedFlag != 0 : value.isEmpty
    }

    @inline(__always)
    private func readBytes(
        _ next: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) throws(SnapshotError) -> UnsafeRawBufferPointer {
        guard let length = Varint.read(&next, end) else { throw badNumber(next) }
        guard length <= UInt64(UInt(bitPattern: end - next)) else {
            throw entryRefusal("a length in an entry exceeds the entry", next)
        }
        let bytes = UnsafeRawBufferPointer(start: next, count: Int(length))
        next += Int(length)
        return bytes
    }

    // Reads an unknown field, or one whose tag is not minimally encoded.
    //
    // - Returns: the flags, if it is that field.
    @inline(never)
    private mutating func readUnusualField(
        _ next: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) throws(SnapshotError) -> UInt64? {
        let start = next
        guard let number = Varint.read(&next, end) else { throw badNumber(start) }
        guard let type = WireType(rawValue: UInt8(truncatingIfNeeded: number & 7)) else {
            throw entryRefusal("a field of an entry has the unknown wire type \(number & 7)", start)
        }
        guard number >> 3 > 0, number >> 3 < 1 << 29 else {
            throw entryRefusal("a field of an entry has the invalid number \(number >> 3)", start)
        }
        switch type {
        case .varint:
            guard let flags = Varint.read(&next, end) else { throw badNumber(next) }
            if number == UInt64(SnapshotFields.KV.flagsTag) { return flags }
        case .length:
            let bytes = try readBytes(&next, end)
            if number == UInt64(SnapshotFields.KV.keyTag) {
                key = bytes
                return nil
            }
            if number == UInt64(SnapshotFields.KV.valueTag) {
                value = bytes
                return nil
            }
        case .eightBytes, .fourBytes:
            let count = type == .eightBytes ? 8 : 4
            guard count <= end - next else { throw entryRefusal("a number of \(count) bytes is truncated", start) }
            if number == UInt64(SnapshotFields.KV.timestampTag) {
                timestamp = UInt64(littleEndian: UnsafeRawPointer(next).loadUnaligned(as: UInt64.self))
            }
            next += count
            if number == UInt64(SnapshotFields.KV.timestampTag) { return nil }
        }
        guard number >> 3 > 4 else {
            throw entryRefusal("field \(number >> 3) of an entry has the wrong wire type \(type.rawValue)", start)
        }
        return nil
    }

    private func badNumber(_ place: UnsafePointer<UInt8>) -> SnapshotError {
        entryRefusal("a number in an entry is truncated, or exceeds 10 bytes or 64 bits", place)
    }

    private func entryRefusal(_ reason: String, _ place: UnsafePointer<UInt8>) -> SnapshotError {
        SnapshotError(.malformed, reason, offset: window.offset(of: place))
    }
}
