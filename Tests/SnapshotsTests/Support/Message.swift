/// Builds protobuf messages byte by byte, right or wrong ones.
struct Message {
    var bytes: [UInt8] = []

    /// The shortest way to write `value`.
    static func varint(_ value: UInt64) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        repeat {
            let byte = UInt8(rest & 0x7f)
            rest >>= 7
            bytes.append(rest == 0 ? byte : byte | 0x80)
        } while rest != 0
        return bytes
    }

    static func tag(_ number: UInt64, _ type: UInt64) -> [UInt8] { varint(number << 3 | type) }

    func raw(_ more: [UInt8]) -> Message { Message(bytes: bytes + more) }

    func varint(_ number: UInt64, _ value: UInt64) -> Message {
        raw(Self.tag(number, 0) + Self.varint(value))
    }

    func fixed64(_ number: UInt64, _ value: UInt64) -> Message {
        raw(Self.tag(number, 1) + (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) })
    }

    func fixed32(_ number: UInt64, _ value: UInt32) -> Message {
        raw(Self.tag(number, 5) + (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) })
    }

    func field(_ number: UInt64, _ value: [UInt8]) -> Message {
        raw(Self.tag(number, 2) + Self.varint(UInt64(value.count)) + value)
    }

    func field(_ number: UInt64, _ value: String) -> Message { field(number, Array(value.utf8)) }

    func field(_ number: UInt64, _ value: Message) -> Message { field(number, value.bytes) }

    /// Claims `length` bytes but brings none.
    func length(_ number: UInt64, _ length: UInt64) -> Message {
        raw(Self.tag(number, 2) + Self.varint(length))
    }
}

/// Messages of snapshots.
extension Message {
    static let version3 = Message().varint(1, 3).varint(4, 1)

    static func entry(_ key: String, _ value: String, at timestamp: UInt64 = 7, deleted: Bool = false) -> Message {
        let entry = Message().field(1, key).field(2, value).fixed64(3, timestamp)
        return deleted ? entry.varint(4, 1) : entry
    }

    static func database(_ name: String, _ entries: [Message] = []) -> Message {
        entries.reduce(Message().field(1, name)) { $0.field(2, $1) }
    }
}
