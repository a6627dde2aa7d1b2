@testable import Snapshots

/// Decodes a whole message in memory, as simply as can be: what the reader is compared with.
///
/// It shares no code with the reader.
enum ReferenceDecoder {
    private struct Field {
        var number: UInt64
        var type: UInt64
        var integer: UInt64 = 0
        var bytes: ArraySlice<UInt8> = []
    }

    private struct Refused: Error {}

    private static func check(_ condition: Bool) throws { if !condition { throw Refused() } }

    private static func varint(_ bytes: inout ArraySlice<UInt8>) throws -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<10 {
            guard let byte = bytes.popFirst() else { throw Refused() }
            try check(index < 9 || byte <= 1)
            value |= UInt64(byte & 0x7f) << UInt64(7 * index)
            if byte < 0x80 { return value }
        }
        throw Refused()
    }

    private static func take(_ count: UInt64, _ bytes: inout ArraySlice<UInt8>) throws -> ArraySlice<UInt8> {
        try check(count <= UInt64(bytes.count))
        defer { bytes = bytes.dropFirst(Int(count)) }
        return bytes.prefix(Int(count))
    }

    private static func fields(_ message: ArraySlice<UInt8>) throws -> [Field] {
        var rest = message
        var fields: [Field] = []
        while !rest.isEmpty {
            let tag = try varint(&rest)
            var field = Field(number: tag >> 3, type: tag & 7)
            try check(field.number > 0 && field.number < 1 << 29)
            switch field.type {
            case 0: field.integer = try varint(&rest)
            case 1, 5:
                let bytes = try take(field.type == 1 ? 8 : 4, &rest)
                field.integer = bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
            case 2: field.bytes = try take(try varint(&rest), &rest)
            default: throw Refused()
            }
            fields.append(field)
        }
        return fields
    }

    private static func text(_ field: Field, maximum: Int) throws -> String {
        try check(field.type == 2 && field.bytes.count <= maximum)
        guard let text = String(validating: field.bytes, as: UTF8.self) else { throw Refused() }
        return text
    }

    private static func integer(_ field: Field, type: UInt64) throws -> UInt64 {
        try check(field.type == type)
        return field.integer
    }

    /// What the message says; nil when it must be refused.
    static func decode(_ bytes: [UInt8], maximumEntrySize: Int) -> Contents? {
        try? contents(bytes, maximumEntrySize)
    }

    private static func contents(_ bytes: [UInt8], _ maximumEntrySize: Int) throws -> Contents {
        let fields = try fields(bytes[...])
        var result = Contents()
        let firstDatabase = fields.firstIndex { $0.number == 3 } ?? fields.count
        let versions = try fields.enumerated().filter { $0.element.number == 1 }
            .map { (index: $0.offset, version: try integer($0.element, type: 0)) }
        try check(versions.allSatisfy { $0.version <= UInt32.max })
        var version = versions.last { $0.index < firstDatabase }?.version ?? 0
        if version == 0 { version = versions.last?.version ?? 0 }
        try check(version > 0 && versions.allSatisfy { $0.index < firstDatabase || $0.version == version })
        result.formatVersion = UInt32(version)
        for field in fields {
            switch field.number {
            case 2: try meta(field, &result.meta)
            case 3: result.databases.append(try database(field, version, maximumEntrySize))
            case 4: try check(try integer(field, type: 0) <= 3)
            default: break
            }
        }
        return result
    }

    private static func meta(_ message: Field, _ meta: inout SnapshotMeta) throws {
        try check(message.type == 2)
        for field in try fields(message.bytes) {
            switch field.number {
            case 1: meta.generationID = try text(field, maximum: 65_536)
            case 2: meta.instanceID = try text(field, maximum: 65_536)
            case 3: meta.hostname = try text(field, maximum: 65_536)
            case 4: meta.transactionID = Int64(bitPattern: try integer(field, type: 0))
            case 5: meta.timestamp = try integer(field, type: 1)
            case 7: meta.databaseName = try text(field, maximum: 65_536)
            case 8: meta.fromTransactionID = Int64(bitPattern: try integer(field, type: 0))
            case 100: meta.from = try integer(field, type: 1)
            case 101: try position(field, &meta)
            case 102: meta.readsDeltas = try integer(field, type: 0) > 0
            case 104:
                try check(field.type == 2 && field.bytes.count <= 64)
                if meta.proof.isEmpty { meta.proof = Array(field.bytes) }
            default: break
            }
        }
    }

    private static func position(_ message: Field, _ meta: inout SnapshotMeta) throws {
        try check(message.type == 2)
        var (instance, time) = ("", UInt64(0))
        for field in try fields(message.bytes) {
            switch field.number {
            case 1: instance = try text(field, maximum: 1024)
            case 2: time = try integer(field, type: 1)
            default: break
            }
        }
        let isPlain = instance.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        try check(!instance.isEmpty && isPlain && time > 0)
        meta.positions[instance] = time
    }

    private static func database(_ message: Field, _ version: UInt64, _ maximumEntrySize: Int) throws -> Database {
        try check(message.type == 2)
        var database = Database(name: "")
        var names: [String] = []
        for field in try fields(message.bytes) {
            switch field.number {
            case 1: names.append(try text(field, maximum: 511))
            case 2:
                try check(field.bytes.count <= maximumEntrySize)
                database.entries.append(try entry(field, version))
            case 3: database.flags = try integer(field, type: 0)
            case 4:
                database.transform = try text(field, maximum: 256)
                try check(database.transform.isEmpty || database.transform == "dupsort_hack_v1")
            default: break
            }
        }
        database.name = names.last ?? ""
        try check(!database.name.isEmpty && !database.name.utf8.contains(0))
        try check(names.drop { $0.isEmpty }.allSatisfy { $0 == database.name })
        try check(version < 3 || (database.flags & 4 != 0) == (database.transform == "dupsort_hack_v1"))
        return database
    }

    private static func entry(_ message: Field, _ version: UInt64) throws -> Entry {
        try check(message.type == 2)
        var entry = Entry([], [], 0)
        var flags: UInt64 = 0
        for field in try fields(message.bytes) {
            switch field.number {
            case 1, 2:
                try check(field.type == 2)
                if field.number == 1 { entry.key = Array(field.bytes) } else { entry.value = Array(field.bytes) }
            case 3: entry.timestamp = try integer(field, type: 1)
            case 4: flags = try integer(field, type: 0)
            default: break
            }
        }
        entry.isDeleted = version == 1 ? entry.value.isEmpty : flags & 1 == 1
        return entry
    }
}
