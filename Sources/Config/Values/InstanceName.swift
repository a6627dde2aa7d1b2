/// Names used in object names.
package enum InstanceName {
    /// Maximum length in bytes: database, instance, time and extension must fit in one file name.
    package static let longest = 100

    /// The effective instance name: every character outside `[a-zA-Z0-9-]` becomes `-`.
    package static func sanitised(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(scalar.isASCIILetterOrDigit ? scalar : "-") }
        return String(result)
    }

    /// Parses an instance name and makes it safe; empty stays empty, which means the host name.
    package static func parse(_ text: String) throws(ValueProblem) -> String {
        let name = sanitised(text)
        guard name.utf8.count <= longest else {
            throw ValueProblem(allowed: "a name of at most \(longest) characters")
        }
        return name
    }
}

/// Names of databases under `lmdbs`.
enum DatabaseName {
    static let allowed =
        "a name of at most \(InstanceName.longest) bytes without dot, slash, backslash, `__`, control characters, or `_` at its end"

    /// Whether object names with this database can be parsed: the database's part ends at the first `__`, and the
    /// extension begins at the first dot.
    static func isUsable(_ name: String) -> Bool {
        // Bytes, because characters follow Unicode: an underscore with an accent is one character.
        let bytes = Array(name.utf8)
        let hasTwo = zip(bytes, bytes.dropFirst()).contains { $0 == UInt8(ascii: "_") && $1 == UInt8(ascii: "_") }
        return !bytes.isEmpty && bytes.count <= InstanceName.longest && bytes.last != UInt8(ascii: "_") && !hasTwo
            && !name.unicodeScalars.contains { $0 == "." || $0 == "/" || $0 == "\\" || $0.isControl }
    }
}
