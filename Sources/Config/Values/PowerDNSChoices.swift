/// Whether databases are looked into as PowerDNS's.
package enum PowerDNSUse: String, Sendable, CaseIterable {
    /// Those that are.
    case auto
    /// They must be.
    case always = "true"
    /// None.
    case never = "false"

    /// Reads `auto`, or a bool in any spelling of YAML.
    package static func parse(_ text: String) throws(ValueProblem) -> PowerDNSUse {
        switch NumberText.bool(text) {
        case true?: .always
        case false?: .never
        case nil: try parseChoice(text)
        }
    }
}

/// How much is logged of what merges and sends change in PowerDNS's data.
package enum ChangeLogDetail: String, Sendable, CaseIterable {
    /// Nothing.
    case off
    /// A line for each zone.
    case summary
    /// A line for each record, too.
    case records

    /// Reads `records`, `summary` or a spelling of off.
    package static func parse(_ text: String) throws(ValueProblem) -> ChangeLogDetail {
        NumberText.bool(text) == false ? .off : try parseChoice(text)
    }
}

/// What becomes of entries of a snapshot that PowerDNS could not read, and of the snapshot.
package enum StructureAction: String, Sendable, CaseIterable {
    /// Nobody looks.
    case off
    /// They are merged, logged and counted.
    case warn
    /// They are left out, and the rest is merged.
    case hold
    /// The snapshot is refused.
    case reject

    /// Reads `hold`, `reject`, `warn` or a spelling of off.
    package static func parse(_ text: String) throws(ValueProblem) -> StructureAction {
        NumberText.bool(text) == false ? .off : try parseChoice(text)
    }
}

/// What becomes of a snapshot that a rule finds fault with.
package enum RuleAction: String, Sendable, CaseIterable {
    /// Nobody looks.
    case off
    /// It is logged and counted.
    case warn
    /// The snapshot is refused.
    case reject

    /// Reads `reject`, `warn` or a spelling of off.
    package static func parse(_ text: String) throws(ValueProblem) -> RuleAction {
        NumberText.bool(text) == false ? .off : try parseChoice(text)
    }
}
