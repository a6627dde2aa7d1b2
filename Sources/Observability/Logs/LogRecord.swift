import Logging
import Support

/// One log event, independent of the format.
struct LogRecord {
    var time: WallTime
    var level: Logger.Level
    var message: String
    /// Sorted by key, so that equal events give equal lines.
    var fields: [(key: String, value: Logger.MetadataValue)]

    /// The database of the event: the field `db`.
    var database: String? { text(of: "db") }

    /// The text of a field, nil if it does not exist.
    func text(of key: String) -> String? { fields.first { $0.key == key }.map { Self.text($0.value) } }

    /// The text of a value; lists and dictionaries as JSON.
    static func text(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): return text
        case .stringConvertible(let value): return value.description
        case .array, .dictionary:
            var text = LogText()
            text.appendJSON(value)
            return String(decoding: text.bytes, as: UTF8.self)
        }
    }
}

extension LogText {
    /// A value as JSON: numbers and truth values are kept, everything else is text.
    mutating func appendJSON(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): appendQuoted(text)
        case .stringConvertible(let value):
            if let flag = value as? Bool {
                append(flag ? "true" : "false")
            } else if value is any BinaryInteger {
                append(value.description)
            } else if let number = value as? Double, number.isFinite {
                append(value.description)
            } else {
                appendQuoted(value.description)
            }
        case .array(let values):
            append("[")
            for (index, value) in values.enumerated() {
                if index > 0 { append(",") }
                appendJSON(value)
            }
            append("]")
        case .dictionary(let values):
            append("{")
            for (index, pair) in values.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { append(",") }
                appendQuoted(pair.key)
                append(":")
                appendJSON(pair.value)
            }
            append("}")
        }
    }
}
