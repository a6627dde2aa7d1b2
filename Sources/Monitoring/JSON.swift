import FoundationEssentials
import Support

/// The JSON that this program writes and reads: names in snake case, sorted, so that equal contents are equal bytes, and
/// with nothing in it that a terminal might act on.
package enum JSON {
    /// The text of a value.
    ///
    /// - Parameter pretty: whether it is laid out for people.
    package static func encode(_ value: some Encodable, pretty: Bool = false) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting =
            pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        return PrintableText.json(Array(try encoder.encode(value)))
    }

    /// The value that a text describes.
    ///
    /// - Throws: `DecodingError` when it describes no such value.
    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(bytes))
    }
}
