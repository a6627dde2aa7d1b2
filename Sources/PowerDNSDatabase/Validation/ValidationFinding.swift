import Support

/// Something in a PowerDNS database that is not as it should be.
///
/// Two findings are the same when they say the same of the same place, wherever it came from.
package struct ValidationFinding: Hashable, Sendable, Encodable, CustomStringConvertible {
    /// How bad it is.
    package enum Severity: String, Sendable, Hashable, Encodable, CaseIterable {
        /// Answers are wrong or missing, or the server can't read it.
        case error
        /// Works, but hardly as somebody wanted it.
        case warning
    }

    /// Which rule it breaks.
    package var rule: ValidationRule
    /// That of the rule, unless this case is better than most.
    package var severity: Severity
    /// The zone as text, `example.org.`; nil where there is none.
    package var zone: String?
    /// The owner name as text; nil where it is about the zone as a whole.
    package var owner: String?
    /// The mnemonic of the type; nil where it is not about an RRset.
    package var type: String?
    /// What is wrong, and what to do about it; one line.
    package var text: String
    /// The instance whose snapshot changed the zone last before this was found, which need not have brought it; nil where
    /// no snapshot has.
    package var instance: String?

    /// A finding; see the properties. Without a severity it gets that of the rule.
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

    /// Names of views and variants can be of any size.
    private static func bounded(_ text: String) -> String {
        PrintableText.cut(text, longest: 2000)
    }

    /// What it is about, with a colon and a blank behind it: "example.org.: www.example.org. CNAME: "; empty where it is about
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

    /// Whether they are the same; the instance does not matter.
    package static func == (a: ValidationFinding, b: ValidationFinding) -> Bool {
        a.rule == b.rule && a.severity == b.severity && a.zone == b.zone && a.owner == b.owner && a.type == b.type
            && a.text == b.text
    }

    /// Equal findings hash the same.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(rule)
        hasher.combine(zone)
        hasher.combine(owner)
        hasher.combine(type)
        hasher.combine(text)
    }
}
