import FoundationEssentials
import Support

/// Reads what an S3 server announces over a connection: a JSON object a line. Pure.
struct NotificationReader: Sendable {
    /// What a line says.
    enum Item: Sendable, Equatable {
        /// An object was stored.
        case stored(key: String, version: String?)
        /// The connection lives: a ping, or the removal of an object.
        case alive
        /// The line cannot be read: something may have been lost.
        case unreadable
    }

    /// The answer is not one that announces changes.
    struct NotAnnounced: Error, Equatable {
        /// What came instead.
        var found: String
    }

    /// Longer lines are skipped.
    static let longestLine = 256 << 10
    /// After this many unreadable lines the server does not announce anything that we understand.
    static let mostUnreadable = 100

    private var line: [UInt8] = []
    private var isSkipping = false
    private var hasBegun = false
    private var unreadable = 0

    /// Takes a part of the answer.
    ///
    /// - Returns: what its complete lines say.
    mutating func take(_ bytes: UnsafeRawBufferPointer) throws(NotAnnounced) -> [Item] {
        if !hasBegun, let first = bytes.first(where: { !Self.isBlank($0) }) {
            hasBegun = true
            guard first == UInt8(ascii: "{") else {
                throw NotAnnounced(found: first == UInt8(ascii: "<") ? "a listing" : "another answer")
            }
        }
        var items: [Item] = []
        // A server keeps a connection alive with blanks, too.
        if !bytes.isEmpty, bytes.allSatisfy(Self.isBlank), line.isEmpty { items.append(.alive) }
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            add(rest[rest.startIndex..<end])
            rest = rest[(end + 1)...]
            if isSkipping || line.contains(where: { !Self.isBlank($0) }) { items += read() }
            (line, isSkipping) = ([], false)
        }
        add(rest)
        guard unreadable <= Self.mostUnreadable else { throw NotAnnounced(found: "lines of another kind") }
        return items
    }

    private static func isBlank(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0a, 0x0d].contains(byte) }

    private mutating func add(_ bytes: Slice<UnsafeRawBufferPointer>) {
        guard !isSkipping else { return }
        let bytes = line.isEmpty ? bytes.drop(while: Self.isBlank) : bytes
        if line.count + bytes.count > Self.longestLine { (line, isSkipping) = ([], true) } else { line += bytes }
    }

    private mutating func read() -> [Item] {
        guard !isSkipping, let parsed = try? JSONDecoder().decode(Line.self, from: Data(line)) else {
            unreadable += 1
            return [.unreadable]
        }
        let records = parsed.records ?? []
        guard !records.isEmpty else { return [.alive] }
        return records.map { record in
            guard record.eventName?.contains("ObjectRemoved") != true else { return .alive }
            guard let object = record.s3?.object, let key = object.key, !key.isEmpty else { return .unreadable }
            let version = object.eTag.map(withoutQuotes)
            return .stored(key: key, version: version?.isEmpty == false ? version : nil)
        }
    }

    // The names of the format.
    private struct Line: Decodable {
        var records: [Record]?
        private enum CodingKeys: String, CodingKey { case records = "Records" }
    }
    private struct Record: Decodable {
        var eventName: String?
        var s3: Place?
    }
    private struct Place: Decodable { var object: Object? }
    private struct Object: Decodable { var key, eTag: String? }
}

extension NotificationReader {
    /// The names that a key may mean below a prefix: some servers encode it as in a URL, others do not.
    static func names(_ key: String, below prefix: String) -> [String] {
        var keys = [key]
        if let decoded = percentDecoded(key), decoded != key { keys.append(decoded) }
        return keys.filter { $0.startsBytewise(with: prefix) }.compactMap {
            String(Substring($0.utf8.dropFirst(prefix.utf8.count)))
        }
    }
}
