import Support

/// A problem in a PowerDNS database.
///
/// Findings are equal if they have the same text and place, whatever their instance.
package struct ValidationFinding: Hashable, Sendable, Encodable, CustomStringConvertible {
    /// The severity of a finding.
    package enum Severity: String, Sendable, Hashable, Encodable, CaseIterable {
        /// Answers are wrong or missing, or the server cannot read it.
        case error
        /// It works, but is probably not intended.
        case warning
    }

    /// The violated rule.
    package var rule: ValidationRule
    /// The severity of the rule, unless this case is less severe.
    package var severity: Severity
    /// The zone as text, `example.org.`; nil if there is none.
    package var zone: String?
    /// The owner name as text; nil if it concerns the whole zone.
    package var owner: String?
    /// The mnemonic of the type; nil if it does not concern an RRset.
    package var type: String?
    /// The problem and its fix; one line.
    package var text: String
    /// The instance whose snapshot last changed the zone before this was found, which need not be the cause; nil if
    /// there is none.
    package var instance: String?

    /// Creates a finding; the default severity is that of the rule.
    package init(
        _ rule: ValidationRule, severity: Severity? = nil, zone: String? = nil, owner: String? = nil,
        type: String? = nil, _ text: String, instance: String? = nil
    ) {
        self.rule = rule
        self.severity = severity ?? rule.severity
        self.zone = zone.map(Self.bounded)
        self.owner = owner
        self.type = type
        self.text = Self.bounded(text)
        self.instance = instance
    }

    /// Names of views and variants may have any size.
    private static func bounded(_ text: String) -> String {
        PrintableText.cut(text, longest: 2000)
    }

    /// The place, followed by a colon and a blank: "example.org.: www.example.org. CNAME: "; empty if there is
    /// no zone.
    package var place: String {
        let place = zone.map { "\($0): " } ?? ""
        guard let owner else { return place }
        return place + (type.map { "\(owner) \($0): " } ?? "\(owner): ")
    }

    /// For example "error cname-with-other-data: example.org.: www.example.org. CNAME: …".
    package var description: String {
        let origin = instance.map { " (zone last changed by instance \($0))" } ?? ""
        return "\(severity.rawValue) \(rule.rawValue): \(place)\(text)\(origin)"
    }

    /// Whether they are equal; the instance is ignored.
    package static func == (a: ValidationFinding, b: ValidationFinding) -> Bool {
        a.rule == b.rule && a.severity == b.severity && a.zone == b.zone && a.owner == b.owner && a.type == b.type
            && a.text == b.text
    }

    /// Equal findings have equal hashes.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(rule)
        hasher.combine(zone)
        hasher.combine(owner)
        hasher.combine(type)
        hasher.combine(text)
    }
}
