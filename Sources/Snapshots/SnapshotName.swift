/// The name of a snapshot in a bucket.
///
/// `{db}__{instance}__{timestamp}__{generation}[__{extra}…].{extension}`, for example
/// `main__ns1__20261120-173955-012345678__GX.pb.gz`. The format is shared with every other program that
/// uses the bucket. Names sort by database, instance and time.
package struct SnapshotName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The parts of a name in one object: names are copied a lot.
    private final class Parts: Sendable {
        let database: String
        let instance: String
        let generation: String
        let extras: [String]
        let fileExtension: String
        let description: String

        init(
            database: String, instance: String, generation: String, extras: [String], fileExtension: String,
            description: String
        ) {
            self.database = database
            self.instance = instance
            self.generation = generation
            self.extras = extras
            self.fileExtension = fileExtension
            self.description = description
        }
    }

    private let parts: Parts
    /// The time of the data in nanoseconds since the UNIX epoch; of a delta, the time after which it begins.
    package let timestamp: UInt64

    /// The configured name of the LMDB.
    package var database: String { parts.database }
    /// The instance's name; only ASCII letters, digits and `-`.
    package var instance: String { parts.instance }
    /// Starts with `G`.
    package var generation: String { parts.generation }
    /// Each is a capital letter other than G that identifies its kind, followed by its value.
    package var extras: [String] { parts.extras }
    /// The part after the first dot.
    package var fileExtension: String { parts.fileExtension }
    /// The whole name.
    package var description: String { parts.description }

    /// The generation that is written; readers accept any.
    package static let generation = "GX"
    /// The extension of a full snapshot.
    package static let fullExtension = "pb.gz"
    /// The extension of a delta.
    package static let deltaExtension = "delta"

    /// Creates a new name; normalises `instance` and sorts `extras`.
    package init(
        database: String, instance: String, timestamp: UInt64, generation: String = SnapshotName.generation,
        extras: [String] = [], fileExtension: String = SnapshotName.fullExtension
    ) {
        self.init(
            plain: Self.sanitize(instance: instance), database: database, timestamp: timestamp, generation: generation,
            extras: extras.sorted(), fileExtension: fileExtension)
    }

    /// The same for an instance's name that is normalised, and sorted `extras`.
    private init(
        plain instance: String, database: String, timestamp: UInt64, generation: String = SnapshotName.generation,
        extras: [String] = [], fileExtension: String = SnapshotName.fullExtension
    ) {
        let texts = [database, instance, SnapshotTimestamp.text(timestamp), generation] + extras
        self.timestamp = timestamp
        parts = Parts(
            database: database, instance: instance, generation: generation, extras: extras,
            fileExtension: fileExtension, description: texts.joined(separator: Self.separator) + "." + fileExtension)
    }

    /// Parses a name; nil if it is not valid.
    package init?(_ text: String) {
        var copy = text
        guard let (parts, timestamp) = copy.withUTF8({ Self.parse($0, text) }) else { return nil }
        (self.parts, self.timestamp) = (parts, timestamp)
    }

    private static func parse(_ bytes: UnsafeBufferPointer<UInt8>, _ text: String) -> (Parts, timestamp: UInt64)? {
        guard let dot = bytes.firstIndex(of: UInt8(ascii: ".")) else { return nil }
        let fields = split(bytes[..<dot])
        guard fields.count >= 4, let timestamp = SnapshotTimestamp.parse(fields[2]) else { return nil }
        let (database, instance, generation, extras) = (fields[0], fields[1], fields[3], fields[4...])
        guard !database.isEmpty, !instance.isEmpty, instance.allSatisfy(isPlain),
            generation.first == UInt8(ascii: "G"), dot + 1 < bytes.count, areValid(extras)
        else { return nil }
        func string(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> String { String(decoding: bytes, as: UTF8.self) }
        let parts = Parts(
            database: string(database), instance: string(instance), generation: string(generation),
            extras: extras.map(string), fileExtension: string(bytes[(dot + 1)...]), description: text)
        return (parts, timestamp)
    }

    /// Whether it is the name of a full snapshot.
    package var isFullSnapshot: Bool { fileExtension == Self.fullExtension }

    /// Whether it is the name of a delta. Objects that are neither this nor a full snapshot must be ignored.
    package var isDelta: Bool { fileExtension == Self.deltaExtension }

    /// A position of the same instance, in nanoseconds since the UNIX epoch: the name of the full snapshot of that instant, whether
    /// there is one or not.
    package func at(_ position: UInt64) -> SnapshotName {
        if position == timestamp, isFullSnapshot { return self }
        return SnapshotName(plain: instance, database: database, timestamp: position)
    }

    /// The form of an instance's name in object names: characters other than ASCII letters, digits and `-` become `-`.
    package static func sanitize(instance: String) -> String {
        if instance.utf8.allSatisfy(isPlain) { return instance }
        return String(
            String.UnicodeScalarView(
                instance.unicodeScalars.map { $0.isASCII && isPlain(UInt8(truncatingIfNeeded: $0.value)) ? $0 : "-" }))
    }

    /// The prefix of the names of all snapshots of a database.
    package static func prefix(database: String) -> String { database + separator }

    /// Orders by database, instance and time, then by the whole name.
    package static func < (one: SnapshotName, other: SnapshotName) -> Bool {
        if one.parts === other.parts { return false }
        if one.database != other.database { return one.database < other.database }
        if one.instance != other.instance { return one.instance < other.instance }
        if one.timestamp != other.timestamp { return one.timestamp < other.timestamp }
        return one.description < other.description
    }

    /// Two names are equal when their texts are, so that the order above is total.
    package static func == (one: SnapshotName, other: SnapshotName) -> Bool {
        one.parts === other.parts || one.timestamp == other.timestamp && one.description == other.description
    }

    /// Hashes the timestamp, which hardly two names share.
    package func hash(into hasher: inout Hasher) { hasher.combine(timestamp) }

    private static let separator = "__"

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private static func areValid(_ extras: ArraySlice<Slice<UnsafeBufferPointer<UInt8>>>) -> Bool {
        var kinds: [UInt8] = []
        for extra in extras {
            guard let kind = extra.first, kind >= UInt8(ascii: "A"), kind <= UInt8(ascii: "Z"),
                kind != UInt8(ascii: "G"), !kinds.contains(kind)
            else { return false }
            kinds.append(kind)
        }
        return true
    }

    // Splits at every "__", from the left.
    private static func split(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> [Slice<UnsafeBufferPointer<UInt8>>] {
        var fields: [Slice<UnsafeBufferPointer<UInt8>>] = []
        fields.reserveCapacity(4)
        var (start, index) = (bytes.startIndex, bytes.startIndex)
        while index < bytes.endIndex {
            if bytes[index] == UInt8(ascii: "_"), index + 1 < bytes.endIndex, bytes[index + 1] == UInt8(ascii: "_") {
                fields.append(bytes[start..<index])
                index += 2
                start = index
            } else {
                index += 1
            }
        }
        fields.append(bytes[start...])
        return fields
    }
}
