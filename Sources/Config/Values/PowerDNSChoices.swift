/// Whether databases are inspected as PowerDNS's.
package enum PowerDNSUse: String, Sendable, CaseIterable {
    /// Those that are detected.
    case auto
    /// They must be PowerDNS's.
    case always = "true"
    /// None.
    case never = "false"

    /// Parses `auto`, or a bool in any spelling of YAML.
    package static func parse(_ text: String) throws(ValueProblem) -> PowerDNSUse {
        switch NumberText.bool(text) {
        case true?: .always
        case false?: .never
        case nil: try parseChoice(text)
        }
    }
}

/// Level of detail of the change log of PowerDNS's data.
package enum ChangeLogDetail: String, Sendable, CaseIterable {
    /// Nothing.
    case off
    /// A line for each zone.
    case summary
    /// A line for each record, too.
    case records

    /// Parses `records`, `summary` or a spelling of off.
    package static func parse(_ text: String) throws(ValueProblem) -> ChangeLogDetail {
        NumberText.bool(text) == false ? .off : try parseChoice(text)
    }
}

/// Handling of entries of a snapshot that PowerDNS could not read.
package enum StructureAction: String, Sendable, CaseIterable {
    /// Not checked.
    case off
    /// They are merged, logged and counted.
    case warn
    /// They are skipped, and the rest is merged.
    case hold
    /// The snapshot is rejected.
    case reject

    /// Parses `hold`, `reject`, `warn` or a spelling of off.
    package static func parse(_ text: String) throws(ValueProblem) -> StructureAction {
        NumberText.bool(text) == false ? .off : try parseChoice(text)
    }
}

/// Handling of a snapshot that violates a rule.
package enum RuleAction: String, Sendable, CaseIterable {
    /// Not checked.
    case off
    /// It is logged and counted.
    case warn
    /// The snapshot is rejected.
    case reject

    /// Parses `reject`, `warn` or a spelling of off.
    package static func parse(_ text: String) throws(ValueProblem) -> RuleAction {
        NumberText.bool(text) == false ? .off : try parseChoice(text)
    }
}
