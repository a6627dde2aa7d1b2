import FoundationEssentials
import Support

/// The program's JSON: names in snake case, sorted, so that equal contents are equal bytes, and
/// without characters that control a terminal.
package enum JSON {
    /// Encodes a value.
    ///
    /// - Parameter pretty: whether to indent the text.
    package static func encode(_ value: some Encodable, pretty: Bool = false) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting =
            pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        return PrintableText.json(Array(try encoder.encode(value)))
    }

    /// Decodes a value.
    ///
    /// - Throws: `DecodingError` if the text does not describe such a value.
    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(bytes))
    }
}
