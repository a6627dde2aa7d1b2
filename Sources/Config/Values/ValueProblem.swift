/// The reason why a text is not valid for a type. Parsers of possible secrets include nothing of the text.
package struct ValueProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The allowed values, such as `a duration of at least 100ms`.
    package var allowed: String
    /// The reason, if it is not obvious.
    package var hint: ValueHint?

    init(allowed: String, _ hint: ValueHint? = nil) {
        self.allowed = allowed
        self.hint = hint
    }

    /// For a message about a flag: `expected …`.
    package var description: String { "expected \(allowed)\(hint.map { "; \($0.text)" } ?? "")" }
}

/// Why a value is not valid, or what to do about it.
package enum ValueHint: Sendable, Equatable {
    // Texts and numbers

    /// A control character.
    case severalLines
    /// A number or a bool in quotes.
    case quoted
    /// An octal number without its 0.
    case decimalMode(String)
    /// A number with a unit that is too large.
    case tooLarge
    /// A size with a fraction.
    case fraction
    /// A size with another unit.
    case sizeUnits
    /// A duration without a unit.
    case noUnit
    /// A duration with another unit.
    case durationUnits
    /// A duration beyond 292 years.
    case tooLong
    /// A number with unknown flags.
    case unknownBits
    /// The name of an unknown flag.
    case unknownFlag

    // Addresses

    /// A URL with blanks or other characters.
    case oddCharacters
    /// A URL without its scheme.
    case noScheme
    /// A URL with a password.
    case credentials
    /// A URL with a query or a fragment.
    case query
    /// A URL with a path.
    case path
    /// A URL without a host.
    case noHost
    /// The port of a URL is not valid.
    case badPort
    /// An address without a port.
    case noPort
    /// A port of more than 16 bits.
    case largePort
    /// The name of an unknown service.
    case unknownService
    /// A name in brackets.
    case brackets
    /// An IPv6 address without brackets.
    case noBrackets
    /// Host names with ports.
    case withPorts
    /// A URL with `http` of a host that may be anywhere.
    case openNetwork

    var text: String {
        switch self {
        case .severalLines: "there is a line break or control character in it"
        case .quoted: "the quotes make it a text: remove them"
        case .decimalMode(let digits):
            "without a leading 0 it is a decimal number: write 0\(digits) for octal"
        case .tooLarge: "it is too large"
        case .fraction: "use a smaller unit instead of a fraction"
        case .sizeUnits: "the units are K, M, G, T, P and E"
        case .noUnit: "a number needs a unit: ns, us, ms, s, m or h"
        case .durationUnits: "the units are ns, us, ms, s, m and h"
        case .tooLong: "it is too long"
        case .unknownBits: "the number has bits that are not flags of a DBI"
        case .unknownFlag: "it contains an unknown name"
        case .oddCharacters: "it has blanks or non-ASCII characters"
        case .noScheme: "put https:// or http:// in front"
        case .credentials: "set credentials with their own keys"
        case .query: "it has a query or a fragment"
        case .path: "it has a path, and needs none"
        case .noHost: "the host is missing"
        case .badPort: "the port is a number from 1 to 65535"
        case .noPort: "the port is missing"
        case .largePort: "the port is a number up to 65535"
        case .unknownService: "there is no such service in /etc/services"
        case .brackets: "brackets are for IPv6"
        case .noBrackets: "put an IPv6 address into brackets: [::1]:8500"
        case .withPorts: "without ports"
        case .openNetwork: "with http the token would cross the network in clear text"
        }
    }
}

/// Why an accepted value is replaced, with the value that is used.
package enum ValueRemark: Sendable, Equatable {
    /// It is above the maximum.
    case tooLarge(taken: String)
    /// It is negative.
    case negative(taken: String)

    var text: String {
        switch self {
        case .tooLarge(let taken): "above the maximum, taken as \(taken)"
        case .negative(let taken): "negative, taken as \(taken)"
        }
    }
}
