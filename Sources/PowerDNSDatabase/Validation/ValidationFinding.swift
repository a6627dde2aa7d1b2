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
        var place = ""
        appendPlace(to: &place)
        return place
    }

    private func appendPlace(to line: inout String) {
        if let zone {
            line += zone
            line += ": "
        }
        guard let owner else { return }
        line += owner
        if let type {
            line += " "
            line += type
        }
        line += ": "
    }

    /// For example "error cname-with-other-data: example.org.: www.example.org. CNAME: …".
    package var description: String {
        // A database may have very many.
        var line = ""
        line.reserveCapacity(
            64 + (zone?.utf8.count ?? 0) + (owner?.utf8.count ?? 0) + text.utf8.count + (instance?.utf8.count ?? 0))
        line += severity.rawValue
        line += " "
        line += rule.rawValue
        line += ": "
        appendPlace(to: &line)
        line += text
        if let instance { line += " (zone last changed by instance \(instance))" }
        return line
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
