/// The name of a snapshot in a bucket.
///
/// `{db}__{instance}__{timestamp}__{generation}[__{extra}…].{extension}`, for example
/// `main__ns1__20261120-173955-012345678__GX.pb.gz`. The format is shared with every other program that
/// uses the bucket. Names sort by database, instance and time.
package struct SnapshotName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The configured name of the LMDB.
    package let database: String
    /// The instance's name; only ASCII letters, digits and `-`.
    package let instance: String
    /// Nanoseconds since the UNIX epoch.
    package let timestamp: UInt64
    /// Starts with `G`.
    package let generation: String
    /// Each a capital letter other than G that names its kind, with its value.
    package let extras: [String]
    /// What follows the first dot.
    package let fileExtension: String
    /// The name as it was parsed, or as it is written.
    package let description: String

    /// The generation that is written; readers take any.
    package static let generation = "GX"
    /// The extension of a full snapshot.
    package static let fullExtension = "pb.gz"

    /// The name for a new snapshot; `instance` and the order of `extras` are put right.
    package init(
        database: String, instance: String, timestamp: UInt64, generation: String = SnapshotName.generation,
        extras: [String] = [], fileExtension: String = SnapshotName.fullExtension
    ) {
        self.database = database
        self.instance = Self.sanitize(instance: instance)
        self.timestamp = timestamp
        self.generation = generation
        self.extras = extras.sorted()
        self.fileExtension = fileExtension
        let parts = [database, self.instance, SnapshotTimestamp.text(timestamp), generation] + self.extras
        description = parts.joined(separator: Self.separator) + "." + fileExtension
    }

    /// Parses a name; nil when it is none.
    package init?(_ text: String) {
        guard let dot = text.utf8.firstIndex(of: UInt8(ascii: ".")) else { return nil }
        let parts = Self.split(text[..<dot])
        guard parts.count >= 4, let timestamp = SnapshotTimestamp.parse(parts[2]) else { return nil }
        database = String(parts[0])
        instance = String(parts[1])
        self.timestamp = timestamp
        generation = String(parts[3])
        extras = parts[4...].map { String($0) }
        fileExtension = String(text[text.utf8.index(after: dot)...])
        description = text
        guard !database.isEmpty, !instance.isEmpty, instance.utf8.allSatisfy(Self.isPlain),
            generation.utf8.first == UInt8(ascii: "G"), !fileExtension.isEmpty, Self.areValid(extras)
        else { return nil }
    }

    /// Whether it names a snapshot of a whole database. Objects of any other kind must be left alone.
    package var isFullSnapshot: Bool { fileExtension == Self.fullExtension }

    /// What an instance is called in names: every character that is not an ASCII letter, digit or `-` is a `-`.
    package static func sanitize(instance: String) -> String {
        String(
            String.UnicodeScalarView(
                instance.unicodeScalars.map { $0.isASCII && isPlain(UInt8(truncatingIfNeeded: $0.value)) ? $0 : "-" }))
    }

    /// How the names of all snapshots of a database start.
    package static func prefix(database: String) -> String { database + separator }

    /// By database, instance and time, then by the whole name.
    package static func < (one: SnapshotName, other: SnapshotName) -> Bool {
        if one.database != other.database { return one.database < other.database }
        if one.instance != other.instance { return one.instance < other.instance }
        if one.timestamp != other.timestamp { return one.timestamp < other.timestamp }
        return one.description < other.description
    }

    /// Two names are equal when their texts are, so that the order above is total.
    package static func == (one: SnapshotName, other: SnapshotName) -> Bool { one.description == other.description }

    /// Hashes the whole name.
    package func hash(into hasher: inout Hasher) { hasher.combine(description) }

    private static let separator = "__"

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private static func areValid(_ extras: [String]) -> Bool {
        var kinds: Set<UInt8> = []
        for extra in extras {
            guard let kind = extra.utf8.first, kind >= UInt8(ascii: "A"), kind <= UInt8(ascii: "Z"),
                kind != UInt8(ascii: "G"), kinds.insert(kind).inserted
            else { return false }
        }
        return true
    }

    // Splits at every "__", from the left.
    private static func split(_ text: Substring) -> [Substring] {
        var parts: [Substring] = []
        let bytes = text.utf8
        var start = bytes.startIndex
        var index = start
        while index < bytes.endIndex {
            let next = bytes.index(after: index)
            if bytes[index] == UInt8(ascii: "_"), next < bytes.endIndex, bytes[next] == UInt8(ascii: "_") {
                parts.append(text[start..<index])
                index = bytes.index(after: next)
                start = index
            } else {
                index = next
            }
        }
        parts.append(text[start...])
        return parts
    }
}
