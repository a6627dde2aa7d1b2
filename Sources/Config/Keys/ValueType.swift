/// A scalar after environment expansion, ready for conversion.
struct ScalarText {
    var text: String
    /// Quoted, a block, or tagged `!!str`, and without a reference to the environment: neither a number nor a bool.
    /// In "${COUNT}" the quotes are for the dollar, not for the number.
    var isText: Bool
}

/// Parsing, description and output of one kind of values.
struct ValueType<Value: Sendable & Equatable>: Sendable {
    /// For the reference: `duration`.
    var name: String
    /// For the reference: `>= 100ms`, or empty.
    var range = ""
    var parse: @Sendable (ScalarText) throws(ValueProblem) -> Value
    /// As YAML that parses to the same value, or nil if there is nothing to write.
    var render: @Sendable (Value) -> String?
    /// For an unusual value that is accepted: its replacement, and a remark for a warning.
    var replacement: @Sendable (Value) -> (value: Value, remark: ValueRemark)? = { _ in nil }
    /// Whether an invalid text may contain a secret, and is not shown.
    var conceals: @Sendable (String) -> Bool = { _ in false }
}

extension ValueType {
    /// The same type with a different range in the reference.
    func ranged(_ range: String) -> ValueType {
        var type = self
        type.range = range
        return type
    }
}

extension ValueType where Value == String {
    /// Any scalar, verbatim. One line, because a line break in a key or path is a mistake.
    static let text = ValueType(
        name: "string", parse: { scalar throws(ValueProblem) in try line(scalar) }, render: quoted)

    /// The name of a file with identities. An identity in its place is not shown.
    static let identityFile = ValueType(
        name: text.name,
        parse: { scalar throws(ValueProblem) in
            guard !holdsIdentity(scalar.text) else {
                throw ValueProblem(
                    allowed: "the name of a file: an identity stands in its place, put it into a file of mode 0600")
            }
            return try line(scalar)
        }, render: { holdsIdentity($0) ? EffectiveWriter.mask : quoted($0) }, conceals: holdsIdentity)

    @Sendable private static func holdsIdentity(_ text: String) -> Bool {
        text.lowercased().contains("age-secret-key-")
    }

    /// Text that may have several lines, such as a certificate.
    static let pem = ValueType(
        name: "PEM text",
        parse: { scalar throws(ValueProblem) in
            guard !scalar.text.utf8.contains(0) else { throw ValueProblem(allowed: "a text without NUL characters") }
            return scalar.text
        }, render: quoted)

    static let instanceName = ValueType(
        name: "string", parse: { scalar throws(ValueProblem) in try InstanceName.parse(scalar.text) }, render: quoted)

    /// Empty means the service's own endpoint.
    static func endpointURL(of service: EndpointURL.Service) -> ValueType {
        ValueType(
            name: "URL",
            parse: { scalar throws(ValueProblem) in
                if !scalar.text.isEmpty { try EndpointURL.check(scalar.text, of: service) }
                return scalar.text
            }, render: quoted, conceals: EndpointURL.holdsCredentials)
    }

    private static func line(_ scalar: ScalarText) throws(ValueProblem) -> String {
        guard !scalar.text.unicodeScalars.contains(where: \.isControl) else {
            throw ValueProblem(
                allowed: "a text of one line", .severalLines)
        }
        return scalar.text
    }

    @Sendable private static func quoted(_ text: String) -> String? { EffectiveWriter.quoted(text) }
}

extension ValueType where Value == Bool {
    static let bool = ValueType(
        name: "bool",
        parse: { scalar throws(ValueProblem) in
            guard !scalar.isText, let value = NumberText.bool(scalar.text) else {
                throw ValueProblem(allowed: "true or false", unquote(scalar, NumberText.bool))
            }
            return value
        }, render: { $0 ? "true" : "false" })
}

extension ValueType where Value == Int {
    /// An integer of at least `least`. Values above `most` become `most`; with `zero`, 0 means that value.
    static func count(atLeast least: Int, upTo most: Int = .max, zero: Int? = nil) -> ValueType {
        let allowed = "a whole number" + (least > .min ? " of at least \(least)" : "")
        return ValueType(
            name: "int", range: ">= \(least)",
            parse: { scalar throws(ValueProblem) in
                guard !scalar.isText, let value = whole(scalar.text), value >= least else {
                    throw ValueProblem(allowed: allowed, unquote(scalar, whole))
                }
                return value == 0 ? zero ?? 0 : value
            }, render: { "\($0)" }, replacement: { $0 > most ? (most, .tooLarge(taken: "\(most)")) : nil })
    }

    /// An integer that release 1.0 also accepts if negative, and as `zero` if 0.
    static func count(zero: Int, negative: Int, upTo most: Int) -> ValueType {
        var type = count(atLeast: .min, upTo: most, zero: zero)
        let tooMany = type.replacement
        type.range = ""
        type.replacement = { $0 < 0 ? (negative, .negative(taken: "\(negative)")) : tooMany($0) }
        return type
    }

    /// `1e2` is an integer, too.
    private static func whole(_ text: String) -> Int? {
        NumberText.integer(text) ?? NumberText.decimal(text).flatMap { Int(exactly: $0) }
    }
}

extension ValueType where Value == Double {
    /// Any number, including infinite ones and NaN: the check depends on whether it is used.
    static let days = ValueType(
        name: "float", range: "> 0",
        parse: { scalar throws(ValueProblem) in
            guard !scalar.isText, let value = number(scalar.text) ?? NumberText.notFinite(scalar.text) else {
                throw ValueProblem(allowed: "a number of days greater than 0", unquote(scalar, number))
            }
            return value
        }, render: { $0 == $0.rounded() && abs($0) < 1e15 ? "\(Int($0))" : "\($0)" })

    static let percent = ValueType(
        name: "percent", range: "0 to 100",
        parse: { scalar throws(ValueProblem) in
            guard !scalar.isText, let value = number(scalar.text), (0...100).contains(value) else {
                throw ValueProblem(
                    allowed: "a percentage from 0 to 100, without a percent sign", unquote(scalar, number))
            }
            return value
        }, render: { $0 == $0.rounded() ? "\(Int($0))" : "\($0)" })

    private static func number(_ text: String) -> Double? {
        NumberText.integer(text).map(Double.init) ?? NumberText.decimal(text)
    }
}

extension ValueType where Value == Duration {
    /// Any duration; a negative one, which release 1.0 accepts, becomes 0.
    static let duration: ValueType = {
        var type = anyDuration
        type.replacement = { $0 < .zero ? (.zero, .negative(taken: "0")) : nil }
        return type
    }()

    /// Any duration, even a negative one: for keys with checks of their own.
    static let anyDuration = ValueType(
        name: "duration",
        parse: { scalar throws(ValueProblem) in try parse(scalar, allowed: DurationText.allowed) },
        render: DurationText.format)

    /// A duration of at least this; with `zeroIsOff` also 0.
    static func duration(atLeast least: Duration, zeroIsOff: Bool = false) -> ValueType {
        let range = (zeroIsOff ? "0 or " : "") + ">= \(DurationText.format(least))"
        let minimum = "at least \(DurationText.format(least))\(zeroIsOff ? ", or 0 for off" : "")"
        let allowed = "a duration of \(minimum), with its unit, such as 250ms, 10s or 1h30m"
        return ValueType(
            name: "duration", range: range,
            parse: { scalar throws(ValueProblem) in
                let value = try parse(scalar, allowed: allowed)
                guard value >= least || (zeroIsOff && value == .zero) else { throw ValueProblem(allowed: allowed) }
                return value
            }, render: DurationText.format)
    }

    /// A duration for which release 1.0 treats 0 as the default, and, with `negativeIsNone`, a negative value as no limit,
    /// which is 0 in the model.
    static func duration(zeroIs value: Duration, negativeIsNone: Bool = false) -> ValueType {
        let usual = DurationText.format(value)
        var type = anyDuration
        let parseAny = type.parse
        type.parse = { scalar throws(ValueProblem) in
            let parsed = try parseAny(scalar)
            return parsed == .zero ? value : parsed
        }
        // The written 0 is taken, so no limit is written as a negative value.
        type.render = { $0 == .zero ? "-1s" : DurationText.format($0) }
        type.replacement = { parsed in
            guard parsed < .zero else { return nil }
            return negativeIsNone ? (.zero, .negative(taken: "no limit")) : (value, .negative(taken: usual))
        }
        return type
    }

    private static func parse(_ scalar: ScalarText, allowed: String) throws(ValueProblem) -> Duration {
        do throws(ValueProblem) {
            return try DurationText.parse(scalar.text)
        } catch {
            throw ValueProblem(allowed: allowed, error.hint)
        }
    }
}

extension ValueType where Value == Duration? {
    /// A duration of at least this, or `auto`, which is nil.
    static func durationOrAutomatic(atLeast least: Duration) -> ValueType {
        let minimum = DurationText.format(least)
        let allowed = "a duration of at least \(minimum), with its unit, such as 10s or 1h30m, or auto"
        return ValueType(
            name: "duration", range: "auto or >= \(minimum)",
            parse: { scalar throws(ValueProblem) in
                guard scalar.text != automatic else { return nil }
                do throws(ValueProblem) {
                    let value = try DurationText.parse(scalar.text)
                    if value >= least { return value }
                } catch {
                    throw ValueProblem(allowed: allowed, error.hint)
                }
                throw ValueProblem(allowed: allowed)
            }, render: { $0.map(DurationText.format) ?? automatic })
    }

    private static var automatic: String { "auto" }
}

extension ValueType where Value == UInt64 {
    /// The limit of 47 bits of address space.
    private static let largest: UInt64 = 1 << 47
    /// The part of it for one of several maps.
    private static let largestUsed: UInt64 = 1 << 44

    static let size = ValueType(
        name: "size", parse: { scalar throws(ValueProblem) in try SizeText.parse(scalar.text) },
        render: SizeText.format,
        replacement: { value in
            guard value > largest else { return nil }
            return (largestUsed, .tooLarge(taken: SizeText.format(largestUsed)))
        })
}

extension ValueType where Value == UInt16 {
    static let fileMode = ValueType(
        name: "mode", range: "<= 0777",
        parse: { scalar throws(ValueProblem) in
            let allowed = "a file mode from 0 to 0777, in octal such as 0664"
            guard let value = NumberText.integer(scalar.text), value >= 0 else { throw ValueProblem(allowed: allowed) }
            guard let mode = UInt16(exactly: value), mode <= 0o777 else {
                let isDecimal = scalar.text.first != "0" && scalar.text.allSatisfy(\.isASCIIDigit)
                throw ValueProblem(allowed: allowed, isDecimal ? .decimalMode(scalar.text) : nil)
            }
            return mode
        },
        render: { mode in
            let digits = String(mode, radix: 8)
            return String(repeating: "0", count: max(1, 4 - digits.count)) + digits
        })
}

extension ValueType where Value == DatabaseFlags? {
    static let flags = ValueType(
        name: "flags", parse: { scalar throws(ValueProblem) in try DatabaseFlags.parse(scalar.text) },
        render: { $0.map { EffectiveWriter.quoted($0.text) } })
}

extension ValueType where Value == ListenAddress? {
    static let listenAddress = ValueType(
        name: "host:port",
        parse: { scalar throws(ValueProblem) in scalar.text.isEmpty ? nil : try ListenAddress(scalar.text) },
        render: { EffectiveWriter.quoted($0?.description ?? "") })
}

extension ValueType where Value == PeerURL? {
    static let peerURL = ValueType(
        name: "URL", parse: { scalar throws(ValueProblem) in scalar.text.isEmpty ? nil : try PeerURL(scalar.text) },
        render: { EffectiveWriter.quoted($0?.description ?? "") }, conceals: EndpointURL.holdsCredentials)
}

extension ValueType where Value == [String] {
    /// Host names, separated by commas or blanks.
    static let hostNames = ValueType(
        name: "host names",
        parse: { scalar throws(ValueProblem) in
            let names = scalar.text.split { $0 == "," || $0 == " " }.map { $0.lowercased() }
            for name in names {
                let isName = name.unicodeScalars.allSatisfy {
                    $0.isASCIILetterOrDigit || "-._".unicodeScalars.contains($0)
                }
                guard isName else {
                    throw ValueProblem(
                        allowed: "host names separated by commas, such as ns1.example.org, status.example.org",
                        .withPorts)
                }
            }
            return names
        }, render: { EffectiveWriter.quoted($0.joined(separator: ", ")) })
}

extension ValueType where Value == LogLevel {
    static let logLevel = ValueType(
        name: "string", range: LogLevel.allowed,
        parse: { scalar throws(ValueProblem) in try LogLevel.parse(scalar.text) }, render: \.rawValue)
}

extension ValueType where Value == StorageType? {
    /// Set by the file only; there is no default storage.
    static let storageType = ValueType(
        name: "string", range: StorageType.offered,
        parse: { scalar throws(ValueProblem) in
            guard let type = StorageType(rawValue: scalar.text) else {
                throw ValueProblem(allowed: StorageType.offered)
            }
            return type
        }, render: { $0?.rawValue })
}

extension ValueType where Value == LogTimestamp {
    /// Empty means the default, as in release 1.0.
    static let logTimestamp = ValueType(
        name: "string", range: allowedChoices(LogTimestamp.self),
        parse: { scalar throws(ValueProblem) in try scalar.text.isEmpty ? .short : .parse(scalar.text) },
        render: \.rawValue)
}

extension ValueType where Value: CaseIterable & RawRepresentable<String> {
    static var choice: ValueType {
        ValueType(
            name: "string", range: allowedChoices(Value.self),
            parse: { scalar throws(ValueProblem) in try parseChoice(scalar.text) }, render: \.rawValue)
    }
}

/// The hint for a number or bool in quotes.
private func unquote<Value>(_ scalar: ScalarText, _ read: (String) -> Value?) -> ValueHint? {
    scalar.isText && read(scalar.text) != nil ? .quoted : nil
}
