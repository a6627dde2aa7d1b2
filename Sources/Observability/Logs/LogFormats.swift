import Logging

extension LogFormat {
    /// The bytes of a line, including its newline.
    func line(_ record: LogRecord, _ settings: LogSettings) -> [UInt8] {
        var text = LogText()
        switch self {
        case .human: text.appendHuman(record, settings)
        case .logfmt: text.appendLogfmt(record, settings)
        case .json: text.appendJSON(record, settings)
        }
        text.append("\n")
        return text.bytes
    }
}

// MARK: human

extension LogText {
    // Fields start in one column if messages are shorter than this.
    private static var messageWidth: Int { 40 }

    /// `02:44:26.123 WARN  [main ] message        key=value key=value`
    fileprivate mutating func appendHuman(_ record: LogRecord, _ settings: LogSettings) {
        switch settings.timestamp {
        case .disable: break
        case .short where settings.isOnTerminal: appendDim(record.time.timeOfDay(digits: 3) + " ", settings)
        case .short, .full: appendDim(record.time.rfc3339(digits: 3) + " ", settings)
        }
        appendColoured(record.level.humanName, record.level.colour, settings)
        appendBlanks(6 - record.level.humanName.count)
        appendDatabase(record.database, width: settings.databaseWidth)
        appendPlain(record.message)
        let fields = record.fields.filter { $0.key != "db" && !($0.key == "instance" && settings.isOnTerminal) }
        if !fields.isEmpty { appendBlanks(Self.messageWidth - record.message.count) }
        for field in fields {
            append(" ")
            var key = LogText()
            key.appendPairKey(field.key)
            appendDim(String(decoding: key.bytes, as: UTF8.self) + "=", settings)
            appendPairValue(LogRecord.text(field.value))
        }
    }

    // Lines without a database leave the column empty.
    private mutating func appendDatabase(_ name: String?, width: Int) {
        guard let name else { return appendBlanks(width > 0 ? width + 3 : 0) }
        append("[")
        appendPlain(name)
        appendBlanks(width - name.count)
        append("] ")
    }

    private mutating func appendColoured(_ text: String, _ colour: String, _ settings: LogSettings) {
        if settings.usesColour { append("\u{1b}[\(colour)m\(text)\u{1b}[0m") } else { append(text) }
    }

    private mutating func appendDim(_ text: String, _ settings: LogSettings) {
        appendColoured(text, "2", settings)
    }
}

extension Logger.Level {
    /// The level in the human format, at most five characters.
    fileprivate var humanName: String {
        switch self {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info: "INFO"
        case .notice: "NOTE"
        case .warning: "WARN"
        case .error: "ERROR"
        case .critical: "FATAL"
        }
    }

    /// The parameter of the ANSI escape sequence for the level.
    fileprivate var colour: String {
        switch self {
        case .trace, .debug: "2"
        case .info: "36"
        case .notice: "32"
        case .warning: "33"
        case .error: "31"
        case .critical: "1;31"
        }
    }
}

// MARK: logfmt and json

extension LogText {
    fileprivate mutating func appendLogfmt(_ record: LogRecord, _ settings: LogSettings) {
        if let time = record.timestamp(settings.timestamp) { append("time=\(time) ") }
        append("level=\(record.level.logName) msg=")
        appendPairValue(record.message)
        for field in record.fields {
            append(" ")
            appendPairKey(LogRecord.fieldName(field.key))
            append("=")
            appendPairValue(LogRecord.text(field.value))
        }
    }

    fileprivate mutating func appendJSON(_ record: LogRecord, _ settings: LogSettings) {
        append("{")
        if let time = record.timestamp(settings.timestamp) { append("\"time\":\"\(time)\",") }
        append("\"level\":\"\(record.level.logName)\",\"msg\":")
        appendQuoted(record.message)
        for field in record.fields {
            append(",")
            appendQuoted(LogRecord.fieldName(field.key))
            append(":")
            appendJSON(field.value)
        }
        append("}")
    }
}

extension LogRecord {
    fileprivate func timestamp(_ style: LogTimestamp) -> String? {
        switch style {
        case .disable: nil
        case .short: time.rfc3339(digits: 3)
        case .full: time.rfc3339(digits: 9)
        }
    }

    /// Avoids conflicts with the three fields of every line.
    fileprivate static func fieldName(_ key: String) -> String {
        ["time", "level", "msg"].contains(key) ? "fields.\(key)" : key
    }
}
