import Support

/// A piece of HTML. Interpolated values are escaped unless they are HTML themselves.
struct HTML: ExpressibleByStringInterpolation, Sendable {
    /// The markup.
    private(set) var markup: String

    init(stringLiteral markup: String) { self.markup = markup }

    init(stringInterpolation: StringInterpolation) { markup = stringInterpolation.markup }

    /// Empty HTML.
    init() { markup = "" }

    /// The concatenation of the parts.
    init(_ parts: some Sequence<HTML>) {
        markup = parts.reduce(into: "") { $0 += $1.markup }
    }

    /// Markup known to be safe: the page's own style and script.
    init(trusted markup: String) { self.markup = markup }

    static func + (html: HTML, more: HTML) -> HTML { HTML(trusted: html.markup + more.markup) }
    static func += (html: inout HTML, more: HTML) { html.markup += more.markup }

    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var markup = ""

        init(literalCapacity: Int, interpolationCount: Int) {
            markup.reserveCapacity(literalCapacity + 16 * interpolationCount)
        }

        mutating func appendLiteral(_ literal: String) { markup += literal }
        mutating func appendInterpolation(_ html: HTML) { markup += html.markup }
        mutating func appendInterpolation(_ text: String) { markup += HTML.escaped(text) }
        mutating func appendInterpolation(_ number: some BinaryInteger) { markup += String(number) }
        mutating func appendInterpolation(_ number: Double) { markup += String(number) }
    }

    /// Text for an element's content or a quoted attribute.
    static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in PrintableText.line(text).unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
