import CYAML

/// One event of libyaml's parser, copied from C memory.
struct YAMLEvent {
    enum Kind {
        case streamStart
        case streamEnd
        case documentStart
        case documentEnd
        case alias(String)
        case scalar(text: String, style: YAMLScalar.Style, tag: String?, anchor: String?)
        case sequenceStart(tag: String?, anchor: String?)
        case sequenceEnd
        case mappingStart(tag: String?, anchor: String?)
        case mappingEnd
    }

    var kind: Kind
    var position: Position
}

/// The sequence of libyaml's events of a text, which must be valid UTF-8.
final class YAMLEventReader {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>
    private let bytes: [UInt8]

    /// Throws only if memory is exhausted.
    init(_ bytes: [UInt8]) throws(YAMLProblem) {
        self.bytes = bytes
        // libyaml keeps the pointer to its input, so the text is copied for the lifetime of the parser.
        input = .allocate(capacity: bytes.count)
        _ = input.initialize(from: bytes)
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        guard yaml_parser_initialize(parser) == 1 else {
            throw YAMLProblem(position: .start, fault: .noMemory)
        }
        yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next event. Must not be called after an error or the end of the stream.
    func next() throws(YAMLProblem) -> YAMLEvent {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxProblem() }
        defer { yaml_event_delete(&event) }
        return YAMLEvent(kind: kind(of: event), position: Position(event.start_mark))
    }

    private func kind(of event: yaml_event_t) -> YAMLEvent.Kind {
        switch event.type {
        case YAML_STREAM_START_EVENT: return .streamStart
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_ALIAS_EVENT: return .alias(text(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let value = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            return .scalar(
                text: String(decoding: value, as: UTF8.self), style: style(scalar.style), tag: text(scalar.tag),
                anchor: text(scalar.anchor))
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return .sequenceStart(tag: text(start.tag), anchor: text(start.anchor))
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return .mappingStart(tag: text(start.tag), anchor: text(start.anchor))
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        // libyaml has no other events; YAML_NO_EVENT only follows the end.
        default: return .streamEnd
        }
    }

    private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }

    private func style(_ style: yaml_scalar_style_t) -> YAMLScalar.Style {
        switch style {
        case YAML_SINGLE_QUOTED_SCALAR_STYLE: .singleQuoted
        case YAML_DOUBLE_QUOTED_SCALAR_STYLE: .doubleQuoted
        case YAML_LITERAL_SCALAR_STYLE, YAML_FOLDED_SCALAR_STYLE: .block
        default: .plain
        }
    }

    /// libyaml's error. Its texts are constant: they never contain a part of the file, which may be secret.
    private func syntaxProblem() -> YAMLProblem {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "out of memory while reading YAML"
        guard parser.pointee.error != YAML_READER_ERROR else {
            let position = Position(offset: parser.pointee.problem_offset, in: bytes)
            return YAMLProblem(position: position, fault: .syntax(problem, context: "", nil))
        }
        let position = Position(parser.pointee.problem_mark)
        var reading = ""
        if let context = parser.pointee.context {
            let start = Position(parser.pointee.context_mark)
            reading = "\(String(cString: context)) at \(start.line):\(start.column)"
        }
        let hint: YAMLFault.Hint? =
            switch byte(at: position) {
            case UInt8(ascii: "\t"): .tab
            case UInt8(ascii: "@"), UInt8(ascii: "`"), UInt8(ascii: "%"): .quotes
            default: nil
            }
        return YAMLProblem(position: position, fault: .syntax(problem, context: reading, hint))
    }

    /// The byte at a position, if everything before it on its line is ASCII; used for hints only.
    private func byte(at position: Position) -> UInt8? {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard position.line <= lines.count, position.column <= lines[position.line - 1].count else { return nil }
        return lines[position.line - 1].dropFirst(position.column - 1).first
    }
}

extension Position {
    fileprivate init(_ mark: yaml_mark_t) {
        self.init(line: Int(clamping: mark.line) &+ 1, column: Int(clamping: mark.column) &+ 1)
    }

    /// The position of the byte at `offset`.
    init(offset: Int, in bytes: [UInt8]) {
        let before = bytes.prefix(max(0, offset))
        let line = before.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // Continuation bytes of UTF-8 do not start a column.
        let column = (line.last ?? []).count { $0 & 0xc0 != 0x80 }
        self.init(line: max(1, line.count), column: column + 1)
    }
}
