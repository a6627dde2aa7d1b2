/// Numbers and bools of YAML 1.1 in plain scalars.
enum NumberText {
    /// Decimal, `0x` hexadecimal, `0b` binary, octal with a leading `0` or `0o`; sign and `_` between digits allowed.
    static func integer(_ text: String) -> Int? {
        var digits = text.filter { $0 != "_" }
        guard digits.first != nil, text.first != "_" else { return nil }
        var sign = ""
        if let first = digits.first, first == "-" || first == "+" {
            sign = first == "-" ? "-" : ""
            digits.removeFirst()
        }
        // `Int(_:radix:)` would accept a second sign.
        guard let first = digits.first, first != "-", first != "+" else { return nil }
        for (prefix, radix) in [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8), ("0O", 8)]
        where digits.hasPrefix(prefix) {
            let rest = digits.dropFirst(2)
            return rest.first == "-" || rest.first == "+" ? nil : Int(sign + rest, radix: radix)
        }
        return Int(sign + digits, radix: digits.count > 1 && first == "0" ? 8 : 10)
    }

    /// A finite decimal number, with or without a fraction and an exponent.
    static func decimal(_ text: String) -> Double? {
        guard text.allSatisfy({ $0.isASCIIDigit || "+-.eE_".contains($0) }), text.contains(where: \.isASCIIDigit),
            text.first != "_", let number = Double(text.filter { $0 != "_" }), number.isFinite
        else { return nil }
        return number
    }

    /// The spellings of infinity and NaN.
    static func notFinite(_ text: String) -> Double? {
        switch text.first == "+" ? String(text.dropFirst()) : text {
        case ".inf", ".Inf", ".INF": .infinity
        case "-.inf", "-.Inf", "-.INF": -.infinity
        case ".nan", ".NaN", ".NAN": text.first == "+" ? nil : .nan
        default: nil
        }
    }

    /// The spellings of YAML 1.1.
    static func bool(_ text: String) -> Bool? {
        switch text {
        case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y": true
        case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N": false
        default: nil
        }
    }
}
