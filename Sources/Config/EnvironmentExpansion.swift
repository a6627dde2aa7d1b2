/// Replaces references to environment variables in a scalar.
///
/// Forms: `$NAME`, `${NAME}`, `${NAME:-default}` (also for an empty variable), `${NAME:?message}` (an error with this
/// text if unset or empty), `$$` for a dollar. A default may contain references. A dollar before a character that
/// cannot begin a name stays a dollar; before a digit or one of `*#@!?-` it is an error, because release 1.0 replaced
/// those by nothing.
struct EnvironmentExpansion {
    static let deepestNesting = 16
    static let longestResult = 1 << 20

    /// The text with all references replaced.
    private(set) var result = ""
    /// Whether there was any reference.
    private(set) var isExpanded = false
    /// The problems, one per reference.
    private(set) var problems: [ReferenceFault] = []

    private let environment: [String: String]
    private let isSecret: Bool
    /// Whether the text is exactly one reference in braces.
    private let isOneReference: Bool
    /// The length of the text in bytes.
    private let length: Int

    /// Expands `text`. For a secret, a problem names only a variable in braces that is the whole value.
    init(_ text: String, environment: [String: String], isSecret: Bool) {
        self.environment = environment
        self.isSecret = isSecret
        let whole = Array(text.utf8)
        length = whole.count
        isOneReference =
            whole.starts(with: "${".utf8) && Self.closingBrace(whole[2...]) == whole.count - 1
        var output: [UInt8] = []
        expand(whole[...], into: &output, depth: 0)
        result = String(decoding: output, as: UTF8.self)
    }

    private mutating func expand(_ text: ArraySlice<UInt8>, into output: inout [UInt8], depth: Int) {
        guard depth <= Self.deepestNesting else {
            problems.append(.tooDeep(limit: Self.deepestNesting))
            return
        }
        var rest = text
        while let dollar = rest.firstIndex(of: UInt8(ascii: "$")) {
            output += rest[..<dollar]
            rest = rest[(dollar + 1)...]
            switch rest.first {
            case UInt8(ascii: "$"):
                output.append(UInt8(ascii: "$"))
                rest = rest.dropFirst()
            case UInt8(ascii: "{"):
                guard let end = Self.closingBrace(rest.dropFirst()) else {
                    problems.append(.noEnd)
                    return
                }
                braced(rest[(rest.startIndex + 1)..<end], into: &output, depth: depth)
                rest = rest[(end + 1)...]
            case .some(let byte) where byte.startsName:
                let name = rest.prefix { $0.continuesName }
                rest = rest.dropFirst(name.count)
                isExpanded = true
                append(lookUp(name) ?? "", to: &output)
                if lookUp(name) == nil { unset(name, isBraced: false) }
            case .some(let byte) where byte.continuesName || Self.specialNames.contains(byte):
                problems.append(.oddName)
                return
            default:
                output.append(UInt8(ascii: "$"))
            }
        }
        output += rest
    }

    /// The text between `${` and `}`.
    private mutating func braced(_ text: ArraySlice<UInt8>, into output: inout [UInt8], depth: Int) {
        let name = text.prefix { $0.continuesName }
        let operation = text.dropFirst(name.count)
        let argument = operation.dropFirst(2)
        guard let first = name.first, first.startsName else {
            problems.append(.noName)
            return
        }
        isExpanded = true
        let value = lookUp(name)
        if operation.isEmpty {
            append(value ?? "", to: &output)
            if value == nil { unset(name, isBraced: true) }
        } else if operation.starts(with: ":-".utf8) {
            if let value, !value.isEmpty {
                append(value, to: &output)
            } else {
                expand(argument, into: &output, depth: depth + 1)
            }
        } else if operation.starts(with: ":?".utf8) {
            if let value, !value.isEmpty { return append(value, to: &output) }
            let message = Display.oneLine(String(decoding: argument, as: UTF8.self))
            problems.append(.required(shown(name, isBraced: true), message: message))
        } else {
            problems.append(.invalid(shown(name, isBraced: true)))
        }
    }

    private mutating func unset(_ name: ArraySlice<UInt8>, isBraced: Bool) {
        // In braces, or as the whole value, a reference is certainly meant.
        let isReference = isBraced ? !isSecret || isOneReference : !isSecret && isWhole(name)
        problems.append(.unset(shown(name, isBraced: isBraced), isReference: isReference))
    }

    private mutating func append(_ value: String, to output: inout [UInt8]) {
        guard output.count + value.utf8.count <= Self.longestResult else {
            problems.append(.tooLong(limit: Self.longestResult))
            return
        }
        output += value.utf8
    }

    private func lookUp(_ name: ArraySlice<UInt8>) -> String? { environment[String(decoding: name, as: UTF8.self)] }

    /// In a password, text that looks like a variable may be part of the password: it is named only if that is impossible.
    private func isNamed(isBraced: Bool) -> Bool {
        !isSecret || (isBraced && isOneReference)
    }

    private func shown(_ name: ArraySlice<UInt8>, isBraced: Bool) -> String? {
        isNamed(isBraced: isBraced) ? String(decoding: name, as: UTF8.self) : nil
    }

    /// Whether the text is only a dollar and this name.
    private func isWhole(_ name: ArraySlice<UInt8>) -> Bool { name.count + 1 == length }

    private static let specialNames = Array("*#@!?-".utf8)

    /// Index of the `}` that ends the reference whose inside starts with `text`.
    static func closingBrace(_ text: ArraySlice<UInt8>) -> Int? {
        var depth = 0
        var index = text.startIndex
        while index < text.endIndex {
            let next = index + 1 < text.endIndex ? text[index + 1] : 0
            switch text[index] {
            case UInt8(ascii: "$") where next == UInt8(ascii: "$"): index += 1
            case UInt8(ascii: "$") where next == UInt8(ascii: "{"):
                depth += 1
                index += 1
            case UInt8(ascii: "}"):
                if depth == 0 { return index }
                depth -= 1
            default: break
            }
            index += 1
        }
        return nil
    }
}

extension UInt8 {
    fileprivate var startsName: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
        default: false
        }
    }

    fileprivate var continuesName: Bool { startsName || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}
